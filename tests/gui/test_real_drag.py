"""Folders dragged from another program onto the window, by a real X server and a pointer that really moves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ddm_gui

from .conftest import save_photos

HERE = Path(__file__).parent
MISSING = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@pytest.fixture
def display() -> Iterator[str]:
    """A screen of its own, without a window manager."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x900x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with open(reading, encoding="ascii") as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=30)


def program(display: str, script: str, *words: object) -> subprocess.Popen[str]:
    """A Python program on that screen."""
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, words)],
        env=dict(
            os.environ,
            DISPLAY=display,
            QT_QPA_PLATFORM="xcb",
            PYTHONPATH=str(Path(ddm_gui.__file__).parents[1]),
            OMP_NUM_THREADS="1",
        ),
        stdout=subprocess.PIPE,
        text=True,
    )


def line(running: subprocess.Popen[str]) -> object:
    """What a program says next."""
    assert running.stdout is not None
    text = running.stdout.readline()
    assert text, f"it ended with {running.wait(timeout=30)}"
    return json.loads(text)


def drag(display: str, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Presses, moves in ten steps at a person's pace, and lets go."""

    def pointer(*words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=dict(os.environ, DISPLAY=display), check=True, timeout=30)

    pointer("mousemove", *start)
    pointer("mousedown", 1)
    for step in range(1, 11):
        pointer("mousemove", *(round(a + (b - a) * step / 10) for a, b in zip(start, end, strict=True)))
        time.sleep(0.1)
    pointer("mouseup", 1)


def test_folders_are_dragged_from_another_program_onto_both_zones(display: str, own_folders: Path) -> None:
    clean = save_photos(own_folders / "clean", 3, seed=1)
    degraded = save_photos(own_folders / "degraded", 2, seed=2)
    window = program(display, "drive_window.py", "drag", clean, degraded, own_folders)
    source = program(display, "drag_source.py", 1340, 660, clean, degraded)
    try:
        zones, folders = line(window), line(source)
        assert isinstance(zones, list)
        assert isinstance(folders, list)
        # The second zone first: a drop that only the window took would go to the first that is empty.
        for start, end in reversed(list(zip(folders, zones, strict=True))):
            drag(display, tuple(start), tuple(end))
        assert line(window) == {"clean": [str(clean), 3], "degraded": [str(degraded), 2]}
        assert window.wait(timeout=60) == 0
    finally:
        for running in (window, source):
            running.kill()
            running.wait(timeout=30)
            assert running.stdout is not None
            running.stdout.close()
