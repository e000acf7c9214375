"""Step 3 for many photos: one restored file for each, and a report of what was left out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoRestored, PhotoSkipped
from ddm_gui.engine.photos.photo import find_photos, in_light, read, read_header, targets, write
from ddm_gui.engine.restore.plan import Budget, check_size
from ddm_gui.engine.restore.recipe import Recipe, restore


@dataclass(frozen=True)
class RestoreReport:
    """What came of a run: the files that were written, and each photo left out with its reason."""

    written: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]


def restore_photos(
    inputs: Sequence[Path],
    output: Path,
    psf: PsfGrid,
    file_format: str = "same",
    quality: int = 95,
    recipe: Recipe | None = None,
    device: str = "cpu",
    budget: Budget | None = None,
    only_missing: bool = False,
    strip_private: bool = False,
) -> Generator[Event, None, RestoreReport]:
    """Restores photos (files, or folders of them) into a folder, one file for each and nothing else.

    A file keeps the photo's stem; where two photos would get the same name, the second becomes `name_2`. Each file is
    complete or not there, so the run may be closed at any event. A file of an earlier run is replaced. Under a PSF of
    linear light photos are restored in linear light and written as they were encoded; those that do not tell their tone
    curve are left out.

    Args:
        inputs: photos and folders of photos.
        output: the folder, made if needed.
        psf, recipe, device, budget: as `restore` takes them; a Wiener filter at full strength where no recipe is given.
        file_format: 'same' (PNG for PNG, JPEG for JPEG, TIFF for TIFF and RAW), 'png', 'tiff', 'tiff16' or 'jpeg'.
        quality: of JPEG files, to 100.
        only_missing: leaves alone what an earlier run has restored: a file that is whole, of its photo's size, and not
            older than that. With which settings it was restored is not asked.
        strip_private: whether position, serial numbers, owners and thumbnails are left out.

    Yields:
        PhotoRestored or PhotoSkipped for each photo, after its file is complete; before them a Note of how many there
        are already, where only missing ones are restored.

    Raises:
        UserError: before anything is written: what the restorer needs is missing, there is no photo, a file would take
            an original's place, or the folder cannot be written.
    """
    recipe, budget = recipe or Recipe(), budget or Budget()
    recipe.restorer.check()
    sources = find_photos(inputs)
    pairs = list(zip(sources, targets(sources, output, file_format), strict=True))
    _refuse_originals(pairs)
    _make_writable(output)
    if only_missing:
        missing = [pair for pair in pairs if not _is_done(*pair)]
        yield Note(f"{len(pairs) - len(missing)} of {len(pairs)} photos are restored already.")
        pairs = missing

    def restored(source: Path, target: Path, done: int) -> PhotoRestored:
        """One file. What it takes is given back before the next begins."""
        header = read_header(source)
        check_size((header.height, header.width, header.channels), budget)
        found = restore(read(source, psf.light), psf, recipe, device, budget=budget)
        receipt = write(in_light(found.photo, "display"), target, file_format, quality, strip_private)
        residual, warning = (None, "") if found.evidence is None else (found.evidence.rms, found.evidence.warning)
        return PhotoRestored(str(source), str(target), done, len(pairs), residual, warning, found.plan, receipt)

    written: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    for done, (source, target) in enumerate(pairs, start=1):
        try:
            event = restored(source, target, done)
        except (UserError, MemoryError) as error:
            reason = str(error) if isinstance(error, UserError) else f"{source} needs more memory than there is."
            skipped.append((source, reason))
            yield PhotoSkipped(str(source), reason)
        else:
            written.append(target)
            yield event
    return RestoreReport(tuple(written), tuple(skipped))


def _is_done(source: Path, target: Path) -> bool:
    """Whether a photo's restored file is there, newer than the photo, of its size, and can be read to its end."""
    try:
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            return False
        asked, made = read_header(source), read(target).pixels.shape
    except (UserError, OSError):
        return False
    return (asked.height, asked.width) == made[:2]


def _refuse_originals(pairs: Sequence[tuple[Path, Path]]) -> None:
    """A file that lies beside a photo to be restored is somebody's original, chosen or not."""
    originals = {_real(source) for source, _ in pairs}
    folders = {original.parent for original in originals}
    for _, target in pairs:
        place = _real(target)
        if place in originals or (place.exists() and place.parent in folders):
            raise UserError(
                f"{target} is there already, among the photos to be restored.",
                "An original is never overwritten.",
                "Choose another output folder.",
            )


def _real(path: Path) -> Path:
    """Where a path leads; of links that lead in a circle the path itself, of which `Path.resolve` makes an error."""
    return Path(os.path.realpath(path))


def _make_writable(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"{output} cannot be written to.", f"{error}.", "Choose another output folder.") from error
