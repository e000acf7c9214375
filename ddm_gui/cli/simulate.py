"""`ddm simulate`: clean photos degraded by a known blur."""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ddm_gui.cli.exit_codes import DONE
from ddm_gui.cli.options import add_kinds, add_limit, finish, option, typed_of
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.blur.psf_files import ARRAYS, load_psf
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.blurs import BLURS, KERNEL_SIZE, NOISE_SIGMA, check_noise, check_shot


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("simulate", help="degrade clean photos by a known blur, to try the program on them")
    parser.add_argument("--clean", type=Path, nargs="+", required=True, metavar="DIR", help="sharp photos")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the set is written")
    kinds = "|".join(BLURS)
    blur = parser.add_mutually_exclusive_group(required=True)
    blur.add_argument("--kernel", metavar=f"{kinds}|PSF", help="a kind of blur, or a PSF file")
    blur.add_argument(
        "--lens", nargs="?", dest="kernel", const="lens", metavar="PSF", help="a lens over the field, or that of a file"
    )
    add_kinds(parser, BLURS, "numbers of a blur")
    parser.add_argument("--kernel-size", type=int, metavar="px", help=f"its width and height (default: {KERNEL_SIZE})")
    noise = f"noise, of a range of 1 (default: {NOISE_SIGMA}, or as the PSF file says); with photon noise, at black"
    parser.add_argument("--noise-sigma", type=float, metavar="N", help=noise)
    photons = "photon noise: by how much the variance grows from black to white; with --format dng"
    parser.add_argument("--photon-noise", type=float, metavar="A", help=photons)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")
    parser.add_argument("--split", action="store_true", help="keep half of the photos as clean ones, degrade the rest")
    formats = "file format (default: png); dng: linear light, which --light linear learns from"
    parser.add_argument("--format", choices=("png", "tiff16", "dng"), default="png", help=formats)
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
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
    typed = typed_of(arguments, *BLURS.values())
    if kind is None and arguments.kernel_size is not None:
        typed["kernel_size"] = arguments.kernel_size
    own = [item.name for item in fields(kind)] if kind is not None else []
    foreign = [option(name) for name in typed if name not in own]
    if foreign:
        raise UserError(
            f"{foreign[0]} does not belong to the kernel {arguments.kernel}.",
            "It would change nothing.",
            f"The options of {arguments.kernel} are {', '.join(map(option, own))}." if own else "Leave it out.",
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
