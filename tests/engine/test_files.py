"""A file is either the old one or the new one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ddm_gui.engine.files import previous, write_aside


def test_writes_a_new_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_aside(tmp_path / "a.bin", b"one")
    assert (tmp_path / "a.bin").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_replaces_and_forgets_the_one_before(tmp_path: Path) -> None:
    write_aside(tmp_path / "a.bin", b"one")
    write_aside(tmp_path / "a.bin", b"two")
    assert (tmp_path / "a.bin").read_bytes() == b"two"
    assert not previous(tmp_path / "a.bin").exists()


def test_keeps_the_one_before_when_asked(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        write_aside(tmp_path / "a.bin", content, keep_previous=True)
    assert (tmp_path / "a.bin").read_bytes() == b"three"
    assert previous(tmp_path / "a.bin").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_the_longest_names_are_written(tmp_path: Path, name: str) -> None:
    write_aside(tmp_path / name, b"one")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"one"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the system refuses the bytes beyond, as it would on a full disk."""
    import resource

    write_aside(tmp_path / "a.bin", b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match="too large"):
            write_aside(tmp_path / "a.bin", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "a.bin").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_aside(tmp_path / "nowhere" / "a.bin", b"one")


def test_a_write_that_fails_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_aside(tmp_path / "a.bin", b"one")

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_aside(tmp_path / "a.bin", b"two")
    assert (tmp_path / "a.bin").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
