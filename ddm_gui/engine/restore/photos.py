"""Step 3 for many photos: one restored file for each, and a report of what was left out."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoKept, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.photos.photo import read, read_header
from ddm_gui.engine.restore.in_flight import Room, Run, memory_for_many, side_by_side
from ddm_gui.engine.restore.output import Existing, Output, Planned, is_done, make_writable, planned, refuse_replacing
from ddm_gui.engine.restore.plan import PROGRAM, Budget
from ddm_gui.engine.restore.recipe import Recipe, Restored, bytes_needed, restoring
from ddm_gui.engine.restore.restorer import Steps

PACE = 0.2  # s between two words on how far a photo is


@dataclass(frozen=True)
class RestoreReport:
    """What came of a run: the files that were written, each photo left out with its reason, and files of an earlier run
    that stayed; in the order of the photos."""

    written: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]
    kept: tuple[Path, ...] = ()


def restore_photos(
    inputs: Sequence[Path],
    output: Output,
    psf: PsfGrid,
    recipe: Recipe | None = None,
    device: str = "cpu",
    budget: Budget | None = None,
) -> Generator[Event, None, RestoreReport]:
    """`restore_planned` for photos and folders of photos, by the plan that `planned` makes of them."""
    return (yield from restore_planned(planned(inputs, output), output, psf, recipe, device, budget))


def restore_planned(
    plan: Sequence[Planned],
    output: Output,
    psf: PsfGrid,
    recipe: Recipe | None = None,
    device: str = "cpu",
    budget: Budget | None = None,
) -> Generator[Event, None, RestoreReport]:
    """Restores photos into files, one for each and nothing else.

    Several may be in work at the same time, as the restorer says, as far as the budget and the machine have memory for
    all of them; each becomes the same bytes as if it were alone. Each file is complete or not there, so the run may be
    closed at any event: the photos in work are left at their next step. Under a PSF of linear light photos are restored
    in linear light and written as they were encoded; those that do not tell their tone curve are left out.

    Args:
        plan: of `planned`, or a part of it: what was left out and is to be tried again, say.
        output: where and how files are written. With Existing.KEEP a file that is there stays where it is whole, of its
            photo's size, and not older than that; with which settings it was restored is not asked.
        psf, recipe, device, budget: as `restore` takes them; a Wiener filter at full strength where no recipe is given.

    Yields:
        PhotoStarted for each photo whose header can be read, PhotoProgress on the way, and then PhotoRestored, after
        its file is complete, or PhotoKept or PhotoSkipped; in the order in which these come. Before them a Note where
        files are replaced.

    Raises:
        UserError: before anything is written: what the restorer needs is missing, files are there and nobody said what
            is to become of them, or the folder cannot be written.
    """
    recipe, budget = recipe or Recipe(), budget or Budget()
    recipe.restorer.check()
    make_writable(output.folder)
    if output.existing is Existing.REFUSE:
        refuse_replacing(plan)
    there = sum(item.target.exists() for item in plan)
    if there and output.existing is Existing.REPLACE:
        yield Note(f"{there} of {len(plan)} files are there already, and are replaced.")

    room = Room(min(budget.memory_budget * 1e9, memory_for_many()) - PROGRAM)
    runs = [_restored(item, len(plan), output, psf, recipe, device, budget, room) for item in plan]
    ends: dict[str, PhotoRestored | PhotoKept | PhotoSkipped] = {}
    events = side_by_side(runs, recipe.restorer.photos_at_once)
    try:
        for event in events:
            if isinstance(event, PhotoSkipped):
                ends[event.path] = event
            elif isinstance(event, PhotoRestored | PhotoKept):
                event = ends[event.source] = replace(event, done=len(ends) + 1)
            yield event
    finally:
        events.close()
    return _report(plan, ends)


def _restored(
    item: Planned,
    total: int,
    output: Output,
    psf: PsfGrid,
    recipe: Recipe,
    device: str,
    budget: Budget,
    room: Room,
) -> Run:
    """One photo, whatever becomes of it; `done` of its last event is for whoever counts them."""
    source = str(item.source)
    try:
        header = read_header(item.source)
        shape = (header.height, header.width, header.channels)
        with room.taken(bytes_needed(shape, psf, recipe.restorer, device, budget)):
            yield PhotoStarted(source, total)
            end = yield from _written(item, total, output, psf, recipe, device, budget)
        yield end
    except UserError as error:
        yield PhotoSkipped(source, str(error))
    except MemoryError:
        yield PhotoSkipped(source, f"{source} needs more memory than there is.")


def _written(
    item: Planned, total: int, output: Output, psf: PsfGrid, recipe: Recipe, device: str, budget: Budget
) -> Generator[Event, None, PhotoRestored | PhotoKept]:
    """One file, or one that is there; what it takes is given back at its end."""
    source, target = str(item.source), str(item.target)
    if output.existing is Existing.KEEP and is_done(item):
        return PhotoKept(source, target, 0, total)
    photo = read(item.source, psf.light)
    output.check(photo, item.target)
    steps = restoring(photo, psf, recipe, device, budget=budget)
    found = yield from _followed(source, steps)
    yield PhotoProgress(source, 1.0)  # closed here or before, it writes nothing
    receipt = output.write(found.photo, item.target)
    residual, warning = (None, "") if found.evidence is None else (found.evidence.rms, found.evidence.warning)
    return PhotoRestored(source, target, 0, total, residual, warning, found.plan, receipt)


def _followed(source: str, steps: Steps[Restored]) -> Generator[Event, None, Restored]:
    """What steps come to, with a word now and then on how far they are."""
    told = 0.0
    try:
        while True:
            share = next(steps)
            if time.monotonic() - told >= PACE:
                told = time.monotonic()
                yield PhotoProgress(source, share)
    except StopIteration as end:
        found: Restored = end.value
        return found
    finally:
        steps.close()


def _report(plan: Sequence[Planned], ends: dict[str, PhotoRestored | PhotoKept | PhotoSkipped]) -> RestoreReport:
    all_ends = [ends[str(item.source)] for item in plan]
    return RestoreReport(
        tuple(Path(end.target) for end in all_ends if isinstance(end, PhotoRestored)),
        tuple((Path(end.path), end.reason) for end in all_ends if isinstance(end, PhotoSkipped)),
        tuple(Path(end.target) for end in all_ends if isinstance(end, PhotoKept)),
    )
