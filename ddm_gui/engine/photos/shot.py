"""How photos were taken: camera, lens, aperture and focal length, read from their files without decoding the pixels."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ddm_gui.engine.apertures import counted, written
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.photo import PhotoHeader, read_entries, read_header

MAKE, MODEL = 271, 272
F_NUMBER, APERTURE_VALUE, FOCAL_LENGTH, LENS_MODEL = 33437, 37378, 37386, 42036
TAKEN_AT, DIGITIZED_AT = 36867, 36868  # EXIF's DateTimeOriginal and DateTimeDigitized
LARGEST_APEX = 20.0  # f/1024: more is damaged
LONGEST = 100  # characters of a name: longer ones are damaged
NAMED = 2  # how many different cameras, lenses or sizes one line names
APERTURES_NAMED = 4


@dataclass(frozen=True)
class Shot:
    """How a photo was taken, as its file says; None where it does not.

    `make` and `model` are the camera's, `lens` is the lens's name, as cameras write them; `aperture` is the f-number,
    `focal_length` in mm; `day` is '2026-01-31', by the camera's clock.
    """

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    aperture: float | None = None
    focal_length: float | None = None
    day: str | None = None

    @property
    def camera(self) -> str | None:
        """Make and model in one: 'NIKON D750', 'SONY ILCE-7M3'; the make is not said twice."""
        if self.make is None or self.model is None:
            return self.model or self.make
        brands = self.make.split()
        twice = self.model.casefold().startswith(tuple(word.casefold() for word in brands))
        return self.model if twice else f"{brands[0]} {self.model}"


@dataclass(frozen=True)
class Group:
    """What photos have in common; None for a camera or a lens that is not known. `aperture` and `size` as written."""

    camera: str | None
    lens: str | None
    aperture: str
    size: str

    def __str__(self) -> str:
        return ", ".join((self.camera or "unknown camera", self.lens or "unknown lens", self.aperture, self.size))


@dataclass(frozen=True)
class Taken:
    """A photo that can be read, its size, and how it was taken."""

    path: Path
    header: PhotoHeader
    shot: Shot

    @classmethod
    def read(cls, path: Path) -> Taken:
        """Of a file, without decoding its pixels.

        Raises:
            UserError: the photo cannot be read, naming it and the reason.
        """
        return cls(path, read_header(path), read_shot(path))

    @property
    def size(self) -> str:
        """'6000 x 4000', in pixels."""
        return f"{self.header.width} x {self.header.height}"


def read_shot(path: Path) -> Shot:
    """How a photo was taken. What is damaged is not known, nor is anything of a file that cannot be read."""
    try:
        shots = [_shot(entries) for entries in read_entries(path)]
    except UserError:
        return Shot()
    told = [{name: value for name, value in asdict(shot).items() if value is not None} for shot in shots]
    return Shot(**{name: value for tells in reversed(told) for name, value in tells.items()})


def read_taken(paths: Iterable[Path]) -> list[Taken]:
    """All photos that can be read, in their order; others are left to whoever looks through the folder."""
    result = []
    for path in paths:
        with suppress(UserError):
            result.append(Taken.read(path))
    return result


def grouped(taken: Sequence[Taken]) -> dict[Group, list[Taken]]:
    """Photos by camera, lens, aperture and size; the largest group first."""
    groups: dict[Group, list[Taken]] = {}
    for one in taken:
        group = Group(one.shot.camera, one.shot.lens, written(one.shot.aperture), one.size)
        groups.setdefault(group, []).append(one)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def in_one_line(taken: Sequence[Taken]) -> str:
    """'6000 x 4000, NIKON D750, 50mm f/1.8, f/5.6 (12), f/16 (12)': what a folder holds; '' of no photos.

    What differs is told with counts, or as a number where it is much; what no photo says is left out.
    """
    parts = [
        _varied([one.size for one in taken], "size", "sizes"),
        _varied([one.shot.camera for one in taken], "camera", "cameras"),
        _varied([one.shot.lens for one in taken], "lens", "lenses"),
        _apertures([one.shot.aperture for one in taken]),
    ]
    return ", ".join(part for part in parts if part)


# One line


def _varied(values: Sequence[str | None], word: str, words: str) -> str:
    """The one value; 'a (3), unknown lens (2)', the most frequent first; or '4 lenses', where they are many."""
    counts = Counter(values).most_common()
    if set(values) <= {None}:
        return ""
    if len(counts) == 1:
        return str(values[0])
    if len(counts) > NAMED:
        return f"{len(set(values) - {None})} {words}"
    return ", ".join(f"{value or f'unknown {word}'} ({count})" for value, count in counts)


def _apertures(apertures: Sequence[float | None]) -> str:
    """The one aperture; all with counts; or 'f/1.8 to f/29', where they are many, and how many are not known."""
    known = sorted(aperture for aperture in apertures if aperture is not None)
    different = {written(aperture) for aperture in known}
    if not different:
        return ""
    if len(different) <= APERTURES_NAMED:
        return counted(apertures) if len(known) < len(apertures) or len(different) > 1 else different.pop()
    unknown = [None] * (len(apertures) - len(known))
    range_of_them = f"{written(known[0])} to {written(known[-1])} ({len(different)} apertures)"
    return f"{range_of_them}, {counted(unknown)}" if unknown else range_of_them


# Reading


def _shot(entries: dict[int, Any]) -> Shot:
    """What EXIF entries tell."""
    inside = entries.get(exif.EXIF_DIRECTORY)
    details: dict[int, Any] = inside if isinstance(inside, dict) else {}
    return Shot(
        make=_name(entries.get(MAKE)),
        model=_name(entries.get(MODEL)),
        lens=_name(details.get(LENS_MODEL)),
        aperture=_positive(details.get(F_NUMBER)) or _of_apex(details.get(APERTURE_VALUE)),
        focal_length=_positive(details.get(FOCAL_LENGTH)),
        day=_day(details.get(TAKEN_AT)) or _day(details.get(DIGITIZED_AT)),
    )


def _name(value: Any) -> str | None:
    """A name as text; None where it says nothing ('----' is some cameras' word for no lens) or cannot be one."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return None
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in text.split("\0")[0]).split())
    return name if any(letter.isalnum() for letter in name) and len(name) <= LONGEST else None


def _positive(value: Any) -> float | None:
    """A number above 0, to four digits; None of anything else: cameras write 0 or infinity where they do not know."""
    if isinstance(value, str | bytes | tuple) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return float(f"{number:.4g}") if math.isfinite(number) and number > 0 else None


def _day(value: Any) -> str | None:
    """The day of EXIF's '2026:01:31 12:00:00'; None of anything else: cameras without a clock write zeros or spaces."""
    parts = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)(?!\d)", _name(value) or "")
    if parts is None:
        return None
    try:
        return date(*map(int, parts.groups())).isoformat()
    except ValueError:
        return None


def _of_apex(value: Any) -> float | None:
    """The f-number of an aperture value of EXIF, which is twice its binary logarithm."""
    number = _positive(value)
    return _positive(2.0 ** (number / 2)) if number is not None and number < LARGEST_APEX else None
