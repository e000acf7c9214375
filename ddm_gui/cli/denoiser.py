"""`ddm denoiser`: a denoiser learned from sharp photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ddm_gui.cli.options import add_fields, add_limit, finish, typed_of
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.restore.denoiser_files import file_named, folder


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("denoiser", help="learn from sharp photos what photos look like, for restorer dpir")
    parser.add_argument("--clean", type=Path, nargs="+", required=True, metavar="DIR", help="sharp photos")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--name", help=f"by which it is kept in {folder()} (default: that of the photos' folder)")
    place.add_argument("--output", type=Path, metavar="FILE", help="a safetensors file of its own, kept elsewhere")
    add_fields(parser.add_argument_group("settings"), DenoiserSettings)
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm denoiser`."""
    from ddm_gui.engine.denoiser.run import learn_denoiser

    clean = [path.absolute() for path in arguments.clean]
    target = arguments.output or file_named(arguments.name or clean[0].stem)
    settings = DenoiserSettings(**typed_of(arguments, DenoiserSettings))
    return reporter.run(learn_denoiser(clean, target.absolute(), settings), "the same command")
