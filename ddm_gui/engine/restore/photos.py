"""Step 3 for many photos: one restored file for each, and a report of what was left out."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, PhotoRestored, PhotoSkipped
from ddm_gui.engine.photo import find_photos, in_light, read, targets, write
from ddm_gui.engine.psf import PsfGrid
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
) -> Generator[Event, None, RestoreReport]:
    """Restores photos (files, or folders of them) into a folder, one file for each and nothing else.

    A file keeps the photo's stem; where two photos would get the same name, the second becomes `name_2`. Each file is
    complete or not there, so the run may be closed at any event. A file of an earlier run is replaced. Under a PSF of
    linear light RAW photos are read and restored in linear light, and written with sRGB's tone curve; others are left
    out.

    Args:
        inputs: photos and folders of photos.
        output: the folder, made if needed.
        psf, recipe, device: as `restore` takes them; a Wiener filter at full strength where no recipe is given.
        file_format: 'same' (PNG for PNG, JPEG for JPEG, TIFF for TIFF and RAW), 'png', 'tiff', 'tiff16' or 'jpeg'.
        quality: of JPEG files, to 100.

    Yields:
        PhotoRestored or PhotoSkipped for each photo, after its file is complete.

    Raises:
        UserError: before anything is written: what the restorer needs is missing, there is no photo, a file would take
            an original's place, or the folder cannot be written.
    """
    recipe = recipe or Recipe()
    recipe.restorer.check()
    sources = find_photos(inputs)
    places = targets(sources, output, file_format)
    _refuse_originals(sources, places)
    _make_writable(output)
    written: list[Path] = []
    skipped: list[tuple[Path, str]] = []
    for done, (source, target) in enumerate(zip(sources, places, strict=True), start=1):
        try:
            photo = read(source, psf.light)
            restored = restore(photo, psf, recipe, device)
            write(in_light(restored.photo, "display"), target, file_format, quality)
        except UserError as error:
            skipped.append((source, str(error)))
            yield PhotoSkipped(str(source), str(error))
        else:
            written.append(target)
            judged = restored.evidence
            told = (None, "") if judged is None else (judged.rms, judged.warning)
            yield PhotoRestored(str(source), str(target), done, len(sources), *told)
    return RestoreReport(tuple(written), tuple(skipped))


def _refuse_originals(sources: Sequence[Path], places: Sequence[Path]) -> None:
    """A file that lies beside a photo to be restored is somebody's original, chosen or not."""
    folders = {source.resolve().parent for source in sources}
    originals = {source.resolve() for source in sources}
    for target in places:
        place = target.resolve()
        if place in originals or (place.exists() and place.parent in folders):
            raise UserError(
                f"{target} is there already, among the photos to be restored.",
                "An original is never overwritten.",
                "Choose another output folder.",
            )


def _make_writable(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"{output} cannot be written to.", f"{error}.", "Choose another output folder.") from error
