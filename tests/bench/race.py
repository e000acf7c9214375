"""Seconds to the same kernel: the paper's procedure at the published network's size, and the presets, on equal photos.

    python tests/bench/race.py [--kernel coma] [--threads 2] [--images-flow 60000] [--images-kernel 40000] [--output D]

The paper's procedure: plain pixels, the U-Net of 4.1 million weights, a normalised kernel with the sparse prior that
starts at random, both networks moving at each update. Its rates are kinder than the published ones, which are made for
a million images: at those the kernel would not have moved yet. Seconds are those of its steps here, where the U-Net is
several times as fast as the published code's (see speed.py). Printed: the best NCC on the way of each, and when a
preset first was as good as the paper's procedure ever.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import date
from pathlib import Path

import torch
from benchmark import NOISE, SIZE, Case, known_set

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.events import KernelSnapshot
from ddm_gui.engine.pipeline import learn
from ddm_gui.engine.presets import preset
from ddm_gui.engine.project import Project
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.settings import Settings

PAPER = {
    "procedure": "alternating",
    "parametrisation": "normalised",
    "sparse_weight": 1.0,
    "start": "random",
    "whiten": False,
    "network": "unet",
    "width": 32,
    "blocks": 1,
    "multipliers": "1,2,3,4",
    "attention": 8,
    "dropout": 0.2,
    "batch_size": 64,
    "noise_sigma": NOISE,
    "flow_rate": 1e-2,
}


def curve(project: Project, truth: PsfGrid) -> list[tuple[float, float]]:
    """(seconds since step 1 began, NCC) at each moment that step 2 shows."""
    found = []
    begun = time.monotonic()
    for event in learn(project):
        if isinstance(event, KernelSnapshot):
            found.append((time.monotonic() - begun, kernel_ncc(event.kernels, truth.kernels)))
            print(f"  {found[-1][0]:6.0f} s  {found[-1][1]:.4f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="coma", help="one of benchmark.py's (default: coma)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images-flow", type=int, default=60_000, help="patches of step 1 of the paper's procedure")
    parser.add_argument("--images-kernel", type=int, default=40_000, help="pairs of its step 2")
    parser.add_argument("--presets", nargs="*", default=["glance", "quick"])
    parser.add_argument("--output", type=Path, default=Path("benchmark"))
    parser.add_argument("--data", type=Path, default=os.environ.get("DDM_TEST_DATA"), required=False)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data DIR, or name it in DDM_TEST_DATA")
    torch.set_num_threads(arguments.threads)
    root = arguments.output.absolute() / "race"
    known = known_set(Case("", arguments.kernel), root / f"set of {arguments.kernel}", arguments.data)
    truth = PsfGrid.load(known.truth)
    length = {"images_flow": arguments.images_flow, "images_kernel": arguments.images_kernel}
    runs = {"the paper's procedure": Settings().with_changes({**PAPER, **length})}
    runs |= {name: preset(name) for name in arguments.presets}
    curves = {}
    for name, settings in runs.items():
        print(name, flush=True)
        settings = settings.with_changes({"kernel_size": max(SIZE, truth.size)})
        place = root / f"{arguments.kernel}, {name}, {date.today()} {os.getpid()}"
        clean = arguments.data / "photos" / "cbsd68"
        curves[name] = curve(Project(place, (clean,), (known.degraded,), settings), truth)
    paper = curves["the paper's procedure"]
    best = max(ncc for _, ncc in paper)
    reached = min(seconds for seconds, ncc in paper if ncc == best)
    print(f"the paper's procedure: NCC {best:.4f} after {reached:.0f} s")
    for name in arguments.presets:
        first = next((seconds for seconds, ncc in curves[name] if ncc >= best), None)
        top = max(ncc for _, ncc in curves[name])
        same = f"as good after {first:.0f} s, {reached / first:.1f} times sooner" if first else "never as good"
        print(f"{name}: {same}; NCC {top:.4f} after {curves[name][-1][0]:.0f} s")
    (root / f"{arguments.kernel}.json").write_text(json.dumps({"date": date.today().isoformat(), "curves": curves}))


if __name__ == "__main__":
    main()
