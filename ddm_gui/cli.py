"""The command line: learn, restore, denoiser, photos, lens, score, simulate, demo; its options are the settings."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

import ddm_gui
from ddm_gui.engine.blur.kernel_numbers import numbers_over_the_field
from ddm_gui.engine.blur.lens_page import FORMATS as PAGES
from ddm_gui.engine.blur.lens_page import described, noise_words, write_page
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.blur.psf_files import ARRAYS, WRITERS, lens_name, load_psf, write_psf
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    DenoiserResult,
    DenoiserTried,
    Estimate,
    Event,
    FlowProgress,
    KernelProgress,
    KernelSnapshot,
    Note,
    PhotoRestored,
    PhotoSimulated,
    PhotoSkipped,
    Result,
    Stage,
    StageStarted,
    to_json,
)
from ddm_gui.engine.project import NAME, Project
from ddm_gui.engine.restore.denoiser_files import default_denoiser, file_named, folder
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.recipe import RESTORERS, Recipe, restorer_of
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.settings import PRESETS, DenoiserSettings, Settings, preset
from ddm_gui.engine.simulate.blurs import BLURS, KERNEL_SIZE, NOISE_SIGMA, check_noise, check_shot

if TYPE_CHECKING:
    from ddm_gui.engine.scores import Distance

DONE, BUG, MENDABLE, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
STAGE_TITLES = {
    Stage.PRETRAIN: "step 1, clean photos",
    Stage.FLOW: "step 1, photos",
    Stage.KERNELS: "step 2, kernel",
    Stage.RESTORE: "restoring",
    Stage.DENOISER: "clean photos",
}
FORMATS = ("same", "png", "tiff", "tiff16", "jpeg")


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code.

    0 done, 2 the person can mend it, 1 a bug, 130 interrupted, 141 nobody reads what is printed any more (`| head`).
    """
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As Python's manual has it (module signal, "Note on SIGPIPE"): at its end it would print what is left over.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return UNREAD


def _run(argv: list[str] | None) -> int:
    """`main`, while somebody reads what is printed."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return DONE
    reporter = Reporter(as_json=arguments.json)
    try:
        return int(arguments.action(arguments, reporter))
    except UserError as error:
        reporter.error(error)
        return MENDABLE
    except BrokenPipeError:
        raise
    except Exception:  # a bug: its traceback is what whoever mends it needs
        reporter.close()
        traceback.print_exc()
        print(f"This is a bug in ddm_gui {ddm_gui.__version__}; the lines above say where.", file=sys.stderr)
        return BUG


# What can be typed


def build_parser() -> argparse.ArgumentParser:
    """The parser of `ddm`, each setting an option of the same name."""
    parser = argparse.ArgumentParser(
        prog="ddm",
        description="Learns how a lens, a microscope or a camera blurs, from ordinary photographs, and takes it away.",
        epilog="Without a command this help is shown. `ddm-gui` opens the window.",
    )
    parser.add_argument("--version", action="version", version=f"ddm_gui {ddm_gui.__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(dest="command", metavar="command")

    learn = commands.add_parser("learn", help="learn the blur from a folder of clean and one of degraded photos")
    learn.add_argument("--project", type=Path, required=True, metavar="DIR", help="where everything is kept")
    learn.add_argument("--clean", type=Path, nargs="+", metavar="DIR", help="sharp photos, a folder or files")
    learn.add_argument("--degraded", type=Path, nargs="+", metavar="DIR", help="blurred photos, a folder or files")
    learn.add_argument("--only", type=Stage, choices=[Stage.FLOW, Stage.KERNELS], help="one of the two steps")
    learn.add_argument("--again", action="store_true", help="learn the kernel again, on the step 1 that is there")
    learn.add_argument("--truth", type=Path, metavar="PSF", help="a true psf.safetensors to compare with at the end")
    _add_settings(learn)
    _finish(learn, run_learn)

    restore = commands.add_parser("restore", help="take the learned blur out of photos")
    source = restore.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=Path, metavar="DIR", help="a project in which a blur was learned")
    source.add_argument("--psf", type=Path, metavar="PSF", help="a psf.safetensors, the blur of a project copied out")
    restore.add_argument("--input", type=Path, nargs="+", required=True, metavar="PATH", help="photos or folders")
    restore.add_argument("--output", type=Path, required=True, metavar="DIR", help="where restored photos are written")
    restore.add_argument("--format", choices=FORMATS, default="same", help="file format (default: as the input)")
    private = "leave out position, serial numbers, owner and thumbnails, and say so"
    restore.add_argument("--strip-private", action="store_true", help=private)
    restore.add_argument("--quality", type=int, default=95, metavar="1-100", help="of JPEG (default: 95)")
    titles = "; ".join(f"{name}: {kind.title} ({kind.citation})" for name, kind in RESTORERS.items())
    otherwise = "dpir with the denoiser that you learned last, where it was better than wiener; else wiener"
    default = f"the project's recipe; without one {otherwise}"
    restore.add_argument("--restorer", choices=list(RESTORERS), help=f"how (default: {default}); {titles}")
    share = "percent of the correction (default: as the project's recipe has it, else 100)"
    restore.add_argument("--strength", type=float, metavar="0-100", help=share)
    restore.add_argument("--device", default="auto", metavar="NAME", help="where a network runs (default: auto)")
    restore.add_argument(
        "--only-missing", action="store_true", help="leave alone what an earlier run has restored and is whole"
    )
    for item in fields(Budget):
        text = f"{item.metadata['help']} (default: {item.default:g} {item.metadata['unit']})"
        restore.add_argument(
            _option(item.name), type=_value, default=item.default, metavar=item.metadata["unit"], help=text
        )
    _add_kinds(restore, RESTORERS, "settings of a restorer")
    _finish(restore, run_restore)

    denoiser = commands.add_parser("denoiser", help="learn from sharp photos what photos look like, for restorer dpir")
    denoiser.add_argument("--clean", type=Path, nargs="+", required=True, metavar="DIR", help="sharp photos")
    place = denoiser.add_mutually_exclusive_group()
    place.add_argument("--name", help=f"by which it is kept in {folder()} (default: that of the photos' folder)")
    place.add_argument("--output", type=Path, metavar="FILE", help="a safetensors file of its own, kept elsewhere")
    _add_fields(denoiser.add_argument_group("settings"), DenoiserSettings)
    _finish(denoiser, run_denoiser)

    photos = commands.add_parser("photos", help="tell cameras, lenses, apertures and sizes of photos")
    photos.add_argument("photos", type=Path, nargs="+", metavar="PATH", help="photos or folders")
    _finish(photos, run_photos)

    lens = commands.add_parser("lens", help="the numbers of a blur, and its file for other programs or for paper")
    source = lens.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=Path, metavar="DIR", help="a project in which a blur was learned")
    source.add_argument("--psf", type=Path, metavar="PSF", help="a psf.safetensors, NPZ or NPY file")
    endings = ", ".join((*WRITERS, *PAGES))
    lens.add_argument("--output", type=Path, metavar="FILE", help=f"a file to write, by its ending: {endings}")
    _finish(lens, run_lens)

    score = commands.add_parser("score", help="compare a kernel with the true one, or photos with the sharp ones")
    score.add_argument("--psf", type=Path, metavar="PSF", help="a learned psf.safetensors, or a project")
    score.add_argument("--truth", type=Path, metavar="PSF", help="the true psf.safetensors")
    score.add_argument("--photos", type=Path, metavar="DIR", help="photos to judge")
    score.add_argument("--sharp", type=Path, metavar="DIR", help="the sharp photos, of the same names")
    score.add_argument("--border", type=int, default=25, metavar="PX", help="edge left out of photos (default: 25)")
    backbone = "for LPIPS of the photos: weights of torchvision's AlexNet"
    score.add_argument("--lpips-backbone", type=Path, metavar="FILE", help=backbone)
    heads = "for LPIPS of the photos: its linear heads for AlexNet, version 0.1 (alex.pth)"
    score.add_argument("--lpips-heads", type=Path, metavar="FILE", help=heads)
    _finish(score, run_score)

    simulate = commands.add_parser("simulate", help="degrade clean photos by a known blur, to try the program on them")
    simulate.add_argument("--clean", type=Path, nargs="+", required=True, metavar="DIR", help="sharp photos")
    simulate.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the set is written")
    kinds = "|".join(BLURS)
    blur = simulate.add_mutually_exclusive_group(required=True)
    blur.add_argument("--kernel", metavar=f"{kinds}|PSF", help="a kind of blur, or a PSF file")
    blur.add_argument(
        "--lens", nargs="?", dest="kernel", const="lens", metavar="PSF", help="a lens over the field, or that of a file"
    )
    _add_kinds(simulate, BLURS, "numbers of a blur")
    simulate.add_argument(
        "--kernel-size", type=int, metavar="px", help=f"its width and height (default: {KERNEL_SIZE})"
    )
    noise = f"noise, of a range of 1 (default: {NOISE_SIGMA}, or as the PSF file says); with photon noise, at black"
    simulate.add_argument("--noise-sigma", type=float, metavar="N", help=noise)
    photons = "photon noise: by how much the variance grows from black to white; with --format dng"
    simulate.add_argument("--photon-noise", type=float, metavar="A", help=photons)
    simulate.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")
    simulate.add_argument(
        "--split", action="store_true", help="keep half of the photos as clean ones, degrade the rest"
    )
    formats = "file format (default: png); dng: linear light, which --light linear learns from"
    simulate.add_argument("--format", choices=("png", "tiff16", "dng"), default="png", help=formats)
    _finish(simulate, run_simulate)

    demo = commands.add_parser("demo", help="the whole way on photos that come with the program, truth known")
    demo.add_argument("--output", type=Path, metavar="DIR", help="where it is kept (default: a temporary folder)")
    _add_settings(demo)
    _finish(demo, run_demo)
    return parser


def _finish(parser: argparse.ArgumentParser, action: Callable[[argparse.Namespace, Reporter], int]) -> None:
    """What all commands share."""
    parser.add_argument("--json", action="store_true", help="print events as lines of JSON")
    parser.set_defaults(action=action)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """An option for each setting; those not typed do not appear among the arguments."""
    group = parser.add_argument_group("settings")
    group.add_argument("--preset", choices=list(PRESETS), help="a set of settings by name (default: quick)")
    _add_fields(group, Settings)


def _add_fields(group: Any, settings: type[Settings] | type[DenoiserSettings]) -> None:
    """An option for each field."""
    for item in fields(settings):
        meta = item.metadata
        option = _option(item.name)
        default = "as the photos are" if item.default is None else item.default
        text = f"{meta['help']} (default: {default}{' ' + meta['unit'] if meta['unit'] else ''})".replace("%", "%%")
        if isinstance(item.default, bool):
            group.add_argument(
                option, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=meta["help"]
            )
        else:
            kind = str if isinstance(item.default, str) and not meta["choices"] else _value
            group.add_argument(option, type=kind, default=argparse.SUPPRESS, metavar=_metavar(meta), help=text)


def _add_kinds(parser: argparse.ArgumentParser, kinds: Mapping[str, type[Any]], title: str) -> None:
    """An option for each setting of each kind; those not typed do not appear among the arguments."""
    group = parser.add_argument_group(title)
    words: dict[str, list[str]] = {}
    units: dict[str, str] = {}
    kinds_of_value: dict[str, Callable[[str], Any]] = {}
    for name, kind in kinds.items():
        for item in fields(kind):
            default = f" (default: {item.default:g})" if isinstance(item.default, int | float) else ""
            words.setdefault(item.name, []).append(f"{name}: {item.metadata['help']}{default}")
            kinds_of_value[item.name] = str if isinstance(item.default, str) else _value
            unit = "NAME" if isinstance(item.default, str) else "N"
            units[item.name] = item.metadata["unit"].split(" ")[0] or unit
    for name, texts in words.items():
        group.add_argument(
            _option(name),
            type=kinds_of_value[name],
            default=argparse.SUPPRESS,
            metavar=units[name],
            help="; ".join(texts),
        )


def _option(name: str) -> str:
    """How a setting is typed."""
    return "--" + name.replace("_", "-")


def _value(text: str) -> int | float | str:
    """A number where it reads as one; Settings says whether it is allowed."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _metavar(meta: Any) -> str:
    """What the help shows for a value."""
    words = [str(choice) for choice in meta["choices"] if choice is not None]
    if meta["low"] is not None:
        words.append(meta["unit"] or "N")
    return "|".join(words) or "NAME"


def _chosen_settings(arguments: argparse.Namespace, base: Settings) -> Settings:
    """The preset named, or `base`, with the settings that were typed."""
    if arguments.preset is not None:
        base = preset(arguments.preset)
    return base.with_changes(_typed(arguments, Settings))


def _typed(arguments: argparse.Namespace, *kinds: type[Any]) -> dict[str, Any]:
    """Of the fields of these kinds, those that were typed."""
    names = sorted({item.name for kind in kinds for item in fields(kind)})
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


# The commands


def run_learn(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm learn`."""
    from ddm_gui.engine.pipeline import learn

    project = _project_to_learn(arguments)
    resume = subprocess.list2cmdline(["ddm", "learn", "--project", str(project.root)])
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
    settings = _chosen_settings(arguments, existing.settings if existing else preset("quick"))
    return Project(root, clean, degraded, settings, existing.recipe if existing else {})


def run_restore(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm restore`."""
    from ddm_gui.engine.devices import choose_device
    from ddm_gui.engine.photos.photo import find_photos
    from ddm_gui.engine.restore.photos import restore_photos

    project = Project.open(arguments.project) if arguments.project else None
    psf = load_psf(project.psf if project else arguments.psf)
    recipe = _chosen_recipe(arguments, project, psf.light, reporter)
    inputs = find_photos(arguments.input)
    device = str(choose_device(arguments.device))
    run = restore_photos(
        inputs,
        arguments.output,
        psf,
        arguments.format,
        arguments.quality,
        recipe,
        device,
        Budget(arguments.memory_budget),
        arguments.only_missing,
        arguments.strip_private,
    )
    return reporter.run(run, "the same command")


def _chosen_recipe(arguments: argparse.Namespace, project: Project | None, light: str, reporter: Reporter) -> Recipe:
    """The project's recipe with what was typed, which counts for its restorer; without one `_chosen_restorer`'s."""
    saved = Recipe.of(project.recipe) if project is not None and project.recipe else None
    strength = arguments.strength
    if strength is None:
        strength = saved.strength if saved is not None else 100.0
    typed = _typed(arguments, *RESTORERS.values())
    name = arguments.restorer or (Dpir.name if "denoiser" in typed else None)
    if saved is None or name not in (None, saved.restorer.name):
        return Recipe(_chosen_restorer(arguments, light, reporter), strength)
    return Recipe(restorer_of(saved.restorer.name, asdict(saved.restorer) | typed), strength)


def _chosen_restorer(arguments: argparse.Namespace, light: str, reporter: Reporter) -> Restorer:
    """The restorer named, with the settings that were typed. Where neither it nor a denoiser is named: plug and play
    with one's own denoiser if that is known to be better than a Wiener filter, which is said."""
    typed = _typed(arguments, *RESTORERS.values())
    name = arguments.restorer or (Dpir.name if "denoiser" in typed else None)
    own = default_denoiser(light) if name in (None, Dpir.name) and "denoiser" not in typed else None
    if own is not None:
        typed["denoiser"] = own.name
        otherwise = "" if name else f" To do without it: --restorer {Wiener.name}."
        reporter.show(Note(f"Restoring with the denoiser that you learned, {own.name} ({Dpir.name}).{otherwise}"))
    return restorer_of(name or (Wiener.name if own is None else Dpir.name), typed)


def run_denoiser(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm denoiser`."""
    from ddm_gui.engine.denoiser.run import learn_denoiser

    clean = [path.absolute() for path in arguments.clean]
    target = arguments.output or file_named(arguments.name or clean[0].stem)
    settings = DenoiserSettings(**_typed(arguments, DenoiserSettings))
    return reporter.run(learn_denoiser(clean, target.absolute(), settings), "the same command")


def run_photos(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm photos`."""
    from ddm_gui.engine.photos.photo import find_photos
    from ddm_gui.engine.photos.shot import Taken, grouped

    taken = []
    for path in find_photos(arguments.photos):
        try:
            taken.append(Taken.read(path))
        except UserError as error:
            reporter.show(PhotoSkipped(str(path), error.why or str(error)))
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


def run_lens(arguments: argparse.Namespace, reporter: Reporter) -> int:
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


def run_score(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm score`."""
    from ddm_gui.engine.scores import colour_shift_error, kernel_ncc, kernel_psnr, score_folders

    lpips = _lpips(arguments)
    scores: dict[str, float | int] = {}
    if arguments.psf and arguments.truth:
        path = arguments.psf / "psf.safetensors" if arguments.psf.is_dir() else arguments.psf
        found, true = load_psf(path), load_psf(arguments.truth)
        learned, truth = found.kernels, true.kernels
        if learned.shape[:2] != truth.shape[:2]:
            sizes = " and ".join(f"{rows} x {cols}" for rows, cols in (learned.shape[:2], truth.shape[:2]))
            raise UserError("The two PSFs cannot be compared.", f"Their grids have {sizes} kernels.", "Choose another.")
        scores["ncc"], scores["kernel_psnr"] = kernel_ncc(learned, truth), kernel_psnr(learned, truth)
        if learned.shape[2] == truth.shape[2] == 3:
            scores["colour_shift_error"] = colour_shift_error(learned, truth)
        if found.photon_noise is not None and true.photon_noise is not None:
            pairs = zip(asdict(found.photon_noise).items(), asdict(true.photon_noise).values(), strict=True)
            scores |= {f"{name}_noise_ratio": value / other for (name, value), other in pairs if other > 0}
    if arguments.photos and arguments.sharp:
        folder = score_folders(arguments.photos, arguments.sharp, arguments.border, lpips)
        scores |= {"psnr": folder.psnr_mean, "ssim": folder.ssim_mean}
        if folder.lpips_mean is not None:
            scores["lpips"] = folder.lpips_mean
        scores["photos"] = folder.count
    if not scores:
        raise UserError("There is nothing to compare.", "", "Give --psf and --truth, or --photos and --sharp.")
    if arguments.json:
        known = {name: value if math.isfinite(value) else None for name, value in scores.items()}  # equal: no PSNR
        print(json.dumps({"event": "score", **known}))
    else:
        for name, value in scores.items():
            print(f"{name:20s} {value:.4f}" if isinstance(value, float) else f"{name:20s} {value}")
    return DONE


def _lpips(arguments: argparse.Namespace) -> Distance | None:
    """How LPIPS is measured, where it is asked for."""
    files = arguments.lpips_backbone, arguments.lpips_heads
    if files == (None, None):
        return None
    if None in (*files, arguments.photos, arguments.sharp):
        raise UserError(
            "LPIPS compares photos, and needs two files for it.",
            "What its backbone sees in them is weighed by its heads.",
            "Give --photos, --sharp, --lpips-backbone and --lpips-heads.",
        )
    from ddm_gui.engine.lpips import Lpips

    return Lpips.load(*files).distance


def run_simulate(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm simulate`."""
    from ddm_gui.engine.simulate.known_set import KnownSet
    from ddm_gui.engine.simulate.simulated_set import simulate_set

    psf = _chosen_psf(arguments)
    run = simulate_set(arguments.clean, arguments.output, psf, arguments.seed, arguments.split, arguments.format)
    code = reporter.run(run, "the same command")
    if code == DONE and not arguments.json:
        known = KnownSet(arguments.output)
        clean = str(known.clean) if arguments.split else "OTHER-SHARP-PHOTOS"
        words = ["ddm", "learn", "--clean", clean, "--degraded", str(known.degraded)]
        words += ["--project", str(known.root / "project")]
        print(f"The degraded photos are in {known.degraded}, their originals in {known.sharp}.")
        print(f"The true kernels are in {known.truth}; learning compares its result with them.")
        if psf.nodes != (1, 1):
            words += ["--preset", "lens", "--rows", str(psf.nodes[0]), "--cols", str(psf.nodes[1])]
        if psf.light == "linear":
            words += ["--light", "linear"]
        if psf.photon_noise is not None:
            words += ["--noise-model", "poisson-gaussian"]
        print(f"To try: {subprocess.list2cmdline(words)}")
    return code


def _chosen_psf(arguments: argparse.Namespace) -> PsfGrid:
    """The blur named, with the numbers that were typed; one that belongs to another kind of blur is never ignored."""
    from ddm_gui.engine.simulate.simulated_psf import simulated_psf
    from ddm_gui.engine.simulate.simulated_set import LIGHTS

    kind = BLURS.get(arguments.kernel)
    typed = _typed(arguments, *BLURS.values())
    if kind is None and arguments.kernel_size is not None:
        typed["kernel_size"] = arguments.kernel_size
    own = [item.name for item in fields(kind)] if kind is not None else []
    foreign = [_option(name) for name in typed if name not in own]
    if foreign:
        raise UserError(
            f"{foreign[0]} does not belong to the kernel {arguments.kernel}.",
            "It would change nothing.",
            f"The options of {arguments.kernel} are {', '.join(map(_option, own))}." if own else "Leave it out.",
        )
    light = LIGHTS[arguments.format]
    if arguments.photon_noise is not None:
        check_shot(arguments.photon_noise)
        if light != "linear":
            raise UserError(
                "Photon noise (--photon-noise) is simulated in linear light only.",
                f"Photos of the format {arguments.format} hold a tone curve.",
                "Choose --format dng.",
            )
    if kind is not None:
        chosen = {"kernel_size": arguments.kernel_size, "noise_sigma": arguments.noise_sigma}
        given = {name: value for name, value in chosen.items() if value is not None}
        psf = simulated_psf(kind(**typed), seed=arguments.seed, light=light, **given)
        return _with_noise(psf, arguments.noise_sigma, arguments.photon_noise)
    if not Path(arguments.kernel).is_file():
        raise UserError(
            f"There is no kernel called {arguments.kernel}, and no such file.",
            "",
            f"Choose one of {', '.join(BLURS)}, or a PSF file (psf.safetensors, NPZ, NPY).",
        )
    psf = load_psf(Path(arguments.kernel))
    if Path(arguments.kernel).suffix.lower() in ARRAYS:  # they do not tell
        psf = replace(psf, light=light)
    elif arguments.photon_noise is not None and psf.light != light:
        raise UserError(
            f"{arguments.kernel} was learned in {psf.light} light.",
            "Photon noise is of linear light.",
            "Choose a PSF that was learned in linear light, or leave out --photon-noise.",
        )
    return _with_noise(psf, arguments.noise_sigma, arguments.photon_noise)


def _with_noise(psf: PsfGrid, sigma: float | None, shot: float | None) -> PsfGrid:
    """A blur with the noise that was typed in place of its own: all of it, or what photons add."""
    if shot is None:
        return psf if sigma is None else replace(psf, noise_sigma=sigma, photon_noise=None)
    own = psf.noise_sigma or 0.0 if psf.photon_noise is None else psf.photon_noise.sigma(0.0)
    black = own if sigma is None else sigma
    check_noise(black)
    return replace(psf, photon_noise=PhotonNoise(shot, black**2))


def run_demo(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """`ddm demo`."""
    from ddm_gui.engine.pipeline import demo

    output = arguments.output or Path(tempfile.mkdtemp(prefix="ddm-demo-"))
    started = output / "project"  # a demo that was stopped goes on with the settings it had
    base = Project.open(started).settings if (started / NAME).is_file() else preset("glance")
    resume = subprocess.list2cmdline(["ddm", "demo", "--output", str(output)])
    code = reporter.run(demo(output.absolute(), _chosen_settings(arguments, base)), resume)
    if code == DONE and not arguments.json:
        print(f"The photos, the kernel and the restored photos are in {output}.")
    return code


# Showing a run


class Reporter:
    """Pulls a run and prints it: progress bars and sentences, or JSON lines. Reasons of skipped photos come last."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.bar: tqdm[Any] | None = None
        self.skipped: list[PhotoSkipped] = []
        self.remarkable: list[PhotoRestored] = []

    def run(self, events: Generator[Event, None, object], resume: str) -> int:
        """To the end, or until SIGINT or SIGTERM: then the run is closed, which keeps its checkpoint."""
        with Interruption() as interruption:
            try:
                for event in events:
                    self.show(event)
                    if interruption.asked:
                        break
            finally:
                events.close()
                self.close()
        if interruption.asked:
            print(f"Stopped; what was done is kept. To go on: {resume}", file=sys.stderr)
            return INTERRUPTED
        self.name_skipped()
        return DONE

    def name_skipped(self) -> None:
        """The photos that were left out, and why; those that are there and may not be right; and those that were worked
        on in another way than usual."""
        for skip in self.skipped:
            print(f"left out: {skip.path}: {skip.reason}", file=sys.stderr)
        for restored in self.remarkable:
            if restored.warning:
                print(f"look at: {restored.target}: {restored.warning}", file=sys.stderr)
            if restored.plan:
                print(f"note: {restored.target}: {restored.plan}", file=sys.stderr)

    def show(self, event: Event) -> None:
        """One event."""
        if isinstance(event, PhotoSkipped):
            self.skipped.append(event)
        if isinstance(event, PhotoRestored) and (event.warning or event.plan):
            self.remarkable.append(event)
        if self.as_json:
            print(json.dumps(to_json(event)), flush=True)
        elif isinstance(event, Note):
            self._say(event.text)
        elif isinstance(event, Estimate):
            self._say(f"This will take about {in_words(event.seconds)} on this machine.")
        elif isinstance(event, StageStarted):
            self._start_bar(STAGE_TITLES[event.stage], event.images_seen, event.images_total)
        elif isinstance(event, FlowProgress):
            self._move_bar(event.images_seen, f"loss {event.loss:.4f}")
        elif isinstance(event, KernelProgress):
            ikl = "finding the shape" if event.ikl is None else f"IKL {event.ikl:.5f}"
            self._move_bar(event.images_seen, f"{ikl}, noise {event.noise_sigma:.4f}")
        elif isinstance(event, PhotoRestored):
            if self.bar is None:
                self._start_bar(STAGE_TITLES[Stage.RESTORE], 0, event.total)
            self._move_bar(event.done, Path(event.target).name)
            tqdm.write(f"{event.target}: {event.receipt}", file=sys.stdout)
        elif isinstance(event, PhotoSimulated):
            if self.bar is None:
                self._start_bar("simulating", 0, event.total)
            self._move_bar(event.done, Path(event.target).name)
        elif isinstance(event, DenoiserTried):
            if self.bar is None:
                self._start_bar("trying it", 0, event.total)
            self._move_bar(event.done, f"Wiener {event.psnr_wiener:.2f} dB, dpir {event.psnr_dpir:.2f} dB")
        elif isinstance(event, Result | DenoiserResult):
            self.close()
            self._print_result(event)
            if isinstance(event, DenoiserResult):
                print(_about_denoiser(event))
        elif not isinstance(event, KernelSnapshot | CheckpointSaved):
            self.close()

    def error(self, error: UserError) -> None:
        """What happened, why, and what to do."""
        self.close()
        if self.as_json:
            print(json.dumps({"event": "error", "what": error.what, "why": error.why, "todo": error.todo}), flush=True)
        print(str(error), file=sys.stderr)

    def close(self) -> None:
        """Ends the progress bar, if there is one."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _say(self, text: str) -> None:
        self.close()
        print(text, file=sys.stderr)

    def _start_bar(self, title: str, seen: int, total: int) -> None:
        self.close()
        self.bar = tqdm(total=total, initial=seen, desc=title, unit=" images", dynamic_ncols=True, unit_scale=True)

    def _move_bar(self, seen: int, words: str) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(words, refresh=False)
            self.bar.update(seen - self.bar.n)

    @staticmethod
    def _print_result(result: Result | DenoiserResult) -> None:
        """The numbers that are known, a line each."""
        for name, value in to_json(result).items():
            if isinstance(value, float):
                print(f"{name:20s} {value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{name:20s} {value:.2e}")


class Interruption:
    """SIGINT and SIGTERM set a flag that is read between events: an exception inside the run would save nothing.

    A second one ends the program at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise SystemExit(INTERRUPTED)
        self.asked = True
        print("\nStopping at the next update, and keeping what is done.", file=sys.stderr)


def _about_denoiser(result: DenoiserResult) -> str:
    """Where it is, and what it will be used for."""
    path = Path(result.path)
    if not result.beats_wiener:
        use = "It is no better than a Wiener filter, so it is used only where you ask for it. More time may help."
    elif path.parent == folder():
        use = f"ddm restore takes it by default, and by --denoiser {path.stem}."
    else:
        use = "ddm restore takes it by --denoiser and this file."
    return f"The denoiser is {path}. {use}"


def in_words(seconds: float) -> str:
    """'40 seconds', '8 minutes', '2.5 hours'."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
