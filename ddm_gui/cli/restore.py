"""`ddm restore`: photos without the blur that was learned."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ddm_gui.cli.options import add_kinds, add_limit, finish, option, typed_of, value
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.blur.psf_files import load_psf
from ddm_gui.engine.events import Note
from ddm_gui.engine.photos.naming import FIELDS, OWN_NAME
from ddm_gui.engine.photos.photo_files import FLOAT
from ddm_gui.engine.project import Project
from ddm_gui.engine.restore.denoiser_files import default_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.output import Existing, Output
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.recipe import RESTORERS, Recipe, restorer_of
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.engine.restore.wiener import Wiener

FORMATS = ("same", "png", "tiff", "jpeg")
RESUME = {  # what an interrupted run goes on by
    Existing.REFUSE: "the same command with --only-missing",
    Existing.KEEP: "the same command",
    Existing.REPLACE: "the same command, which begins anew",
    Existing.NUMBER: "the same command, which begins anew",
}
DEPTHS = {"same": None, "8": 8, "16": 16, "float": FLOAT}


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("restore", help="take the learned blur out of photos")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=Path, metavar="DIR", help="a project in which a blur was learned")
    source.add_argument("--psf", type=Path, metavar="PSF", help="a psf.safetensors, the blur of a project copied out")
    parser.add_argument("--input", type=Path, nargs="+", required=True, metavar="PATH", help="photos or folders")
    where = "where restored photos are written; files that are there are never replaced unless you say so"
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help=where)
    named = "; ".join(f"{{{field}}}: {words}" for field, words in FIELDS.items())
    parser.add_argument(
        "--name", default=OWN_NAME, metavar="TEMPLATE", help=f"what they are called (default: {OWN_NAME}); {named}"
    )
    parser.add_argument("--format", choices=FORMATS, default="same", help="file format (default: as the input)")
    depth = "bits per value, where the format holds them (default: as the input; of JPEG 8)"
    parser.add_argument("--depth", choices=DEPTHS, default="same", help=depth)
    private = "leave out position, serial numbers, owner and thumbnails, and say so"
    parser.add_argument("--strip-private", action="store_true", help=private)
    parser.add_argument("--quality", type=int, default=95, metavar="1-100", help="of JPEG (default: 95)")
    titles = "; ".join(f"{name}: {kind.title} ({kind.citation})" for name, kind in RESTORERS.items())
    otherwise = "dpir with the denoiser that you learned last, where it was better than wiener; else wiener"
    default = f"the project's recipe; without one {otherwise}"
    parser.add_argument("--restorer", choices=list(RESTORERS), help=f"how (default: {default}); {titles}")
    share = "percent of the correction (default: as the project's recipe has it, else 100)"
    parser.add_argument("--strength", type=float, metavar="0-100", help=share)
    parser.add_argument("--device", default="auto", metavar="NAME", help="where a network runs (default: auto)")
    existing = parser.add_mutually_exclusive_group()
    for typed, choice, text in (
        ("--only-missing", Existing.KEEP, "leave alone what an earlier run has restored and is whole"),
        ("--replace", Existing.REPLACE, "write over files of an earlier run"),
        ("--number", Existing.NUMBER, "leave them; new files are called name_2"),
    ):
        existing.add_argument(typed, dest="existing", action="store_const", const=choice, help=text)
    parser.set_defaults(existing=Existing.REFUSE)
    for item in fields(Budget):
        text = f"{item.metadata['help']} (default: {item.default:g} {item.metadata['unit']})"
        parser.add_argument(
            option(item.name), type=value, default=item.default, metavar=item.metadata["unit"], help=text
        )
    add_kinds(parser, RESTORERS, "settings of a restorer")
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm restore`."""
    from ddm_gui.engine.devices import choose_device
    from ddm_gui.engine.restore.photos import restore_photos

    project = Project.open(arguments.project) if arguments.project else None
    psf = load_psf(project.psf if project else arguments.psf)
    recipe = _chosen_recipe(arguments, project, psf.light, reporter)
    output = Output(
        arguments.output,
        arguments.name,
        arguments.format,
        DEPTHS[arguments.depth],
        arguments.quality,
        arguments.strip_private,
        arguments.existing,
    )
    device = str(choose_device(arguments.device))
    run = restore_photos(arguments.input, output, psf, recipe, device, Budget(arguments.memory_budget))
    return reporter.run(run, RESUME[output.existing])


def _chosen_recipe(arguments: argparse.Namespace, project: Project | None, light: str, reporter: Reporter) -> Recipe:
    """The project's recipe with what was typed, which counts for its restorer; without one `_chosen_restorer`'s."""
    saved = Recipe.of(project.recipe) if project is not None and project.recipe else None
    strength = arguments.strength
    if strength is None:
        strength = saved.strength if saved is not None else 100.0
    typed = typed_of(arguments, *RESTORERS.values())
    name = arguments.restorer or (Dpir.name if "denoiser" in typed else None)
    if saved is None or name not in (None, saved.restorer.name):
        return Recipe(_chosen_restorer(arguments, light, reporter), strength)
    return Recipe(restorer_of(saved.restorer.name, asdict(saved.restorer) | typed), strength)


def _chosen_restorer(arguments: argparse.Namespace, light: str, reporter: Reporter) -> Restorer:
    """The restorer named, with the settings that were typed. Where neither it nor a denoiser is named: plug and play
    with one's own denoiser if that is known to be better than a Wiener filter, which is said."""
    typed = typed_of(arguments, *RESTORERS.values())
    name = arguments.restorer or (Dpir.name if "denoiser" in typed else None)
    own = default_denoiser(light) if name in (None, Dpir.name) and "denoiser" not in typed else None
    if own is not None:
        typed["denoiser"] = own.name
        otherwise = "" if name else f" To do without it: --restorer {Wiener.name}."
        reporter.show(Note(f"Restoring with the denoiser that you learned, {own.name} ({Dpir.name}).{otherwise}"))
    return restorer_of(name or (Wiener.name if own is None else Dpir.name), typed)
