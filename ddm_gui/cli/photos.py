"""`ddm photos`: cameras, lenses, apertures and sizes of photos."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ddm_gui.cli.exit_codes import DONE
from ddm_gui.cli.options import add_limit, finish
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    PhotoSkipped,
)


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("photos", help="tell cameras, lenses, apertures and sizes of photos")
    parser.add_argument("photos", type=Path, nargs="+", metavar="PATH", help="photos or folders")
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm photos`."""
    from ddm_gui.engine.photos.photo import find_photos
    from ddm_gui.engine.photos.shot import Taken, grouped

    taken = []
    for path in find_photos(arguments.photos):
        try:
            taken.append(Taken.read(path))
        except UserError as error:
            reporter.show(PhotoSkipped(str(path), error.reason))
    for one in taken if arguments.json else ():
        shot = {"camera": one.shot.camera, "lens": one.shot.lens, "aperture": one.shot.aperture}
        row = {"path": str(one.path), **shot, "focal_length": one.shot.focal_length}
        print(json.dumps({"event": "photo", **row, "width": one.header.width, "height": one.header.height}))
    for group, members in grouped(taken).items():
        if arguments.json:
            print(json.dumps({"event": "group", **asdict(group), "photos": [str(one.path) for one in members]}))
            continue
        print(f"{group}: {len(members)}")
        for one in members:
            focal = one.shot.focal_length
            print(f"    {one.path}{f', {focal:g} mm' if focal else ''}")
    reporter.name_skipped()
    return DONE
