"""What a person dropped, looked through: which photos it holds, and which files cannot be read and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import find_photos, read_header
from ddm_gui.engine.photos.shot import in_one_line, read_taken


class Role(StrEnum):
    """Which of the two sets of photos."""

    CLEAN = "clean"
    DEGRADED = "degraded"


@dataclass(frozen=True)
class Problem:
    """A file that will be left out, and why; or a folder that cannot be used at all."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Found:
    """The photos of a set. `photos` can be opened, as far as their headers tell."""

    sources: tuple[Path, ...] = ()
    photos: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()


def look_through(sources: tuple[Path, ...]) -> Found:
    """Reads the header of every photo in folders and files; nothing is decoded."""
    if not sources:
        return Found()
    try:
        candidates = find_photos(sources)
    except UserError as error:
        return Found(sources, (), (Problem(sources[0], str(error)),))
    photos: list[Path] = []
    problems: list[Problem] = []
    for path in candidates:
        reason = _fault(path)
        if reason is None:
            photos.append(path)
        else:
            problems.append(Problem(path, reason))
    return Found(sources, tuple(photos), tuple(problems))


def described(photos: tuple[Path, ...]) -> str:
    """Size, camera, lens and apertures of a set in one line, as far as the files tell; read without decoding them."""
    return in_one_line(read_taken(photos))


def assigned(paths: list[Path], target: Role | None) -> dict[Role, tuple[Path, ...]]:
    """Which set dropped paths are for: two folders are one each, told apart by their names where these say something.

    Anything else goes to `target`, the zone it was dropped on; nowhere where that is None.
    """
    if len(paths) == 2 and all(path.is_dir() for path in paths):
        first, second = sorted(paths, key=_looks_degraded)
        return {Role.CLEAN: (first,), Role.DEGRADED: (second,)}
    return {target: tuple(paths)} if target is not None and paths else {}


def _looks_degraded(folder: Path) -> int:
    """-1 for a name that speaks of clean photos, 1 for one that speaks of degraded ones, else 0."""
    name = folder.name.lower()
    if any(word in name for word in ("clean", "sharp", "good", "reference")):
        return -1
    return int(any(word in name for word in ("degraded", "blur", "soft", "bad", "noisy", "old")))


def _fault(path: Path) -> str | None:
    try:
        read_header(path)
    except UserError as error:
        return str(error)
    return None
