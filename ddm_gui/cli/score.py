"""`ddm score`: a kernel against the true one, or photos against the sharp ones."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddm_gui.cli.exit_codes import DONE
from ddm_gui.cli.options import add_limit, finish
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.blur.psf_files import load_psf
from ddm_gui.engine.errors import UserError

if TYPE_CHECKING:
    from ddm_gui.engine.scores import Distance


def add(commands: Any) -> None:
    """Its options."""
    parser = commands.add_parser("score", help="compare a kernel with the true one, or photos with the sharp ones")
    parser.add_argument("--psf", type=Path, metavar="PSF", help="a learned psf.safetensors, or a project")
    parser.add_argument("--truth", type=Path, metavar="PSF", help="the true psf.safetensors")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photos to judge")
    parser.add_argument("--sharp", type=Path, metavar="DIR", help="the sharp photos, of the same names")
    parser.add_argument("--border", type=int, default=25, metavar="PX", help="edge left out of photos (default: 25)")
    backbone = "for LPIPS of the photos: weights of torchvision's AlexNet"
    parser.add_argument("--lpips-backbone", type=Path, metavar="FILE", help=backbone)
    heads = "for LPIPS of the photos: its linear heads for AlexNet, version 0.1 (alex.pth)"
    parser.add_argument("--lpips-heads", type=Path, metavar="FILE", help=heads)
    add_limit(parser)
    finish(parser, run)


def run(arguments: argparse.Namespace, reporter: Reporter) -> int:
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
