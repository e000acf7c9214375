"""What a run costs as patches, kernels and photos grow: patches per second of each step, and memory.

    python tests/bench/cost.py [--data DIR] [--threads 2] [--seconds 10]

Each line is measured in a process of its own, whose largest memory it shows. Whole updates are timed. What a patch
costs should grow with its pixels only; photos should cost memory up to the budget, and no time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import date
from pathlib import Path
from typing import Any

BASE = {"patch_size": 32, "kernel_size": 25, "photos": 24}
GROWING: list[tuple[str, list[int]]] = [
    ("patch_size", [32, 48, 64, 96]),
    ("kernel_size", [9, 15, 25, 39, 63]),
    ("photos", [3, 6, 12, 24]),
]
SMALLEST = 256  # px: no photo is left out, whatever the patch and the kernel


def measured(case: dict[str, int], data: Path, seconds: float, threads: int) -> dict[str, Any]:
    """Patches per second of step 1, of turning phases and of following by the auxiliary network; memory in MB."""
    import torch

    from ddm_gui.engine.flow.spectrum import noise_floor, periodogram
    from ddm_gui.engine.flow.train import FlowModel, FlowTraining
    from ddm_gui.engine.flow.whitening import Whitening
    from ddm_gui.engine.matching.colour import ColourMatch
    from ddm_gui.engine.matching.derivatives import DerivativeFit
    from ddm_gui.engine.matching.kernels import SoftmaxKernels, start_kernels
    from ddm_gui.engine.matching.magnitude import MagnitudeMatch
    from ddm_gui.engine.matching.phase import PhaseDescent
    from ddm_gui.engine.matching.rounds import KernelTraining
    from ddm_gui.engine.matching.simulation import Simulation
    from ddm_gui.engine.photos.patches import PatchPool
    from ddm_gui.engine.photos.photo import find_photos
    from ddm_gui.engine.settings import Settings
    from ddm_gui.engine.training import draws

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)

    def pool_of(folder: Path, count: int) -> PatchPool:
        photos = find_photos((folder,))[:count]
        loading: Generator[object, None, PatchPool] = PatchPool.load(
            photos, patch_size=SMALLEST, channels=None, memory_budget_gb=2.0, seed=0
        )
        while True:
            try:
                next(loading)
            except StopIteration as done:
                return done.value

    def rate(update: Any) -> float:
        for number in range(3):
            update(number)
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            update(3 + count)
            count += 1
        return settings.batch_size * count / (time.perf_counter() - begun)

    sizes = {name: case[name] for name in ("patch_size", "kernel_size")}
    settings = Settings().with_changes({**sizes, "channels": 1})
    degraded, clean = (pool_of(data / "photos" / name, case["photos"]) for name in ("kodak24", "cbsd68"))
    spectrum, clean_spectrum = periodogram(degraded, 0), periodogram(clean, 0)
    sigma = noise_floor(spectrum)
    sight = Whitening.design(spectrum, sigma)
    flow = FlowTraining(degraded, sight, settings, torch.device("cpu"))
    step_1 = rate(lambda _: flow.step())
    start, gains = start_kernels(settings, spectrum, clean_spectrum, sigma)
    stretches = KernelTraining(
        FlowModel(flow.result(), sight, spectrum, 0.0),
        clean,
        Simulation(sight, 8, settings),
        SoftmaxKernels(start, gains, sigma),
        ColourMatch(spectrum, clean_spectrum),
        PhaseDescent(MagnitudeMatch(spectrum, clean_spectrum, sigma)),
        start,
        settings,
        DerivativeFit(degraded, clean, sigma, 0, torch.device("cpu")),
    ).stretches
    return {
        "step_1": step_1,
        "turning": rate(lambda number: stretches._turn_phases(draws(0, 0, number))),
        "following": rate(lambda number: stretches.trial.measure(stretches.found, 0, number % 32)),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("DDM_TEST_DATA"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a case as JSON, measured in this process
    arguments = parser.parse_args()
    if arguments.data is None:
        sys.exit("Give --data DIR, or name in DDM_TEST_DATA the folder that holds photos/.")
    if arguments.one:
        found = measured(json.loads(arguments.one), arguments.data, arguments.seconds, arguments.threads)
        print(json.dumps(found))
        return
    print(f"{date.today()}, {os.cpu_count()} cores, {arguments.threads} threads; patches per second")
    print(f"{'':20s} {'step 1':>9} {'turning':>9} {'following':>9} {'memory MB':>10}")
    for name, values in GROWING:
        for value in values:
            case = json.dumps({**BASE, name: value})
            command = [sys.executable, __file__, "--one", case, "--data", str(arguments.data)]
            command += ["--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
            line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
            row = json.loads(line)
            numbers = " ".join(f"{row[key]:>9.0f}" for key in ("step_1", "turning", "following"))
            print(f"{name.replace('_', ' ')} {value:<8d} {numbers} {row['memory_mb']:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
