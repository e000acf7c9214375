"""The whole way: a kernel is found, a stopped run equals one that never stopped, and nothing stale is reused."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ddm_gui.engine import history, pipeline, training
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import PsfGrid, centroid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    Estimate,
    Event,
    FlowProgress,
    KernelProgress,
    KernelSnapshot,
    Note,
    PhotoSkipped,
    Result,
    Stage,
    StageDone,
    StageStarted,
)
from ddm_gui.engine.files import previous
from ddm_gui.engine.flow import spectrum, train
from ddm_gui.engine.matching import (
    alternating,
    field_magnitude,
    field_matching,
    noise_fit,
    plan,
    retrieval,
    rounds,
    trial,
)
from ddm_gui.engine.photos.linear_dng import write_linear
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.pipeline import Learned, doubt, learn
from ddm_gui.engine.project import Project, StageState, checkpoint_notes
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian
from ddm_gui.engine.training import load_checkpoint, save_checkpoint

from ..conftest import SmallPhotos, write_dng

TINY = Settings(
    kernel_size=9,
    patch_size=16,
    width=8,
    blocks=1,
    batch_size=8,
    images_flow=8 * 12,
    candidates=1,
    images_phase=8 * 4,
    images_kernel=8 * 8,
    device="cpu",
)
GRID = {"rows": 2, "cols": 3}
UPDATES = 12  # of step 1
# Updates: the own start is measured; then stretches from it, a candidate, itself turned about, and on from the best.
STRETCHES = 3 + 4 * (2 + 3)
MATCHING = STRETCHES + 2 * 4  # updates of step 2: then two rounds


@pytest.fixture(autouse=True, scope="module")
def small_amounts() -> Iterator[None]:
    """The same code on fewer patches, and a report, a snapshot after each update, so that a test knows where it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum, "PATCHES", spectrum.BATCH)
        patch.setattr(spectrum, "FIELD_PATCHES", spectrum.BATCH)
        patch.setattr(field_magnitude, "STEPS", 5)
        patch.setattr(field_matching, "TRYING", 2)
        patch.setattr(field_matching, "ASKING", 4)
        patch.setattr(field_matching, "MEASURING", 4)
        patch.setattr(field_matching, "LISTENING", 2)
        patch.setattr(train, "FLOOR_BATCHES", 2)
        patch.setattr(plan, "STRETCH", 2)
        patch.setattr(plan, "TRIAL", 3)
        patch.setattr(trial, "TRIAL_LISTENING", 2)
        patch.setattr(plan, "ROUND", 4)
        patch.setattr(rounds, "LISTENING", 2)
        patch.setattr(retrieval, "BEGINNINGS", 4)
        patch.setattr(retrieval, "STEPS", 20)
        patch.setattr(retrieval, "AGREEING", 3)
        patch.setattr(training, "REPORT_SECONDS", 0.0)
        patch.setattr(training, "SNAPSHOT_SECONDS", 0.0)
        yield


@pytest.fixture
def photos(small_photos: SmallPhotos, tmp_path: Path) -> SmallPhotos:
    """A copy, to change."""
    folder = tmp_path / "zdjęcia Großer 写真"
    for source in small_photos[:3]:
        shutil.copytree(source, folder / source.name)
    shutil.copy(small_photos.truth, folder)
    return SmallPhotos(*(folder / path.name for path in small_photos))


@pytest.fixture
def project(photos: SmallPhotos, tmp_path: Path) -> Project:
    return Project(tmp_path / "project", (photos.clean,), (photos.degraded,), TINY)


def test_raw_is_learned_in_linear_light_from_one_folder_split_by_a_region(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "raw").mkdir()
    for index in range(3):
        leaves = dead_leaves(240, 260, rng)[..., 1] * 60000
        write_dng(tmp_path / "raw" / f"{index}.dng", leaves.astype(np.uint16))
    write(Photo(np.full((240, 260, 3), 0.5), 8), tmp_path / "raw" / "as the camera shows it.jpg")
    settings = replace(TINY, light="linear", clean_region=200)
    both = (tmp_path / "raw",)
    project = Project(tmp_path / "project", both, both, settings)
    learned, events = finish(learn(project))
    assert learned is not None
    assert PsfGrid.load(project.psf).light == "linear"
    skipped = [event for event in events if isinstance(event, PhotoSkipped)]
    assert [Path(event.path).suffix for event in skipped] == [".jpg", ".jpg"]
    assert project.stage_states() == {Stage.FLOW: StageState.DONE, Stage.KERNELS: StageState.DONE}
    display = project.with_settings(replace(settings, light="display"))
    assert display.stage_states() == {Stage.FLOW: StageState.STALE, Stage.KERNELS: StageState.STALE}
    assert display.changes_since(Stage.FLOW) == ["light"]


@pytest.mark.parametrize("grid", [{}, GRID], ids=["one", "grid"])
@pytest.mark.parametrize("procedure", ["rounds", "alternating"])
def test_photon_noise_is_learned_with_the_kernels_and_a_stopped_run_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, procedure: str, grid: dict[str, int]
) -> None:
    for name, few in (("PATCHES", 48), ("BATCH", 48), ("PASSES", 1)):
        monkeypatch.setattr(noise_fit, name, few)
    true, rng = PhotonNoise(0.01, 4e-4), np.random.default_rng(3)
    for name in ("clean", "degraded"):
        (tmp_path / name).mkdir()
        for index in range(4):
            pixels = dead_leaves(150, 160, rng) ** 2
            if name == "degraded":
                pixels = degrade(pixels, gaussian(9, 1.2)[None], true, rng)
            write_linear(Photo(pixels.astype(np.float32), 16, light="linear"), tmp_path / name / f"{index}.dng")
    settings = replace(TINY, light="linear", noise_model="poisson-gaussian", procedure=procedure, **grid)
    project = Project(tmp_path / "project", (tmp_path / "clean",), (tmp_path / "degraded",), settings)
    learned, events = finish(learn(project))
    assert learned is not None
    noise = learned.psf.photon_noise
    assert noise is not None
    assert noise == PsfGrid.load(project.psf).photon_noise
    assert noise.shot == pytest.approx(true.shot, rel=0.4)
    assert noise.sigma(0.3) == pytest.approx(true.sigma(0.3), rel=0.15)
    result = events[-1]
    assert isinstance(result, Result)
    assert (result.noise_shot, result.noise_read) == (noise.shot, noise.read)
    other = replace(project, root=tmp_path / "stopped")
    stop(other, lambda event: isinstance(event, KernelProgress) and event.images_seen > event.images_total / 2)
    again, _ = finish(learn(other))
    assert again is not None
    assert again.psf.photon_noise == noise


def test_no_kernel_is_beyond_doubt() -> None:
    start = gaussian(9, 1.0)[None, None, None].astype(np.float32)
    moved = np.roll(start, 1, axis=-1)
    assert doubt(start, start) == pytest.approx(0.01 * np.square(start).sum())
    assert doubt(moved, start) == pytest.approx(0.6 * np.square(moved - start).sum())


def finish(run: Generator[Event, None, Learned | None]) -> tuple[Learned | None, list[Event]]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as done:
            return done.value, events


def done(project: Project, only: Stage | None = None, again: bool = False) -> list[Event]:
    """The events of a run to its end."""
    return finish(learn(project, only, again))[1]


def stop(project: Project, where: Callable[[Event], bool]) -> Event:
    """Pulls a run until an event fits, then closes it."""
    run = learn(project)
    event = next(event for event in run if where(event))
    run.close()
    return event


def notes(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def started(events: Sequence[Event]) -> dict[Stage, int]:
    """From how many images each step went on."""
    return {event.stage: event.images_seen for event in events if isinstance(event, StageStarted)}


# The whole way


def test_a_known_kernel_is_found_from_a_flat_start(
    small_photos: SmallPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 updates of step 1, 14 short rounds of step 2, 16 patches each: NCC from .39 to above .9 (measured: .99)."""
    monkeypatch.setattr(plan, "ROUND", 20)
    monkeypatch.setattr(rounds, "LISTENING", 10)
    settings = TINY.with_changes(
        {
            "start": "flat",
            "noise_sigma": 0.02,
            "batch_size": 16,
            "images_flow": 16 * 300,
            "images_phase": 0,
            "images_kernel": 16 * 20 * 14,
            "kernel_rate": 0.5,
            "flow_rate": 0.01,
        }
    )
    project = Project(tmp_path / "project", (small_photos.clean,), (small_photos.degraded,), settings)
    learned, events = finish(learn(project, truth=small_photos.truth))
    assert learned is not None
    result = events[-1]
    assert isinstance(result, Result)
    assert result.ncc_start is not None
    assert result.ncc is not None
    assert result.ncc_start < 0.5
    assert result.ncc > 0.9
    assert result.noise_sigma == pytest.approx(0.02)
    assert learned.ikl == result.ikl
    assert math.isfinite(learned.ikl)


def test_the_events_and_files_of_a_run(project: Project) -> None:
    learned, events = finish(learn(project))
    assert learned is not None
    kinds = [type(event) for event in events]
    assert kinds.index(Estimate) < kinds.index(StageStarted)
    assert started(events) == {Stage.FLOW: 0, Stage.KERNELS: 0}
    assert [event.stage for event in events if isinstance(event, StageDone)] == [Stage.FLOW, Stage.KERNELS]
    assert kinds[-1] is Result
    assert kinds.count(FlowProgress) == UPDATES
    assert kinds.count(KernelProgress) == MATCHING
    assert Project.open(project.root) == project
    psf = PsfGrid.load(project.psf)
    assert psf.kernels.shape == (1, 1, 1, 9, 9)
    np.testing.assert_array_equal(psf.kernels, learned.psf.kernels)
    assert psf.kernels.sum() == pytest.approx(1.0, abs=1e-5)
    assert (psf.kernels >= 0).all()
    assert centroid(psf.kernels[0, 0, 0]) == pytest.approx((4, 4), abs=0.1)
    assert psf.provenance["settings"]["kernel_size"] == 9
    snapshots = history.read(project.history)
    assert len(snapshots) == MATCHING
    assert snapshots.kernels.shape[1:] == psf.kernels.shape
    assert set(project.stage_states().values()) == {StageState.DONE}


def test_what_is_done_is_not_done_again(project: Project) -> None:
    first, _ = finish(learn(project))
    before = {path: path.stat().st_mtime_ns for path in (project.flow_checkpoint, project.kernels_checkpoint)}
    second, events = finish(learn(project))
    assert not [event for event in events if isinstance(event, FlowProgress | KernelProgress | CheckpointSaved | Note)]
    assert next(event.seconds for event in events if isinstance(event, Estimate)) == 0.0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.psf.kernels, second.psf.kernels)
    assert second.seconds == first.seconds


def test_the_steps_one_by_one_equal_both_at_once(project: Project, tmp_path: Path) -> None:
    nothing, events = finish(learn(project, Stage.FLOW))
    assert nothing is None
    assert started(events) == {Stage.FLOW: 0}
    assert not project.kernels_checkpoint.exists()
    assert not project.psf.exists()
    alone, events = finish(learn(project, Stage.KERNELS))
    assert started(events) == {Stage.FLOW: 8 * UPDATES, Stage.KERNELS: 0}
    both, _ = finish(learn(replace(project, root=tmp_path / "both")))
    assert alone is not None
    assert both is not None
    np.testing.assert_array_equal(alone.psf.kernels, both.psf.kernels)


def test_again_learns_the_kernel_on_the_flow_that_is_there(project: Project) -> None:
    first, _ = finish(learn(project))
    again, events = finish(learn(project, again=True))
    assert started(events) == {Stage.FLOW: 8 * UPDATES, Stage.KERNELS: 0}
    assert len(history.read(project.history)) == MATCHING
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.psf.kernels, again.psf.kernels)


def test_the_kernels_of_a_run_before_are_not_among_those_of_a_new_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its first picture comes later than that of the run before, and its kernels have another size."""
    done(project)
    monkeypatch.setattr(training, "SNAPSHOT_SECONDS", 1e9)  # one picture, at the end
    done(project.with_settings(TINY.with_changes({"kernel_size": 7})), again=True)
    assert history.read(project.history).kernels.shape == (1, 1, 1, 1, 7, 7)


@pytest.mark.parametrize("updates", [1, 2])
def test_the_shortest_step_2_that_is_allowed_gives_a_kernel(project: Project, updates: int) -> None:
    project = project.with_settings(TINY.with_changes({"batch_size": 64 // updates, "images_kernel": 64}))
    learned, _ = finish(learn(project))
    assert learned is not None
    assert np.isfinite(learned.psf.kernels).all()
    assert learned.psf.kernels.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("channels", "kernels"), [(None, 3), (1, 1), (3, 3)])
def test_one_kernel_per_colour_or_one_for_all(project: Project, channels: int | None, kernels: int) -> None:
    for folder in (project.clean[0], project.degraded[0]):
        for path in folder.iterdir():
            pixels = np.random.default_rng(len(path.name)).random((90, 90, 3), np.float32)
            write(Photo(pixels, 8), path)
    learned, _ = finish(learn(project.with_settings(TINY.with_changes({"channels": channels}))))
    assert learned is not None
    assert learned.psf.kernels.shape == (1, 1, kernels, 9, 9)


def test_the_estimate_is_of_what_is_left(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a second for each update of step 1, ten for each of step 2."""
    monkeypatch.setattr(pipeline, "seconds_per_update", lambda *_: (1.0, 10.0))
    monkeypatch.setattr(plan, "ROUND_WORK", 1.0)
    monkeypatch.setattr(plan, "TRIAL_WORK", 1.0)
    monkeypatch.setattr(plan, "REFINING_WORK", 0.0)

    def estimate(only: Stage | None = None) -> float:
        run = learn(project, only)
        seconds = next(event.seconds for event in run if isinstance(event, Estimate))
        run.close()
        return seconds

    assert estimate() == pytest.approx(UPDATES + 10 * MATCHING)
    assert estimate(Stage.FLOW) == pytest.approx(UPDATES)
    monkeypatch.setattr(plan, "ROUND", 10)
    assert estimate() == pytest.approx(UPDATES + 10 * (STRETCHES + 10))  # rounds are whole
    monkeypatch.setattr(plan, "ROUND_WORK", 2.0)
    assert estimate() == pytest.approx(UPDATES + 10 * (3 + 4 * (2 / 2 + 3) + 10))
    monkeypatch.setattr(plan, "TRIAL_WORK", 1.5)
    assert estimate() == pytest.approx(UPDATES + 10 * (1.5 * 3 + 4 * (2 / 2 + 1.5 * 3) + 10))
    monkeypatch.setattr(plan, "TRIAL_WORK", 1.0)
    monkeypatch.setattr(plan, "ROUND_WORK", 1.0)
    monkeypatch.setattr(plan, "ROUND", 4)
    stop(project, flow_seen(8 * 3))
    assert estimate(Stage.FLOW) == pytest.approx(UPDATES - 3)
    stop(project, kernels_seen(8 * 6))
    assert estimate() == estimate(Stage.KERNELS) == pytest.approx(10 * (MATCHING - 6))


def test_an_estimate_before_a_run_is_that_of_the_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "seconds_per_update", lambda *_: (1.0, 10.0))
    run = learn(project)
    said = next(event.seconds for event in run if isinstance(event, Estimate))
    run.close()
    assert said > 0.0
    assert pipeline.estimate(project.settings, torch.device("cpu")) == pytest.approx(said)


def test_settings_with_the_same_network_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[Settings] = []

    def pace(settings: Settings, device: torch.device) -> tuple[float, float]:
        timed.append(settings)
        return 1.0, 10.0

    monkeypatch.setattr(pipeline, "seconds_per_update", pace)
    paces: pipeline.Paces = {}
    settings = Settings().with_changes({"images_flow": 3200, "images_phase": 0, "images_kernel": 3200})
    seconds = [
        pipeline.estimate(settings.with_changes(changes), torch.device("cpu"), paces)
        for changes in ({}, {"images_flow": 6400}, {"kernel_size": 31}, {"width": 32})
    ]
    assert seconds == [100 + 1000, 200 + 1000, 1100, 1100]
    assert [settings.width for settings in timed] == [64, 32]


# Stopped and resumed


def flow_seen(images: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, FlowProgress) and event.images_seen >= images


def kernels_seen(images: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, KernelProgress) and event.images_seen >= images


def starts(stage: Stage) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StageStarted) and event.stage is stage


def ends(stage: Stage) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StageDone) and event.stage is stage


@pytest.fixture(scope="module")
def straight(small_photos: SmallPhotos, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Learned]:
    """The same run, never stopped. Shared: it is compared with and not touched."""
    folder = tmp_path_factory.mktemp("straight") / "project"
    twin = Project(folder, (small_photos.clean,), (small_photos.degraded,), TINY)
    learned, _ = finish(learn(twin))
    assert learned is not None
    return twin, learned


def assert_equal(project: Project, twin: Project) -> None:
    """All that a run leaves is the same, bit for bit."""
    np.testing.assert_array_equal(PsfGrid.load(project.psf).kernels, PsfGrid.load(twin.psf).kernels)
    assert PsfGrid.load(project.psf).noise_sigma == PsfGrid.load(twin.psf).noise_sigma
    for stage in (Stage.FLOW, Stage.KERNELS):
        ours, theirs = load_checkpoint(project.checkpoint(stage)), load_checkpoint(twin.checkpoint(stage))
        assert ours is not None
        assert theirs is not None
        assert ours[0].keys() == theirs[0].keys()
        for name, tensor in theirs[0].items():
            assert torch.equal(ours[0][name], tensor), f"{stage}: {name}"
        assert (ours[1]["update"], ours[1]["numbers"]) == (theirs[1]["update"], theirs[1]["numbers"])
    # A run closed between a report and the picture of the same update leaves that picture out.
    one, two = history.read(project.history), history.read(twin.history)
    common = np.isin(two.images_seen, one.images_seen)
    np.testing.assert_array_equal(one.images_seen, two.images_seen[common])
    np.testing.assert_array_equal(one.kernels, two.kernels[common])
    assert len(two) - len(one) <= 3


@pytest.mark.parametrize(
    "stops",
    [
        [flow_seen(8 * 3), kernels_seen(8 * 28)],
        [flow_seen(8), kernels_seen(8 * 1), kernels_seen(8 * 4)],  # the own start is measured, then turned
        [kernels_seen(8 * 9), kernels_seen(8 * 14)],  # while those of a candidate are, and turned about
        [kernels_seen(8 * 6), kernels_seen(8 * 12)],  # while a stretch is measured, before it listens and then
        [kernels_seen(8 * 8), kernels_seen(8 * 18)],  # between stretches
        [kernels_seen(8 * 23), kernels_seen(8 * 25)],  # before it listens: the photometry has no state yet
        [kernels_seen(8 * 26), kernels_seen(8 * 30)],  # while it listens: the gradients so far are kept
        [kernels_seen(8 * 27)],  # between rounds
        [starts(Stage.FLOW), flow_seen(8 * UPDATES), ends(Stage.FLOW), starts(Stage.KERNELS)],
        [flow_seen(8 * 2), flow_seen(8 * 7), kernels_seen(8 * 7), kernels_seen(8 * 8), kernels_seen(8 * 24)],
        [kernels_seen(8 * MATCHING), ends(Stage.KERNELS)],
    ],
    ids=[
        "in-each-step",
        "early",
        "candidates",
        "measuring",
        "between-stretches",
        "before-listening",
        "listening",
        "between-rounds",
        "at-the-joints",
        "often",
        "at-the-end",
    ],
)
def test_stopped_and_resumed_equals_never_stopped(
    stops: list[Callable[[Event], bool]], project: Project, straight: tuple[Project, Learned]
) -> None:
    for where in stops:
        stop(project, where)
    learned, _ = finish(learn(project))
    assert_equal(project, straight[0])
    assert learned is not None
    assert learned.ikl == straight[1].ikl
    np.testing.assert_array_equal(learned.start, straight[1].start)


@pytest.mark.parametrize("step", ["flow", "kernels"])
def test_killed_while_the_checkpoint_was_written(
    step: str, project: Project, straight: tuple[Project, Learned]
) -> None:
    """The newest checkpoint is cut short: the one before it is taken, and nothing else is noticed."""
    stage = Stage(step)
    seen = flow_seen if stage is Stage.FLOW else kernels_seen
    stop(project, seen(8 * 5))
    stop(project, seen(8 * 8))
    newest = project.checkpoint(stage)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    assert project.stage_states()[stage] is StageState.PARTIAL
    events = done(project)
    assert started(events)[stage] == 8 * 5
    assert_equal(project, straight[0])


def test_the_file_beside_a_killed_write_does_no_harm(project: Project, straight: tuple[Project, Learned]) -> None:
    stop(project, flow_seen(8 * 5))
    project.flow_checkpoint.with_name(project.flow_checkpoint.name + ".writing").write_bytes(b"half of it")
    done(project)
    assert_equal(project, straight[0])


# Stale


def test_a_setting_of_step_1_makes_both_steps_stale_and_is_said(project: Project) -> None:
    done(project)
    changed = project.with_settings(TINY.with_changes({"width": 12}))
    assert set(changed.stage_states().values()) == {StageState.STALE}
    with pytest.raises(UserError, match="Step 2 cannot run alone") as caught:
        done(changed, Stage.KERNELS)
    assert "width" in caught.value.why
    events = done(changed)
    assert [text for text in notes(events) if "width" in text] == notes(events)
    assert len(notes(events)) == 2
    assert started(events) == {Stage.FLOW: 0, Stage.KERNELS: 0}
    assert set(changed.stage_states().values()) == {StageState.DONE}


def test_a_setting_of_step_2_leaves_step_1_done(project: Project) -> None:
    done(project)
    changed = project.with_settings(TINY.with_changes({"kernel_size": 7}))
    assert changed.stage_states() == {Stage.FLOW: StageState.DONE, Stage.KERNELS: StageState.STALE}
    learned, events = finish(learn(changed, Stage.KERNELS))
    assert started(events) == {Stage.FLOW: 8 * UPDATES, Stage.KERNELS: 0}
    assert notes(events) == ["Step 2 is computed again: it was made with another kernel_size."]
    assert learned is not None
    assert learned.psf.size == 7
    assert {snapshot.shape[-1] for snapshot in history.read(project.history).kernels} == {7}


def test_a_setting_of_neither_changes_nothing(project: Project) -> None:
    done(project)
    assert notes(done(project.with_settings(TINY.with_changes({"device": "auto"})))) == []


def test_a_changed_degraded_photo_makes_both_steps_stale(project: Project, photos: SmallPhotos) -> None:
    done(project)
    changed = photos.degraded / "photo0.png"
    status = changed.stat()
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert set(project.stage_states().values()) == {StageState.STALE}
    with pytest.raises(UserError, match="Step 2 cannot run alone"):
        done(project, Stage.KERNELS)
    events = done(project)
    assert len(notes(events)) == 2
    assert all("degraded" in text for text in notes(events))
    assert started(events) == {Stage.FLOW: 0, Stage.KERNELS: 0}


def test_step_2_does_not_run_on_half_a_step_1(project: Project) -> None:
    with pytest.raises(UserError, match="Step 2 cannot run alone"):
        done(project, Stage.KERNELS)
    stop(project, flow_seen(8 * 3))
    with pytest.raises(UserError, match="Step 2 cannot run alone") as caught:
        done(project, Stage.KERNELS)
    assert "not finished" in caught.value.why


@pytest.mark.parametrize("harm", ["cut short", "gone"])
def test_the_checkpoint_before_is_stale_as_the_newest_is(project: Project, harm: str) -> None:
    """After a kill only the one before it may be left. With another seed it must not be gone on from in silence."""
    stop(project, flow_seen(8 * 3))
    stop(project, flow_seen(8 * 6))
    newest = project.flow_checkpoint
    if harm == "gone":
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:100])
    assert previous(newest).is_file()
    changed = project.with_settings(TINY.with_changes({"seed": 5}))
    assert changed.stage_states()[Stage.FLOW] is StageState.STALE
    events = done(changed, Stage.FLOW)
    assert started(events) == {Stage.FLOW: 0}
    assert notes(events) == ["Step 1 is computed again: it was made with another seed."]


# Of another version of the program


def without(checkpoint: Path, name: str) -> None:
    """A checkpoint as one that knew nothing of a tensor wrote it."""
    loaded = load_checkpoint(checkpoint)
    assert loaded is not None
    tensors, about = loaded
    del tensors[name]
    save_checkpoint(checkpoint, tensors, about)


def anew(name: str) -> str:
    return f"{name} begins anew: another version of this program made the checkpoint that is there."


@pytest.mark.parametrize(
    ("choice", "lacking", "end"),
    [
        ({}, "leads", kernels_seen(8 * 6)),
        ({}, "leads", ends(Stage.KERNELS)),
        (GRID, "answers", kernels_seen(8 * 6)),
        ({"procedure": "alternating"}, "average_share", kernels_seen(8 * 6)),
        ({**GRID, "procedure": "alternating"}, "watch.least", kernels_seen(8 * 6)),
    ],
    ids=["one", "one-done", "grid", "alternating", "grid-alternating"],
)
def test_step_2_of_another_version_begins_anew_on_the_step_1_that_is_there(
    project: Project, tmp_path: Path, choice: dict[str, object], lacking: str, end: Callable[[Event], bool]
) -> None:
    project = project.with_settings(TINY.with_changes(choice))
    twin = replace(project, root=tmp_path / "straight")
    finish(learn(twin))
    stop(project, end)
    without(project.kernels_checkpoint, lacking)
    old = project.kernels_checkpoint.read_bytes()
    stop(project, starts(Stage.FLOW))
    assert project.kernels_checkpoint.read_bytes() == old
    events = done(project)
    assert notes(events) == [anew("Step 2")]
    assert started(events) == {Stage.FLOW: 8 * UPDATES, Stage.KERNELS: 0}
    assert previous(project.kernels_checkpoint).read_bytes() == old
    assert_equal(project, twin)
    assert notes(done(project)) == []


def test_step_1_of_another_version_begins_anew_and_step_2_with_it(
    project: Project, straight: tuple[Project, Learned]
) -> None:
    done(project)
    without(project.flow_checkpoint, "watch.least")
    events = done(project)
    assert notes(events) == [anew("Step 1"), "Step 2 begins anew with it."]
    assert started(events) == {Stage.FLOW: 0, Stage.KERNELS: 0}
    assert_equal(project, straight[0])


def test_step_1_of_another_version_begins_anew_on_the_clean_patches_that_are_learned(project: Project) -> None:
    project = project.with_settings(TINY.with_changes({"images_pretrain": 8 * 6}))
    done(project)
    without(project.flow_checkpoint, "watch.least")
    assert started(done(project)) == {Stage.PRETRAIN: 8 * 6, Stage.FLOW: 0, Stage.KERNELS: 0}
    without(project.clean_checkpoint, "watch.least")
    assert notes(done(project)) == []  # it is behind step 1
    without(project.flow_checkpoint, "watch.least")
    assert notes(done(project)) == [anew("What clean photos look like"), anew("Step 1"), "Step 2 begins anew with it."]


# What stops a run


@pytest.mark.parametrize("update", [6, 25], ids=["while phases are turned", "in a round"])
def test_a_run_that_met_nan_says_so_and_can_go_on_from_before(
    project: Project, straight: tuple[Project, Learned], monkeypatch: pytest.MonkeyPatch, update: int
) -> None:
    stop(project, kernels_seen(8 * update))
    good = project.kernels_checkpoint.read_bytes()
    plain = rounds.excess_loss
    with monkeypatch.context() as patch:
        for module in (trial, rounds):
            patch.setattr(module, "excess_loss", lambda *given: plain(*given) * math.nan)
        run = learn(project)
        with pytest.raises(UserError, match="not finite"):
            finish(run)
    assert project.kernels_checkpoint.read_bytes() == good
    done(project)
    assert_equal(project, straight[0])


def test_a_grid_is_learned_and_compared_node_by_node(project: Project, tmp_path: Path) -> None:
    project = project.with_settings(TINY.with_changes(GRID))
    rng = np.random.default_rng(0)
    PsfGrid(rng.random((2, 3, 1, 9, 9))).save(tmp_path / "grid.safetensors")
    learned, events = finish(learn(project, truth=tmp_path / "grid.safetensors"))
    assert learned is not None
    psf = PsfGrid.load(project.psf)
    assert psf.nodes == (2, 3)
    assert psf.size == 9
    np.testing.assert_allclose(psf.kernels.sum(axis=(3, 4)), 1.0, atol=1e-5)
    snapshots = [event for event in events if isinstance(event, KernelSnapshot)]
    assert {snapshot.kernels.shape for snapshot in snapshots} == {psf.kernels.shape}
    assert not snapshots[-1].kernels.flags.writeable
    result = events[-1]
    assert isinstance(result, Result)
    assert None not in (result.ncc, result.ncc_mean, result.ncc_worst, result.ikl)
    assert result.ncc_worst <= result.ncc_mean  # type: ignore[operator]


def test_a_grid_for_one_blur_in_all_colours(project: Project) -> None:
    done(project.with_settings(TINY.with_changes({**GRID, "channels": 1})))
    assert PsfGrid.load(project.psf).channels == 1


def test_how_sure_each_kernel_of_a_grid_is_is_kept_with_it(project: Project) -> None:
    project = project.with_settings(TINY.with_changes(GRID))
    done(project)
    confidence = PsfGrid.load(project.psf).confidence
    assert confidence is not None
    assert confidence.shape == (2, 3, 1)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert float(confidence.min()) < 1.0  # the halves are not the same photos


@pytest.mark.parametrize("start", ["spectral", "flat", "random"])
def test_the_papers_procedure_learns_a_grid(project: Project, start: str) -> None:
    prior = {"centre_weight": 0.01, "gaussian_weight": 0.01, "smooth_weight": 1.0}
    project = project.with_settings(TINY.with_changes({**GRID, **PAPER, **prior, "start": start}))
    events = done(project)
    psf = PsfGrid.load(project.psf)
    assert psf.kernels.shape == (2, 3, 1, 9, 9)
    assert float(np.ptp(psf.kernels, axis=(0, 1)).max()) > 1e-4  # the nodes are not alike
    assert any(isinstance(event, KernelProgress) and event.ikl is not None for event in events)


def test_one_blur_per_colour_is_refused_for_grey_photos(project: Project) -> None:
    with pytest.raises(UserError, match="grey"):
        done(project.with_settings(TINY.with_changes({"channels": 3})))


def test_a_true_psf_that_is_missing_is_told_before_anything_is_computed(project: Project, tmp_path: Path) -> None:
    run = learn(project, truth=tmp_path / "missing.safetensors")
    with pytest.raises(UserError):
        next(run)
    assert not project.root.exists()


def test_a_true_psf_over_the_field_is_told_before_anything_is_computed(project: Project, tmp_path: Path) -> None:
    PsfGrid(np.full((2, 1, 1, 9, 9), 1 / 81)).save(tmp_path / "grid.safetensors")
    with pytest.raises(UserError, match="2 x 1 kernels"):
        next(learn(project, truth=tmp_path / "grid.safetensors"))
    assert not project.root.exists()


def test_the_truth_beside_a_known_set_is_compared_with_and_it_is_said(project: Project, photos: SmallPhotos) -> None:
    beside = photos.degraded.parent / "truth.safetensors"
    shutil.copy(photos.truth, beside)
    events = done(project)
    assert isinstance(events[0], Note)
    assert str(beside) in events[0].text
    result = events[-1]
    assert isinstance(result, Result)
    assert result.ncc is not None
    given = finish(learn(project, truth=photos.truth))[1]
    assert not [text for text in notes(given) if "compared" in text]
    assert given[-1] == result


def test_step_1_alone_compares_nothing_and_says_nothing_of_it(project: Project, photos: SmallPhotos) -> None:
    shutil.copy(photos.truth, photos.degraded.parent / "truth.safetensors")
    assert notes(done(project, Stage.FLOW)) == []


@pytest.mark.parametrize("damage", [True, False], ids=["damaged", "a grid"])
def test_a_truth_beside_that_cannot_serve_stops_no_run(project: Project, photos: SmallPhotos, damage: bool) -> None:
    beside = photos.degraded.parent / "truth.safetensors"
    if damage:
        beside.write_bytes(b"text")
    else:
        PsfGrid(np.full((2, 1, 1, 9, 9), 1 / 81)).save(beside)
    events = done(project)
    assert isinstance(events[0], Note)
    assert "will not be compared" in events[0].text
    assert isinstance(events[-1], Result)
    assert events[-1].ncc is None


def test_photos_too_small_are_told_before_anything_is_computed(project: Project) -> None:
    with pytest.raises(UserError, match="smaller"):
        done(project.with_settings(TINY.with_changes({"patch_size": 128})))
    assert not project.root.exists()


def test_noise_beyond_all_that_the_photos_hold_still_gives_a_kernel(project: Project) -> None:
    learned, _ = finish(learn(project.with_settings(TINY.with_changes({"noise_sigma": 0.5}))))
    assert learned is not None
    assert np.isfinite(learned.psf.kernels).all()
    assert learned.psf.noise_sigma == pytest.approx(0.5)


def test_snapshots_are_numpy_that_cannot_be_written_to(project: Project) -> None:
    event = stop(project, lambda event: isinstance(event, KernelSnapshot))
    assert isinstance(event, KernelSnapshot)
    assert isinstance(event.kernels, np.ndarray)
    assert not event.kernels.flags.writeable
    about = checkpoint_notes(project.kernels_checkpoint)
    assert about is not None
    assert about["update"] * 8 == event.images_seen


# The paper's procedure, and a step 1 that begins on clean patches

PAPER = {
    "procedure": "alternating",
    "parametrisation": "normalised",
    "whiten": False,
    "sparse_weight": 1.0,
    "images_kernel": 8 * UPDATES,
}


@pytest.mark.parametrize(
    ("size", "channels", "choice"),
    [
        (4, 3, {}),
        (4, 1, PAPER),
        (15, 1, {"images_phase": 8}),
        (15, 3, {**PAPER, "parametrisation": "deep-linear", "whiten": True, "sum_weight": 0.1}),
        (28, 1, {"images_phase": 8, "start": "flat"}),
        (28, 1, {**PAPER, "network": "unet", "multipliers": "1,2", "dropout": 0.2, "start": "random", "accumulate": 2}),
        (63, 1, {"images_phase": 8}),
        (63, 3, {**PAPER, "parametrisation": "softmax", "sparse_weight": 0.0, "schedule": "inverse-sqrt"}),
    ],
)
def test_kernels_of_any_size_are_learned_and_lie_in_the_middle(
    project: Project, size: int, channels: int, choice: dict[str, object]
) -> None:
    rng = np.random.default_rng(0)
    for folder in (project.clean[0], project.degraded[0]):
        for path in folder.iterdir():
            write(Photo(dead_leaves(150, 140, rng)[..., : 3 if channels == 3 else 1], 8), path)
    settings = TINY.with_changes({"kernel_size": size, "channels": channels, **choice})
    learned, _ = finish(learn(project.with_settings(settings)))
    assert learned is not None
    kernels = PsfGrid.load(project.psf).kernels
    assert kernels.shape == (1, 1, channels, size, size)
    assert (kernels >= 0).all()
    np.testing.assert_allclose(kernels.sum(axis=(-2, -1)), 1.0, atol=1e-5)
    assert centroid(kernels) == pytest.approx((size // 2, size // 2), abs=0.05)
    assert Project.open(project.root).settings == settings


@pytest.mark.parametrize(
    ("choice", "stops"),
    [
        (PAPER, [flow_seen(8 * 5), kernels_seen(8 * 1), kernels_seen(8 * 9)]),
        (
            {"images_pretrain": 8 * 6, "network": "unet", "multipliers": "1,2", "dropout": 0.2, "accumulate": 2},
            [starts(Stage.PRETRAIN), flow_seen(8 * 4), ends(Stage.PRETRAIN), starts(Stage.FLOW), ends(Stage.FLOW)],
        ),
        # 8 updates of the auxiliary network, 2 of known phases, 4 that turn both halves, 4 that measure
        (GRID, [flow_seen(8 * 5), kernels_seen(8 * 3), kernels_seen(8 * 8), kernels_seen(8 * 10)]),
        (GRID, [kernels_seen(8 * 11), kernels_seen(8 * 14), kernels_seen(8 * 16)]),
        ({**GRID, **PAPER}, [kernels_seen(8 * 3), kernels_seen(8 * 9)]),
    ],
    ids=["alternating", "pretrained", "grid", "grid-often", "grid-alternating"],
)
def test_stopped_and_resumed_equals_never_stopped_in_other_ways_too(
    project: Project, tmp_path: Path, choice: dict[str, object], stops: list[Callable[[Event], bool]]
) -> None:
    project = project.with_settings(TINY.with_changes(choice))
    twin = replace(project, root=tmp_path / "straight")
    finish(learn(twin))
    for where in stops:
        stop(project, where)
    finish(learn(project))
    assert_equal(project, twin)


def test_step_1_begins_on_clean_patches_where_asked_to(project: Project, photos: SmallPhotos) -> None:
    settings = TINY.with_changes({"images_pretrain": 8 * 6})
    project = project.with_settings(settings)
    events = done(project)
    assert started(events) == {Stage.PRETRAIN: 0, Stage.FLOW: 0, Stage.KERNELS: 0}
    assert set(project.stage_states().values()) == {StageState.DONE}
    assert project.clean_checkpoint.is_file()
    assert Stage.PRETRAIN not in started(done(project))  # it is behind step 1
    longer = project.with_settings(settings.with_changes({"images_flow": 8 * 14}))
    events = done(longer)
    assert started(events)[Stage.PRETRAIN] == 8 * 6  # what clean photos look like is not learned again
    assert started(events)[Stage.FLOW] == 0
    moved = photos.clean / "photo0.png"
    os.utime(moved, ns=(1, 1))
    events = done(longer)
    assert started(events) == {Stage.PRETRAIN: 0, Stage.FLOW: 0, Stage.KERNELS: 0}
    assert any("clean" in text for text in notes(events))


@pytest.mark.parametrize("stage", [Stage.FLOW, Stage.KERNELS])
def test_a_rate_that_makes_it_diverge_stops_it_and_spares_the_checkpoint(
    project: Project, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    """The rate becomes absurd in the middle of a run; from the checkpoint that is kept it goes on at a sound one."""
    monkeypatch.setattr(training, "WATCHED_UPDATES", 5)
    settings = TINY.with_changes({**PAPER, "images_flow": 8 * 60, "images_kernel": 8 * 60, "auxiliary_rate": 1e-3})
    project = project.with_settings(settings)
    seen = flow_seen if stage is Stage.FLOW else kernels_seen
    stop(project, seen(8 * 20))
    good = project.checkpoint(stage).read_bytes()
    with monkeypatch.context() as absurd:
        for module in (train, alternating):
            absurd.setattr(module, "set_rate", lambda optimiser, _: [g.update(lr=3.0) for g in optimiser.param_groups])
        with pytest.raises(UserError, match="stopped") as caught:
            done(project)
    assert "checkpoint is kept" in caught.value.why
    assert project.checkpoint(stage).read_bytes() == good
    events = done(project)
    assert started(events)[stage] >= 8 * 20
    assert set(project.stage_states().values()) == {StageState.DONE}
