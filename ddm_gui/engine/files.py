"""Writing a file so that it is either the old one or the new one, never half of each."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ENDING = ".writing"
LONGEST_NAME = 255  # bytes, of all common file systems


def write_aside(path: Path, content: bytes, *, keep_previous: bool = False) -> None:
    """Writes `content` beside `path`, flushes it to the disk, then moves it into place.

    With `keep_previous` the file that was there stays as `<name>.previous`.

    Raises:
        OSError: it cannot be written (the disk is full, say); what was at `path` stays, and nothing is left beside it.
    """
    aside = _aside(path)
    try:
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    if keep_previous and path.exists():
        os.replace(path, previous(path))
    os.replace(aside, path)


def _aside(path: Path) -> Path:
    """A name beside `path`; a short one where the name is so long that no ending fits."""
    name = path.name
    if len(os.fsencode(name)) + len(ENDING) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return path.with_name(name + ENDING)


def previous(path: Path) -> Path:
    """Where `write_aside` keeps the file before the newest one."""
    return path.with_name(path.name + ".previous")
