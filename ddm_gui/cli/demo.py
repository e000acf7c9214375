"""`ddm demo`: the whole way on photos that come with the program."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ddm_gui.cli.exit_codes import DONE
from ddm_gui.cli.options import add_settings, chosen_settings, finish
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.presets import preset
from ddm_gui.engine.project import NAME, Project


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("demo", help="the whole way on photos that come with the program, truth known")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where it is kept (default: a temporary folder)")
    add_settings(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm demo`."""
    from ddm_gui.engine.pipeline import demo

    output = arguments.output or Path(tempfile.mkdtemp(prefix="ddm-demo-"))
    started = output / "project"  # a demo that was stopped goes on with the settings it had
    base = Project.open(started).settings if (started / NAME).is_file() else preset("glance")
    resume = subprocess.list2cmdline(["ddm", "demo", "--output", str(output)])
    code = reporter.run(demo(output.absolute(), chosen_settings(arguments, base)), resume)
    if code == DONE and not arguments.json:
        print(f"The photos, the kernel and the restored photos are in {output}.")
    return code
