"""A real window with the real engine, in a process of its own, from two dropped folders to exported photos."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import ddm_gui
from ddm_gui.engine.events import Stage
from ddm_gui.engine.project import Project, StageState

from .conftest import save_photos

DRIVER = Path(__file__).with_name("drive_window.py")


def drive(name: str, clean: Path, degraded: Path, output: Path) -> None:
    """Drives the window; its exit code is 0 and nothing is complained about."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(DRIVER), name, str(clean), str(degraded), str(output)],
        # One thread: these networks are so small that more of them would only wait for each other.
        env=dict(os.environ, PYTHONPATH=str(Path(ddm_gui.__file__).parents[1]), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def test_two_folders_become_exported_photos(own_folders: Path) -> None:
    clean = save_photos(own_folders / "clean", 3, size=160, seed=1)
    degraded = save_photos(own_folders / "degraded", 2, size=160, seed=2)
    before = {path.name: path.read_bytes() for path in degraded.iterdir()}
    output = own_folders / "restored photos"
    drive("end", clean, degraded, output)
    assert {path.name for path in output.iterdir()} == set(before)
    assert {path.name: path.read_bytes() for path in degraded.iterdir()} == before
    for name in before:
        pixels = np.asarray(Image.open(output / name))
        assert pixels.shape == (160, 160, 3)
        assert pixels.std() > 1.0
    (project,) = (own_folders / "ddm projects").iterdir()
    assert (project / "project.ddm").is_file()
    assert (project / "psf.safetensors").is_file()


def test_closing_during_a_run_keeps_what_was_learned(own_folders: Path) -> None:
    clean = save_photos(own_folders / "clean", 3, size=160, seed=1)
    degraded = save_photos(own_folders / "degraded", 2, size=160, seed=2)
    drive("close", clean, degraded, own_folders)
    (folder,) = (own_folders / "ddm projects").iterdir()
    assert Project.open(folder).stage_states()[Stage.FLOW] is StageState.PARTIAL
