"""One run at a time in a folder: a lock that the operating system takes back when its process ends, however it ends."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ddm_gui.engine.errors import UserError

NAME = "project.lock"
# Windows lets nobody read a locked byte, so one far beyond the text is locked.
_BYTE = 1 << 30
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder (made if needed) for one run. The file stays afterwards, since it is the lock on it that counts:
    were it removed, two others could each lock a file of this name.

    Raises:
        UserError: another run holds the folder, in this process or another, or it cannot be locked.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be written.", f"{error}.", "Choose another folder.") from error
    try:
        _lock(file, folder)
        try:
            about = json.dumps({"process": os.getpid(), "since": f"{datetime.now():%Y-%m-%d %H:%M}"}).encode()
            os.ftruncate(file, 0)
            os.write(file, about)
            yield
        finally:
            _unlock(file)  # Windows would take its time, and a forked process would hold on to it
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    """Takes the lock, or says who has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, _BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            raise UserError(
                f"Another run is at work in {folder}.",
                f"{_holder(file)}, and two runs would overwrite each other's results.",
                "Wait for its end or stop it, or choose another project folder.",
            ) from error
        raise UserError(
            f"The folder {folder} cannot be locked.",
            f"{error}. Without a lock a second run could overwrite what this one learns.",
            "Choose a folder on another disk.",
        ) from error


def _unlock(file: int) -> None:
    """Gives the lock back."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)


def _holder(file: int) -> str:
    """Who has the lock, as it says itself."""
    os.lseek(file, 0, os.SEEK_SET)
    try:
        about = json.loads(os.read(file, 1000))
        return f"Process {int(about['process'])} holds it since {about['since']}"
    except (ValueError, KeyError, TypeError):  # it has locked, but has not written yet
        return "A process that started this moment holds it"
