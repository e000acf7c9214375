"""The whole way: photos, step 1, step 2, and the files of the project."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ddm_gui
from ddm_gui.engine import history
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.devices import choose_device
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    Estimate,
    Event,
    KernelSnapshot,
    Note,
    Result,
    Stage,
    StageStarted,
)
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.train import FlowModel, Pretraining, train_flow
from ddm_gui.engine.flow.whitening import PlainPixels, Whitening
from ddm_gui.engine.lock import locked
from ddm_gui.engine.matching import field_matching, uniform_matching
from ddm_gui.engine.matching.field_matching import learn_field
from ddm_gui.engine.matching.field_phase import CONTEXT
from ddm_gui.engine.matching.phase import taps_width
from ddm_gui.engine.matching.search import Match
from ddm_gui.engine.matching.timing import TIMED, seconds_per_update
from ddm_gui.engine.matching.uniform_matching import learn_kernels
from ddm_gui.engine.photos.learning_photos import Reading, chosen
from ddm_gui.engine.photos.patches import PatchPool, check_sources, of_one_size
from ddm_gui.engine.photos.photo import find_photos
from ddm_gui.engine.project import Project, StageState, checkpoint_notes
from ddm_gui.engine.restore.output import Existing, Output
from ddm_gui.engine.restore.photos import restore_photos
from ddm_gui.engine.scores import colour_shift_error, kernel_ncc, kernel_psnr, node_nccs, score_folders
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.demo import build
from ddm_gui.engine.simulate.known_set import KnownSet, truth_beside
from ddm_gui.engine.training import STAGE_NAMES, discard_checkpoint

Paces = dict[tuple[Any, ...], tuple[float, float]]  # `seconds_per_update` of a device and a network
DOUBT = 0.6  # the true squared error is .1 to .7 times the squared distance, and lies where a kernel passes most
LEAST_DOUBT = 0.01  # share of a kernel's power: NCC .995, which hardly any kernel is above


@dataclass(frozen=True, eq=False)
class Learned:
    """What steps 1 and 2 gave: the PSF as saved, the kernels they started from, the IKL, and the seconds of all
    sessions."""

    psf: PsfGrid
    start: NDArray[np.float32]
    ikl: float
    seconds: float


def learn(
    project: Project, only: Stage | None = None, again: bool = False, truth: Path | None = None
) -> Generator[Event, None, Learned | None]:
    """Steps 1 and 2 of a project, or one of them; what is there already is used, what was stopped goes on.

    `again` throws step 2's result away first. With a true PSF, `truth` or the one that lies beside the degraded photos
    of a known set, the closing Result holds the kernel's scores. Returns None after step 1 alone. Closing the generator
    keeps a checkpoint.

    Raises:
        UserError: what a person can mend: the folders, a true PSF that is no single kernel, a stale step 1 with
            `only=Stage.KERNELS`, a full disk, another run in the same project.
    """
    known, told = _truth(project, truth)
    learned = yield from _learn(project, only, again, told if only is not Stage.FLOW else None)
    if learned is not None:
        yield _result(learned, known)
    return learned


def _check_nodes(known: PsfGrid, path: Path, settings: Settings) -> None:
    """Refuses a true PSF with other nodes than those that are learned."""
    wanted = (settings.rows, settings.cols)
    if known.nodes != wanted:
        raise UserError(
            f"{path} has a grid of {known.nodes[0]} x {known.nodes[1]} kernels.",
            f"It cannot be compared with {'one kernel for the whole photo' if wanted == (1, 1) else 'another grid'}.",
            f"Choose a true PSF of {wanted[0]} x {wanted[1]}, or set rows and cols to its numbers.",
        )


def _truth(project: Project, given: Path | None) -> tuple[PsfGrid | None, Note | None]:
    """The true PSF, if there is one; and a sentence on it, if nobody asked for it."""
    path = given or truth_beside(project.degraded)
    if path is None:
        return None, None
    try:
        known = PsfGrid.load(path)
        _check_nodes(known, path, project.settings)
    except UserError as error:
        if given is not None:
            raise
        return None, Note(f"The kernel will not be compared with a true one: {error.what}")
    return known, None if given else Note(f"The kernel will be compared with the true one beside the photos, {path}.")


def demo(directory: Path, settings: Settings) -> Generator[Event, None, Learned]:
    """Builds the demo's photos in `directory`, learns their blur, restores them, and compares with the truth."""
    yield Note("Making the demo's photos.")
    with locked(directory):
        photos = build(directory, settings.seed)
        project = Project(directory / "project", (photos.clean,), (photos.degraded,), settings)
        learned = yield from _learn(project, None, False)
        if learned is None:
            raise AssertionError("both steps were asked for")
        yield from _compare(photos, project, learned)
    return learned


def _learn(
    project: Project, only: Stage | None, again: bool, told: Note | None = None
) -> Generator[Event, None, Learned | None]:
    """The two steps and their files, without the closing Result. `told` is said once the run can begin."""
    settings = project.settings
    seen = settings.patch_size + (Whitening.margin if settings.whiten else PlainPixels.margin)
    turned = taps_width(settings.kernel_size) - 1 if settings.procedure == "rounds" else 0
    undone = 2 * CONTEXT if settings.over_field else 0
    patch = max(WINDOW, seen + turned + undone)
    notes = check_sources(project.clean, project.degraded, patch, settings)
    device = choose_device(settings.device)
    with locked(project.root):
        if told is not None:
            yield told
        yield from notes
        return (yield from _steps(project, only, again, device, patch))


def _steps(
    project: Project, only: Stage | None, again: bool, device: torch.device, patch: int
) -> Generator[Event, None, Learned | None]:
    """The two steps of a project that is locked and whose sources are there; `patch` px is what is drawn of a degraded
    photo. A clean photo, of which the blur takes more, may be no larger: its edges are mirrored."""
    settings = project.settings
    project.save()
    yield from _discard_stale(project, only)
    if again:
        discard_checkpoint(project.kernels_checkpoint)

    reading = Reading(settings)
    degraded = yield from _load(project.degraded, patch, settings, reading)
    clean = None
    if only is not Stage.FLOW or settings.images_pretrain > 0:
        clean = yield from _load(project.clean, patch, settings, reading, blurred=settings.kernel_size - 1)
        if clean.channels != degraded.channels:
            raise UserError("One folder is in colour and the other is grey.", "", "Choose folders of the same kind.")
    yield Estimate(_seconds_needed(project, device, only))

    flow = yield from _flow(project, degraded, clean, device)
    if clean is None or only is Stage.FLOW:
        return None
    match = yield from _match(project, flow, degraded, clean, device)
    error = doubt(match.kernels, match.spectral)
    about = _provenance(project, flow, match)
    psf = PsfGrid(match.kernels, match.noise_sigma, settings.light, about, error, match.confidence, match.photon_noise)
    psf.save(project.psf)
    notes = [checkpoint_notes(project.checkpoint(stage)) or {} for stage in project.stages()]
    return Learned(psf, match.start, match.ikl, sum(note.get("seconds", 0.0) for note in notes))


def _flow(
    project: Project, degraded: PatchPool, clean: PatchPool | None, device: torch.device
) -> Generator[Event, None, FlowModel]:
    """Step 1, from the clean patches on where it begins with them. Step 2 rests on it, and begins anew with it."""
    pretraining = None
    if clean is not None and Stage.PRETRAIN in project.stages():
        pretraining = Pretraining(clean, project.clean_checkpoint, project.fingerprint(Stage.PRETRAIN))
        if project.stage_states()[Stage.FLOW] is StageState.ABSENT:
            yield Note("Step 1 begins with the clean photos.")
    fingerprint = project.fingerprint(Stage.FLOW)
    run = train_flow(degraded, project.settings, device, project.flow_checkpoint, fingerprint, pretraining)
    with closing(run):
        try:
            while True:
                event = next(run)
                begins = isinstance(event, StageStarted) and event.stage is Stage.FLOW and event.images_seen == 0
                if begins and checkpoint_notes(project.kernels_checkpoint) is not None:
                    yield Note("Step 2 begins anew with it.")
                    discard_checkpoint(project.kernels_checkpoint)
                yield event
        except StopIteration as done:
            flow: FlowModel = done.value
            return flow


def doubt(kernels: NDArray[np.float32], spectral: NDArray[np.float32]) -> float:
    """How far a learned kernel may be from the truth, judged by how far it had to move from the spectral start.

    Where the spectra alone nearly give the kernel (a Gaussian) it is small; where step 2 had to find the shape it is of
    the size of what is left to find. A start that is kept is not beyond doubt either. Sum over pixels of the squared
    difference, mean over kernels.
    """
    moved, power = (float(np.square(values).sum(axis=(-2, -1)).mean()) for values in (kernels - spectral, kernels))
    return max(DOUBT * moved, LEAST_DOUBT * power)


def _match(
    project: Project, flow: FlowModel, degraded: PatchPool, clean: PatchPool, device: torch.device
) -> Generator[Event, None, Match]:
    """Step 2, its snapshots written to the project's history at each checkpoint."""
    settings, checkpoint, fingerprint = project.settings, project.kernels_checkpoint, project.fingerprint(Stage.KERNELS)
    learn_them = learn_field if settings.over_field else learn_kernels
    run = learn_them(flow, degraded, clean, settings, device, checkpoint, fingerprint)
    snapshots = history.read(project.history)
    try:
        while True:
            event = next(run)
            if isinstance(event, StageStarted):
                snapshots = snapshots.until(event.images_seen)
            if isinstance(event, KernelSnapshot):
                snapshots = snapshots.with_snapshot(event)
            if isinstance(event, CheckpointSaved):
                snapshots.write(project.history)
            yield event
    except StopIteration as done:
        match: Match = done.value
        return match
    except GeneratorExit:
        run.close()
        snapshots.write(project.history)
        raise


def _load(
    sources: tuple[Path, ...], patch: int, settings: Settings, reading: Reading, blurred: int = 0
) -> Generator[Event, None, PatchPool]:
    """A folder as a pool of patches of `patch` px and as many more as will be `blurred` away: of clean ones then."""
    paths = yield from chosen(find_photos(sources), "clean" if blurred else "degraded", settings)
    if blurred == 0 and settings.over_field and not settings.any_size:
        paths = yield from of_one_size(paths)
    pool = yield from PatchPool.load(
        paths,
        patch_size=patch + blurred,
        channels=3 if settings.channels == 3 else None,
        memory_budget_gb=settings.memory_budget,
        seed=settings.seed,
        mirrored=blurred,
        region=settings.clean_region if blurred else 0,
        reading=reading,
        light=settings.light,
    )
    yield from reading.news()
    return pool


def _discard_stale(project: Project, only: Stage | None) -> Generator[Event, None, None]:
    """What was computed from other photos or settings is never silently reused: it is said, and computed again."""
    states = project.stage_states()
    if only is Stage.KERNELS and states[Stage.FLOW] is not StageState.DONE:
        changed = ", ".join(project.changes_since(Stage.FLOW))
        raise UserError(
            "Step 2 cannot run alone.",
            f"Step 1 was made with another: {changed}." if changed else "Step 1 is not finished.",
            "Run step 1 first, or both.",
        )
    for stage, state in states.items():
        if state is StageState.STALE:
            changed = ", ".join(project.changes_since(stage))
            yield Note(f"{STAGE_NAMES[stage]} is computed again: it was made with another {changed}.")
            discard_checkpoint(project.checkpoint(stage))


def estimate(settings: Settings, device: torch.device, paces: Paces | None = None) -> float:
    """Seconds that all steps take here from their beginning, from the time of a few updates now.

    `paces` remembers what was timed: settings that train the same network are timed once.
    """
    return sum(_step_seconds(settings, device, paces).values())


def _seconds_needed(project: Project, device: torch.device, only: Stage | None) -> float:
    """How long what is left to do takes, from the time of a few updates now."""
    seconds = _step_seconds(project.settings, device)
    left = {stage: _share_left(project, stage) for stage in seconds}
    if left[Stage.FLOW] < 1.0:
        left[Stage.PRETRAIN] = 0.0  # it is behind step 1
    wanted = {None: set(seconds), Stage.FLOW: {Stage.PRETRAIN, Stage.FLOW}, Stage.KERNELS: {Stage.KERNELS}}[only]
    return sum(seconds[stage] * left[stage] for stage in seconds if stage in wanted)


def _step_seconds(settings: Settings, device: torch.device, paces: Paces | None = None) -> dict[Stage, float]:
    """Seconds of each step, from its beginning."""
    paces = {} if paces is None else paces
    timed = (str(device), *(getattr(settings, name) for name in TIMED))
    if timed not in paces:
        paces[timed] = seconds_per_update(settings, device)
    flow, kernels = paces[timed]
    per_update = settings.batch_size * settings.accumulate
    return {
        Stage.PRETRAIN: flow * settings.images_pretrain / per_update,
        Stage.FLOW: flow * settings.images_flow / per_update,
        Stage.KERNELS: kernels * _work_of_kernels(settings),
    }


def _work_of_kernels(settings: Settings) -> float:
    """All work of step 2, in updates that train a network."""
    if settings.over_field:
        return field_matching.work(settings, field_matching.updates_needed(settings))
    return uniform_matching.work(settings, uniform_matching.updates_needed(settings))


def _share_left(project: Project, stage: Stage) -> float:
    """How much of a step is still to be done: 0 to 1, as its checkpoint says."""
    about = checkpoint_notes(project.checkpoint(stage))
    return 1.0 if about is None else 1.0 - float(about["update"] / about["updates"])


def _provenance(project: Project, flow: FlowModel, match: Match) -> Mapping[str, Any]:
    """Where a PSF comes from, as it is saved with it."""
    return {
        "program": {"name": "ddm_gui", "version": ddm_gui.__version__, "torch": torch.__version__},
        "settings": asdict(project.settings),
        "sources": {
            "clean": [str(path) for path in project.clean],
            "degraded": [str(path) for path in project.degraded],
        },
        "ikl": match.ikl,
        "ikl_floor": flow.floor,
    }


def _result(learned: Learned, truth: PsfGrid | None, **photos: float) -> Result:
    """The closing event, with the kernel's scores where the truth is known."""
    scores = {}
    if truth is not None:
        kernels = learned.psf.kernels
        scores = {
            "ncc_start": kernel_ncc(learned.start, truth.kernels),
            "ncc": kernel_ncc(kernels, truth.kernels),
            "kernel_psnr": kernel_psnr(kernels, truth.kernels),
        }
        if truth.nodes != (1, 1):
            nodes = node_nccs(kernels, truth.kernels)
            scores |= {"ncc_mean": float(nodes.mean()), "ncc_worst": float(nodes.min())}
        if 3 in (learned.psf.channels, truth.channels):
            scores["colour_shift_error"] = colour_shift_error(kernels, truth.kernels)
    photon = learned.psf.photon_noise
    if photon is not None:
        scores |= {"noise_shot": photon.shot, "noise_read": photon.read}
    return Result(noise_sigma=learned.psf.noise_sigma, ikl=learned.ikl, seconds=learned.seconds, **scores, **photos)


def _compare(photos: KnownSet, project: Project, learned: Learned) -> Generator[Event, None, None]:
    """Restores the demo's degraded photos with the learned and with the true kernel, and says what each is worth."""
    truth = PsfGrid.load(photos.truth)
    inputs = find_photos((photos.degraded,))
    border = truth.size
    by_truth = project.root / "restored with the true kernel"
    yield from restore_photos(inputs, Output(project.restored, existing=Existing.REPLACE), learned.psf)
    for _ in restore_photos(inputs, Output(by_truth, existing=Existing.REPLACE), truth):
        pass  # the same photos again: nothing new to report
    before = score_folders(photos.degraded, photos.sharp, border)
    after = score_folders(project.restored, photos.sharp, border)
    best = score_folders(by_truth, photos.sharp, border)
    yield _result(
        learned,
        truth,
        psnr_before=before.psnr_mean,
        psnr_after=after.psnr_mean,
        psnr_true_kernel=best.psnr_mean,
        ssim_before=before.ssim_mean,
        ssim_after=after.ssim_mean,
    )
