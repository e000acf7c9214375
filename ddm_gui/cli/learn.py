"""`ddm learn`: both steps of a project, or one."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

from ddm_gui.cli.options import add_limit, add_settings, chosen_settings, finish
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    Stage,
)
from ddm_gui.engine.presets import preset
from ddm_gui.engine.project import NAME, Project


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("learn", help="learn the blur from a folder of clean and one of degraded photos")
    parser.add_argument("--project", type=Path, required=True, metavar="DIR", help="where everything is kept")
    parser.add_argument("--clean", type=Path, nargs="+", metavar="DIR", help="sharp photos, a folder or files")
    parser.add_argument("--degraded", type=Path, nargs="+", metavar="DIR", help="blurred photos, a folder or files")
    parser.add_argument("--only", type=Stage, choices=[Stage.FLOW, Stage.KERNELS], help="one of the two steps")
    parser.add_argument("--again", action="store_true", help="learn the kernel again, on the step 1 that is there")
    parser.add_argument("--truth", type=Path, metavar="PSF", help="a true psf.safetensors to compare with at the end")
    add_settings(parser)
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm learn`."""
    from ddm_gui.engine.pipeline import learn

    project = _project_to_learn(arguments)
    limit = [] if arguments.largest_photo is None else ["--largest-photo", f"{arguments.largest_photo:g}"]
    resume = subprocess.list2cmdline(["ddm", "learn", "--project", str(project.root), *limit])
    return reporter.run(learn(project, arguments.only, arguments.again, arguments.truth), resume)


def _project_to_learn(arguments: argparse.Namespace) -> Project:
    """The project that is there, or a new one, with what was typed."""
    root = arguments.project.absolute()
    existing = Project.open(root) if (root / NAME).is_file() else None
    clean = tuple(path.absolute() for path in arguments.clean or ()) or (existing.clean if existing else ())
    degraded = tuple(path.absolute() for path in arguments.degraded or ()) or (existing.degraded if existing else ())
    if not clean or not degraded:
        raise UserError(
            "Two folders are needed.",
            f"{root} holds no project yet that would name them.",
            "Give both --clean DIR and --degraded DIR.",
        )
    settings = chosen_settings(arguments, existing.settings if existing else preset("quick"))
    return Project(root, clean, degraded, settings, existing.recipe if existing else {})
