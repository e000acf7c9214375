"""The run that learns a denoiser: from photos to a file that is measured, stopped and resumed, and never replaced
unasked."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddm_gui.engine import training
from ddm_gui.engine.denoiser import trial as denoiser_trial
from ddm_gui.engine.denoiser.run import learn_denoiser, working_folder
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    DenoiserResult,
    DenoiserTried,
    Estimate,
    Event,
    FlowProgress,
    Note,
    Stage,
    StageStarted,
)
from ddm_gui.engine.lock import locked
from ddm_gui.engine.restore.denoiser_files import read_about
from ddm_gui.engine.restore.denoisers import load_denoiser
from ddm_gui.engine.restore.learned_denoiser import LearnedDenoiser

from ...conftest import SmallPhotos

TINY = DenoiserSettings(images=8 * 12, patch_size=16, width=8, blocks=1, batch_size=8, device="cpu")


@pytest.fixture(autouse=True)
def fewer_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code on fewer parts, and an event at each update."""
    monkeypatch.setattr(denoiser_trial, "PARTS", 2)
    monkeypatch.setattr(training, "REPORT_SECONDS", 0.0)


def pulled(run: Generator[Event, None, DenoiserResult]) -> list[Event]:
    return list(run)


def stopped(run: Generator[Event, None, DenoiserResult], images: int) -> list[Event]:
    """The run, closed once it has seen so many patches."""
    events = []
    for event in run:
        events.append(event)
        if isinstance(event, FlowProgress) and event.images_seen >= images:
            run.close()
    return events


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


def test_photos_become_a_denoiser_that_is_measured(small_photos: SmallPhotos, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "grey.safetensors"
    events = pulled(learn_denoiser([small_photos.clean], target, TINY))
    kinds = [type(event) for event in events]
    assert kinds.index(Estimate) < kinds.index(StageStarted) < kinds.index(FlowProgress) < kinds.index(DenoiserTried)
    progress = [event for event in events if isinstance(event, FlowProgress)]
    assert {event.stage for event in progress} == {Stage.DENOISER}
    assert progress[-1].images_seen == progress[-1].images_total == 96
    assert [event.done for event in events if isinstance(event, DenoiserTried)] == [1, 2]
    result = events[-1]
    assert isinstance(result, DenoiserResult)
    assert result.path == str(target)
    assert result.parts == 2
    assert result.gain_50 > result.gain_15
    assert result.psnr_wiener > result.psnr_blurred
    network = load_denoiser(target)
    assert isinstance(network, LearnedDenoiser)
    assert network.channels == 1
    about = read_about(target)
    assert about is not None
    assert about.measures is not None
    assert about.measures.psnr_dpir == result.psnr_dpir
    assert about.settings == TINY
    assert about.sources == (str(small_photos.clean),)
    left = [path.name for path in working_folder(target).iterdir()]
    assert left == ["project.lock"], "its checkpoint is not needed any more"


def test_stopped_and_resumed_it_is_the_same_denoiser(small_photos: SmallPhotos, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    pulled(learn_denoiser([small_photos.clean], whole, TINY))
    stopped(learn_denoiser([small_photos.clean], parts, TINY), 32)
    assert not parts.exists()
    again = stopped(learn_denoiser([small_photos.clean], parts, TINY), 64)
    last = pulled(learn_denoiser([small_photos.clean], parts, TINY))
    starts = [event.images_seen for event in again + last if isinstance(event, StageStarted)]
    assert starts == [32, 64]
    one, two = (load_denoiser(path).state_dict() for path in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_another_version_began_is_begun_anew_and_it_is_said(small_photos: SmallPhotos, tmp_path: Path) -> None:
    target = tmp_path / "mine.safetensors"
    stopped(learn_denoiser([small_photos.clean], target, TINY), 32)
    checkpoint = working_folder(target) / "checkpoint.safetensors"
    loaded = training.load_checkpoint(checkpoint)
    assert loaded is not None
    tensors, about = loaded
    del tensors["watch.least"]
    training.save_checkpoint(checkpoint, tensors, about)
    events = pulled(learn_denoiser([small_photos.clean], target, TINY))
    assert "The denoiser begins anew" in said(events)
    assert [event.images_seen for event in events if isinstance(event, StageStarted)] == [0]
    assert target.exists()


def test_a_run_that_is_stopped_while_it_is_measured_goes_on_there(small_photos: SmallPhotos, tmp_path: Path) -> None:
    target = tmp_path / "mine.safetensors"
    run = learn_denoiser([small_photos.clean], target, TINY)
    for event in run:
        if isinstance(event, DenoiserTried):
            run.close()
    assert not target.exists()
    events = pulled(learn_denoiser([small_photos.clean], target, TINY))
    assert not any(isinstance(event, FlowProgress) for event in events)
    assert target.exists()


def test_the_time_is_turned_into_patches_once(small_photos: SmallPhotos, tmp_path: Path) -> None:
    """Whatever else the machine does when the run goes on, its length stays."""
    target = tmp_path / "mine.safetensors"
    short = replace(TINY, images=0, minutes=0.1)
    first = stopped(learn_denoiser([small_photos.clean], target, short), 32)
    again = stopped(learn_denoiser([small_photos.clean], target, short), 64)
    totals = {event.images_total for event in first + again if isinstance(event, StageStarted)}
    assert len(totals) == 1
    assert totals.pop() >= 8


def test_the_same_again_is_left_as_it_is_and_other_settings_begin_anew(
    small_photos: SmallPhotos, tmp_path: Path
) -> None:
    target = tmp_path / "mine.safetensors"
    result = pulled(learn_denoiser([small_photos.clean], target, TINY))[-1]
    before = target.read_bytes()
    events = pulled(learn_denoiser([small_photos.clean], target, replace(TINY, device="auto")))
    assert "left as it is" in said(events)
    assert events[-1] == result
    assert target.read_bytes() == before
    other = replace(TINY, seed=1)
    stopped(learn_denoiser([small_photos.clean], target, other), 32)
    assert target.read_bytes() == before, "until the new one is whole"
    events = stopped(learn_denoiser([small_photos.clean], target, replace(other, width=16)), 8)
    assert "made with another width" in said(events)
    assert [event.images_seen for event in events if isinstance(event, StageStarted)] == [0]


def test_what_cannot_be_done_is_said(small_photos: SmallPhotos, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ends in"):
        pulled(learn_denoiser([small_photos.clean], tmp_path / "mine.pth", TINY))
    with pytest.raises(UserError, match="nowhere"):
        pulled(learn_denoiser([tmp_path / "nowhere"], tmp_path / "mine.safetensors", TINY))
    target = tmp_path / "mine.safetensors"
    with locked(working_folder(target)), pytest.raises(UserError, match="Another run"):
        pulled(learn_denoiser([small_photos.clean], target, TINY))


def test_closing_saves(small_photos: SmallPhotos, tmp_path: Path) -> None:
    target = tmp_path / "mine.safetensors"
    events = stopped(learn_denoiser([small_photos.clean], target, TINY), 40)
    assert not any(isinstance(event, CheckpointSaved) for event in events)
    assert (working_folder(target) / "checkpoint.safetensors").is_file()
