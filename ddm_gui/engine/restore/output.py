"""Where restored photos go: one file for each, under which name, written how, and what of files that are there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.naming import OWN_NAME, check_template, stems
from ddm_gui.engine.photos.photo import (
    Photo,
    check_depth,
    find_photos,
    in_light,
    read,
    read_header,
    targets,
    write,
    written_as,
)
from ddm_gui.engine.photos.photo_files import FORMATS
from ddm_gui.engine.receipt import Receipt


class Existing(StrEnum):
    """What becomes of files of earlier runs that have a restored photo's name."""

    REFUSE = "refuse"  # nothing is restored
    KEEP = "keep"  # what is whole stays, and its photo is not restored again
    REPLACE = "replace"
    NUMBER = "number"  # they stay: the new file becomes name_2


@dataclass(frozen=True)
class Output:
    """How restored photos are kept.

    `folder` is made if needed. `name` is a template (see `naming`). `file_format` is 'same' (PNG for PNG, JPEG for
    JPEG, TIFF for TIFF and RAW, FITS for FITS), 'png', 'tiff' or 'jpeg', with `quality` from 1 to 100; `depth` is 8,
    16, or FLOAT, None as each photo has it. With `strip_private` position, serial numbers, owners and thumbnails are
    left out.

    Raises:
        UserError: no file can be called so, or the format does not hold the depth, or there is no such quality.
    """

    folder: Path
    name: str = OWN_NAME
    file_format: str = "same"
    depth: int | None = None
    quality: int = 95
    strip_private: bool = False
    existing: Existing = Existing.REFUSE

    def __post_init__(self) -> None:
        check_template(self.name)
        if self.depth is not None and self.file_format != "same":
            check_depth(FORMATS[self.file_format], self.depth)
        if not 1 <= self.quality <= 100:
            raise UserError(f"The quality cannot be {self.quality}.", "", "It may be 1 to 100.")

    def check(self, photo: Photo, target: Path) -> None:
        """Looks whether a photo, once it is restored, can become this file: what that takes is known before.

        Raises:
            UserError: the file cannot hold what the photo is, or the depth, or the disk not the file.
        """
        kind, depth = written_as(photo, target, self.file_format, self.depth)
        needed = photo.pixels.size * depth // 8 if kind == "TIFF" else 0  # other files are packed, nobody knows how far
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise UserError(f"{target} cannot be written.", f"{error}.", "Choose another folder.") from error
        if needed > free:
            why = f"It needs {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free on the disk."
            raise UserError(f"{target} cannot be written.", why, "Make room, or choose another folder.")

    def write(self, photo: Photo, target: Path) -> Receipt:
        """A restored photo, in display light, as a file.

        Raises:
            UserError: it cannot be written, or a file has come there that is not to be replaced.
        """
        may_replace = self.existing in (Existing.KEEP, Existing.REPLACE)
        if not may_replace and os.path.exists(target):  # no error where the folder may not be looked at any more
            raise UserError(f"{target} has come meanwhile.", "It is not replaced.", "Try again, under another name.")
        shown = in_light(photo, "display")
        return write(shown, target, self.file_format, self.quality, self.strip_private, self.depth)


@dataclass(frozen=True)
class Planned:
    """A photo, the file that it is to become, and whether an earlier run has used the name that this would have."""

    source: Path
    target: Path
    there: bool = False


def planned(inputs: Sequence[Path], output: Output) -> tuple[Planned, ...]:
    """The files that photos (or folders of them) become, in the order of their names. Nothing is written.

    Raises:
        UserError: there is no photo, one is an original that would be written over, or a folder cannot be looked at.
    """
    sources = find_photos(inputs)
    names = stems(sources, output.name)
    places = targets(sources, output.folder, output.file_format, names)
    try:
        there = [place.exists() for place in places]
        if any(there) and output.existing is Existing.NUMBER:
            avoided = [path.name for path in output.folder.iterdir()]
            places = targets(sources, output.folder, output.file_format, names, avoided)
    except OSError as error:
        raise UserError(f"{output.folder} cannot be looked at.", f"{error}.", "Choose another folder.") from error
    found = tuple(map(Planned, sources, places, there))
    _refuse_originals(found)
    return found


def refuse_replacing(plan: Sequence[Planned]) -> None:
    """For runs that were not told what is to become of files that are there.

    Raises:
        UserError: there are such files.
    """
    there = [item.target for item in plan if item.target.exists()]
    if there:
        raise UserError(
            f"{len(there)} of {len(plan)} files are there already, such as {there[0]}.",
            "Nothing is replaced unless you ask for it.",
            "Choose another folder, or keep what is whole, replace it, or number the new files (--only-missing, "
            "--replace, --number).",
        )


def make_writable(folder: Path) -> None:
    """Makes a folder if needed, and looks whether files can be written there.

    Raises:
        UserError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{folder} cannot be written to.", f"{error}.", "Choose another folder.") from error


def is_done(item: Planned) -> bool:
    """Whether a photo's file is there, is not older than the photo, has its size, and can be read to its end."""
    try:
        if not item.target.exists() or item.target.stat().st_mtime < item.source.stat().st_mtime:
            return False
        asked, made = read_header(item.source), read(item.target).pixels.shape
    except (UserError, OSError):
        return False
    return (asked.height, asked.width) == made[:2]


def _refuse_originals(plan: Sequence[Planned]) -> None:
    """A file that lies beside a photo to be restored is somebody's original, chosen or not."""
    originals = {_real(item.source) for item in plan}
    folders = {original.parent for original in originals}
    for item in plan:
        place = _real(item.target)
        if place in originals or (place.exists() and place.parent in folders):
            raise UserError(
                f"{item.target} is there already, among the photos to be restored.",
                "An original is never overwritten.",
                "Choose another output folder, or other names.",
            )


def _real(path: Path) -> Path:
    """Where a path leads; of links that lead in a circle the path itself, of which `Path.resolve` makes an error."""
    return Path(os.path.realpath(path))
