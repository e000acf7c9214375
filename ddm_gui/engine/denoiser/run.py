"""The run that learns a denoiser from a person's own clean photos, measures it, and keeps it for all projects."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ddm_gui.engine.denoiser.trial import DRAWN, trial
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.devices import choose_device
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import DenoiserResult, Estimate, Event, Note
from ddm_gui.engine.flow.denoising import DenoiserTraining
from ddm_gui.engine.flow.train import HELD_OUT
from ddm_gui.engine.lock import locked
from ddm_gui.engine.matching.timing import seconds_per_update
from ddm_gui.engine.photos.learning_photos import Reading, chosen
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import find_photos
from ddm_gui.engine.project import checkpoint_notes, described
from ddm_gui.engine.restore.denoiser_files import ENDING, DenoiserAbout, read_about
from ddm_gui.engine.restore.learned_denoiser import LearnedDenoiser
from ddm_gui.engine.training import discard_checkpoint, run


def working_folder(target: Path) -> Path:
    """What a run needs besides the file that it makes: its checkpoint, and the lock that keeps a second run out."""
    return target.with_suffix(".training")


def learn_denoiser(
    clean: Sequence[Path], target: Path, settings: DenoiserSettings
) -> Generator[Event, None, DenoiserResult]:
    """Learns a denoiser from clean photos into the file `target`; goes on where it was stopped, bit for bit on a CPU.

    One that is there already, from these photos with these settings, is left as it is; another stays until the new one
    takes its place. Grey photos make a denoiser of grey ones. A tenth of the photos is held back to measure it with.
    Closing the generator keeps a checkpoint.

    Args:
        clean: photos, or folders of them.
        target: a safetensors file; a folder for the run is made beside it.
        settings: how.

    Yields:
        FlowProgress about five times a second, DenoiserTried for each part of a photo that it is measured on; the last
        event is the DenoiserResult that is returned, too.

    Raises:
        UserError: what a person can mend: no photo that can be used, another kind of file, a full disk, another run for
            this file.
    """
    if target.suffix.lower() != ENDING:
        raise UserError(f"A denoiser cannot be written to {target}.", f"Its file ends in {ENDING}.", "Add that.")
    photos, device = find_photos(clean), choose_device(settings.device)
    with locked(working_folder(target)):
        fingerprint = _fingerprint(photos, settings)
        result = yield from _kept(target, fingerprint)
        if result is None:
            sources = tuple(str(path) for path in clean)
            result = yield from _learned(photos, sources, target, settings, fingerprint, device)
        yield result
    return result


def _fingerprint(photos: list[Path], settings: DenoiserSettings) -> dict[str, Any]:
    """All that a denoiser depends on: settings, and photos by name, size and date. Of these, a digest: the file may be
    given away."""
    chosen_settings = {name: value for name, value in asdict(settings).items() if name != "device"}
    return chosen_settings | {"clean": sha256(json.dumps(described(photos)).encode()).hexdigest()}


def _kept(target: Path, fingerprint: Mapping[str, Any]) -> Generator[Event, None, DenoiserResult | None]:
    """The result that is there already, if it is that of these photos and settings."""
    about = read_about(target)
    if about is None or about.measures is None or about.fingerprint != fingerprint:
        return None
    yield Note("It has been learned from these photos with these settings before, and is left as it is.")
    return DenoiserResult(**asdict(about.measures), path=str(target))


def _learned(
    photos: list[Path],
    sources: tuple[str, ...],
    target: Path,
    settings: DenoiserSettings,
    fingerprint: Mapping[str, Any],
    device: torch.device,
) -> Generator[Event, None, DenoiserResult]:
    """Learns it, measures it, and writes it."""
    checkpoint = working_folder(target) / "checkpoint.safetensors"
    untried = working_folder(target) / target.name
    yield from _discard_stale(checkpoint, fingerprint)
    seen, unseen = (yield from _pool(photos, settings)).split(HELD_OUT, settings.seed)
    pace, _ = seconds_per_update(settings.for_flow(settings.images), device)
    notes = checkpoint_notes(checkpoint) or {"update": 0, "updates": 0}
    images = notes["updates"] * settings.batch_size or settings.images or _affordable(settings, pace)
    training = DenoiserTraining(seen, settings, images, device)
    yield Estimate(pace * (training.updates - notes["update"]))
    yield from run(training, checkpoint, fingerprint)

    yield Note("Trying it on photos that it has not seen.")
    about = DenoiserAbout(seen.channels, settings, sources, fingerprint, datetime.now(UTC).isoformat())
    LearnedDenoiser(training.result(), about).save(untried)
    measures = yield from trial(untried, unseen, settings.seed, device)
    LearnedDenoiser(training.network, replace(about, measures=measures)).save(target)
    untried.unlink()
    discard_checkpoint(checkpoint)
    return DenoiserResult(**asdict(measures), path=str(target))


def _discard_stale(checkpoint: Path, fingerprint: Mapping[str, Any]) -> Generator[Event, None, None]:
    """What was begun with other photos or settings is never silently gone on with."""
    notes = checkpoint_notes(checkpoint)
    if notes is None:
        return
    before = notes.get("fingerprint", {})
    changed = ", ".join(name for name in fingerprint if fingerprint[name] != before.get(name))
    if changed:
        yield Note(f"It is begun anew: what was learned so far was made with another {changed}.")
        discard_checkpoint(checkpoint)


def _pool(photos: list[Path], settings: DenoiserSettings) -> Generator[Event, None, PatchPool]:
    """The clean photos. Small ones are made as large as what is measured, by mirrored edges."""
    reading, plain = Reading(settings.for_flow(settings.images)), settings.for_flow(settings.images)
    paths = yield from chosen(photos, "clean", plain)
    largest = max(settings.patch_size, DRAWN)
    pool = yield from PatchPool.load(
        paths,
        patch_size=largest,
        channels=None,
        memory_budget_gb=settings.memory_budget,
        seed=settings.seed,
        mirrored=largest - settings.patch_size,
        region=settings.clean_region,
        reading=reading,
    )
    yield from reading.news()
    return pool


def _affordable(settings: DenoiserSettings, seconds_per_update: float) -> int:
    """How many patches the time allows."""
    return max(1, int(60 * settings.minutes / seconds_per_update)) * settings.batch_size
