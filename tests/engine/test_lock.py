"""One run at a time in a folder, proven with real second processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ddm_gui
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.lock import NAME, locked

HOLDER = """
import sys
from pathlib import Path
from ddm_gui.engine.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until its standard input is closed or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env=dict(os.environ, PYTHONPATH=str(Path(ddm_gui.__file__).parents[1])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_another_process_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    folder = tmp_path / "zdjęcia Großer 写真"
    with held_elsewhere(folder) as process:
        with pytest.raises(UserError, match="Another run is at work") as caught, locked(folder):
            pass
        assert f"Process {process.pid} holds it since" in caught.value.why
        assert caught.value.todo
        process.communicate("\n", timeout=30)
    with locked(folder):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        process.kill()
        process.wait(timeout=30)
    assert (tmp_path / NAME).is_file()
    with locked(tmp_path):
        pass


def test_a_second_run_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(UserError, match=f"Process {os.getpid()}"), locked(tmp_path):
            pass
        with locked(tmp_path / "other"):
            pass


def test_the_lock_goes_with_the_generator_however_it_ends(tmp_path: Path) -> None:
    def run(fail: bool) -> Iterator[int]:
        with locked(tmp_path):
            yield 1
            if fail:
                raise RuntimeError

    def free() -> bool:
        try:
            with locked(tmp_path):
                return True
        except UserError:
            return False

    never_started = run(False)
    assert free()
    never_started.close()
    for end in ("closed", "completed", "failed"):
        events = run(end == "failed")
        next(events)
        assert not free(), end
        if end == "closed":
            events.close()
        elif end == "completed":
            assert list(events) == []
        else:
            with pytest.raises(RuntimeError):
                next(events)
        assert free(), end


def test_a_holder_that_has_not_written_its_name_yet(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / NAME).write_bytes(b"")
        with pytest.raises(UserError, match="started this moment"), locked(tmp_path):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fcntl")
def test_a_disk_that_knows_no_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="cannot be locked") as caught, locked(tmp_path):
        pass
    assert "another disk" in caught.value.todo


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be written"), locked(tmp_path / "file" / "project"):
        pass
