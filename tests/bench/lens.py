"""How exactly a lens over the field is found: photos behind a simulated lens, and behind the stars of a real camera.

    python tests/bench/lens.py [lens] [decam] [--preset lens] [--output DIR] [--data DIR] [--threads 2]

`lens`: the photographs of DIR/photos/hires at half their size (area average), half of them behind a lens of 8 x 8
kernels in colour that `ddm simulate` makes, noise .01, the others as clean ones. `decam`: the same behind the grid of
kernels of DECam's stars, in one channel for all colours. Printed, and written to OUTPUT/lens.json with date, cores and
commit: NCC of the start and learned, all nodes together, their mean and the worst one with one common shift; error of
the colour shift; the confidence that is saved with the kernels, the NCC of each kernel and colour that it foretells,
and the rank correlation of the two over nodes and colours; restored PSNR and SSIM before, after, and with the true
kernels; seconds of learning, and memory. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark import commit, drained, learned
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.transform import downscale_local_mean

from ddm_gui.engine.blur.psf import PsfGrid, centred
from ddm_gui.engine.blur.psf_files import load_psf
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.photo import Photo, find_photos
from ddm_gui.engine.presets import preset
from ddm_gui.engine.project import Project
from ddm_gui.engine.restore.output import Existing, Output
from ddm_gui.engine.restore.photos import restore_photos
from ddm_gui.engine.scores import score_folders
from ddm_gui.engine.simulate.blurs import LensBlur
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.engine.simulate.simulated_psf import simulated_psf
from ddm_gui.engine.simulate.simulated_set import simulate_set

SIZE, NOISE = 25, 0.01


def true_psf(name: str, data: Path) -> PsfGrid:
    """The lens of a row."""
    if name == "lens":
        return simulated_psf(LensBlur(), SIZE, NOISE)
    return replace(load_psf(data / "kernels" / "decam_psfex" / "decam_ccd12_psf_grid_12x6.npz"), noise_sigma=NOISE)


def halved(data: Path, place: Path) -> Path:
    """The photographs at half their size, made where they are missing."""
    place.mkdir(parents=True, exist_ok=True)
    for path in find_photos([data / "photos" / "hires"]):
        target = place / f"{path.stem}.png"
        if not target.is_file():
            pixels = photo.read(path).pixels
            height, width = (2 * (length // 2) for length in pixels.shape[:2])
            photo.write(Photo(downscale_local_mean(pixels[:height, :width], (2, 2, 1)), 8), target)
    return place


def each_ncc(learned: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows x cols x channels: the NCC of each kernel alone, both grids centred, at no other shift, on a square of twice
    the size. A truth of one channel stands for all."""
    one, other = (centred(kernels).astype(np.float64) for kernels in np.broadcast_arrays(learned, truth))
    less = 1 / (2 * one.shape[-1]) ** 2
    products = [(a * b).sum(axis=(-2, -1)) - less for a, b in ((one, other), (one, one), (other, other))]
    nccs: NDArray[np.float64] = products[0] / np.sqrt(products[1] * products[2])
    return nccs


def foretold(learned: PsfGrid, truth: PsfGrid) -> dict[str, float]:
    """How what was said of each kernel's confidence came true."""
    if learned.confidence is None:
        return {}
    real = each_ncc(learned.kernels, truth.kernels)
    rank = spearmanr(learned.confidence.ravel(), real.ravel()).statistic
    return {"confidence": float(learned.confidence.mean()), "ncc_each": float(real.mean()), "rank": float(rank)}


def run(name: str, root: Path, data: Path, name_of_preset: str) -> dict[str, Any]:
    """All numbers of a row."""
    truth = true_psf(name, data)
    rows, cols = truth.nodes
    known = KnownSet(root / name / "set")
    drained(simulate_set([halved(data, root / "photos at half size")], known.root, truth, split=True))
    settings = preset(name_of_preset).with_changes({"rows": rows, "cols": cols, "kernel_size": truth.size})
    project = Project(root / name / name_of_preset, (known.clean,), (known.degraded,), settings)
    result = learned(project, known.truth)
    restored, by_truth = project.root / "restored", root / name / "restored with the true kernels"
    for place, psf in ((restored, PsfGrid.load(project.psf)), (by_truth, PsfGrid.load(known.truth))):
        drained(restore_photos(find_photos((known.degraded,)), Output(place, existing=Existing.REPLACE), psf))
    scores = {
        moment: score_folders(place, known.sharp, truth.size)
        for moment, place in (("before", known.degraded), ("after", restored), ("true", by_truth))
    }
    return {
        "row": name,
        "preset": name_of_preset,
        **{field: getattr(result, field) for field in ("ncc_start", "ncc", "ncc_mean", "ncc_worst")},
        "colour_shift_error": result.colour_shift_error,
        **foretold(PsfGrid.load(project.psf), truth),
        "noise_sigma": result.noise_sigma,
        "ikl": result.ikl,
        **{f"psnr_{moment}": score.psnr_mean for moment, score in scores.items()},
        **{f"ssim_{moment}": score.ssim_mean for moment, score in scores.items()},
        "seconds_learning": result.seconds,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=["lens", "decam"], help="lens, decam (default: both)")
    parser.add_argument("--preset", default="lens")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmark"))
    parser.add_argument("--data", type=Path, default=os.environ.get("DDM_TEST_DATA"))
    arguments = parser.parse_args()
    if arguments.data is None:
        sys.exit("Give --data DIR, or name it in DDM_TEST_DATA.")
    torch.set_num_threads(arguments.threads)
    root = arguments.output.absolute() / "lens"
    about = {"date": date.today().isoformat(), "cores": os.cpu_count(), "commit": commit()}
    done = []
    for name in arguments.rows:
        done.append({**run(name, root, arguments.data, arguments.preset), **about})
        for field, value in done[-1].items():
            print(f"{field:20s} {value:.4f}" if isinstance(value, float) else f"{field:20s} {value}", flush=True)
        (root / "lens.json").write_text(json.dumps(done, indent=1))


if __name__ == "__main__":
    main()
