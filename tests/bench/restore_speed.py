"""Megapixels per second and memory of restoring, for each restorer, beside the cost of bare Fourier transforms.

    python tests/bench/restore_speed.py [--megapixels 24] [--threads 2] [--only "wiener 8 x 8"] [--clipped 0.002]
        [--ffdnet FILE] [--json FILE]

Each line is measured in a process of its own, whose largest memory it shows (with the program, torch and the photo).
The photo is made up: leaves with noise, in colour, a part of it clipped at white where that is asked; kernels are
25 px wide, one for each colour and node. `restorer`: measuring the noise and restoring; `whole`: with trust and
evidence, as `ddm restore` does but for reading and writing files. Both are megapixels a second by the clock. `CPU` is
the processor's time for the restorer, seconds a megapixel: on a machine that has other work, only that can be compared.
`bare` is the processor's time of one forward and one inverse transform of a tile with what lies around it, 512 + 100 px
wide, of three colours, by scipy on as many threads and nothing else, just before and after, for a megapixel of the tile
alone; `share` is the one over the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

CASES = {"wiener 1 x 1": ("wiener", 1), "wiener 8 x 8": ("wiener", 8), "tv 1 x 1": ("tv", 1), "tv 8 x 8": ("tv", 8)}
BY_NETWORK = {"dpir 1 x 1": ("dpir", 1)}
KERNEL_SIZE = 25
NOISE = 0.01


def bare_transforms(threads: int, rounds: int = 20) -> float:
    """Seconds of the processor for a megapixel in colour."""
    import numpy as np
    from scipy import fft

    tile, around = 512, 4 * KERNEL_SIZE
    side = fft.next_fast_len(tile + around, real=True)
    blocks = [np.random.default_rng(0).random((side, side), dtype=np.float32) for _ in range(threads)]

    def both(block: Any) -> None:
        for _ in range(rounds):
            fft.irfft2(fft.rfft2(block), s=block.shape)

    begun = time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(both, blocks))
    return (time.process_time() - begun) / (threads * rounds) * 3e6 / tile**2


def measured(case: dict[str, Any]) -> dict[str, float]:
    """One line of the table."""
    import numpy as np
    import torch

    from ddm_gui.engine.blur.psf import PsfGrid
    from ddm_gui.engine.photos.photo import Photo
    from ddm_gui.engine.restore.recipe import Recipe, restore, restorer_of
    from ddm_gui.engine.restore.restorer import Blurred, drained
    from ddm_gui.engine.restore.trust import unclipped
    from ddm_gui.engine.simulate.leaves import dead_leaves
    from ddm_gui.engine.simulate.optics import Lens

    torch.set_num_threads(case["threads"])
    torch.set_flush_denormal(True)
    height = int((case["megapixels"] * 1e6 / 1.5) ** 0.5)
    width = int(case["megapixels"] * 1e6 / height)
    rng = np.random.default_rng(0)
    leaves = 0.05 + 0.8 * dead_leaves(1000, 1000, rng)
    pixels = np.empty((height, width, 3), dtype=np.float32)
    for row in range(0, height, 1000):
        for col in range(0, width, 1000):
            part = pixels[row : row + 1000, col : col + 1000]
            part[:] = leaves[: part.shape[0], : part.shape[1]]
            part += NOISE * rng.standard_normal(part.shape, dtype=np.float32)
    for _ in range(round(case["clipped"] * height * width / 400)):  # lamps of 20 px
        row, col = int(rng.integers(height - 20)), int(rng.integers(width - 20))
        pixels[row : row + 20, col : col + 20] = 1.0
    photo = Photo(np.clip(pixels, 0, 1, out=pixels), 16)
    nodes = case["nodes"]
    grid = np.empty((nodes, nodes, 3, KERNEL_SIZE, KERNEL_SIZE), dtype=np.float32)
    for row, col in np.ndindex(nodes, nodes):
        down, right = ((2 * place + 1) / nodes - 1 for place in (row, col))
        far = float(np.hypot(down, right))
        lens = Lens(coma=0.3 * far, lateral=1.5 * far, angle=float(np.arctan2(down, right)), softness=0.8)
        grid[row, col] = lens.kernels(KERNEL_SIZE)
    psf = PsfGrid(grid, NOISE, kernel_error=1e-4)
    restorer = restorer_of(case["restorer"], {"denoiser": case["ffdnet"]} if case["restorer"] == "dpir" else {})

    bare = [bare_transforms(case["threads"])]
    begun, worked = time.perf_counter(), time.process_time()
    blurred = Blurred(photo, psf, restorer.noises(photo, psf), unclipped(photo))
    drained(restorer.restoring(blurred, restorer.usual_plan("cpu")))
    alone, worked = time.perf_counter() - begun, time.process_time() - worked
    begun = time.perf_counter()
    restore(photo, psf, Recipe(restorer))
    whole = time.perf_counter() - begun
    bare.append(bare_transforms(case["threads"]))
    size = height * width / 1e6
    return {
        "megapixels": size,
        "restorer": size / alone,
        "whole": size / whole,
        "cpu_seconds_per_megapixel": worked / size,
        "bare_transforms": sum(bare) / len(bare),
        "share": sum(bare) / len(bare) / (worked / size),
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 * 1.024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="lines of the table, by name")
    parser.add_argument("--clipped", type=float, default=0.0, help="share of the pixels that are clipped at white")
    parser.add_argument("--ffdnet", type=Path, help="weights of FFDNet in colour, for dpir")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a case as JSON, measured in this process
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(json.loads(arguments.one))))
        return
    cases = CASES | (BY_NETWORK if arguments.ffdnet else {})
    rows = {}
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads")
    print(f"{'':14s} {'MP':>6} {'restorer':>9} {'whole':>7} {'CPU':>7} {'bare':>7} {'share':>6} {'GB':>6}")
    for name in arguments.only or cases:
        restorer, nodes = cases[name]
        case = {"restorer": restorer, "nodes": nodes, "megapixels": arguments.megapixels, "threads": arguments.threads}
        case |= {"clipped": arguments.clipped, "ffdnet": str(arguments.ffdnet)}
        command = [sys.executable, __file__, "--one", json.dumps(case)]
        row = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
        rows[name] = row
        print(
            f"{name:14s} {row['megapixels']:6.1f} {row['restorer']:9.3f} {row['whole']:7.3f}"
            f" {row['cpu_seconds_per_megapixel']:7.3f} {row['bare_transforms']:7.3f} {row['share']:6.2f}"
            f" {row['memory_gb']:6.2f}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"date": str(date.today()), "cores": os.cpu_count(), "rows": rows}))


if __name__ == "__main__":
    main()
