"""`ddm lens`: a blur in numbers, and its file for other programs or for paper."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ddm_gui.cli.exit_codes import DONE
from ddm_gui.cli.options import finish
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.blur.kernel_numbers import numbers_over_the_field
from ddm_gui.engine.blur.lens_page import FORMATS as PAGES
from ddm_gui.engine.blur.lens_page import described, noise_words, write_page
from ddm_gui.engine.blur.psf_files import WRITERS, lens_name, load_psf, write_psf
from ddm_gui.engine.project import Project


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("lens", help="the numbers of a blur, and its file for other programs or for paper")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=Path, metavar="DIR", help="a project in which a blur was learned")
    source.add_argument("--psf", type=Path, metavar="PSF", help="a psf.safetensors, NPZ or NPY file")
    endings = ", ".join((*WRITERS, *PAGES))
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"a file to write, by its ending: {endings}")
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm lens`."""
    path = arguments.psf or Project.open(arguments.project).psf
    psf = load_psf(path)
    if arguments.output and arguments.output.suffix.lower() in PAGES:
        write_page(psf, arguments.output, lens_name(path))
    elif arguments.output:
        write_psf(psf, arguments.output)
    if arguments.json:
        photon = None if psf.photon_noise is None else asdict(psf.photon_noise)
        print(json.dumps({"event": "lens", "light": psf.light, "noise_sigma": psf.noise_sigma, "photon_noise": photon}))
    else:
        print(" ".join(line.strip() for line in noise_words(psf)))
    for row, line in enumerate(numbers_over_the_field(psf)):
        for col, node in enumerate(line):
            if arguments.json:
                values = {name: value if math.isfinite(value) else None for name, value in asdict(node.kernel).items()}
                shifts = {} if node.shift is None else {"red_shift": node.shift.red, "blue_shift": node.shift.blue}
                sure = {} if node.confidence is None else {"confidence": node.confidence}
                print(json.dumps({"event": "kernel", "row": row, "col": col, **values, **shifts, **sure}))
            else:
                print(f"row {row}, column {col}: {'; '.join(described(node))}")
    return DONE
