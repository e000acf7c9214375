"""Patches per second of step 1, and of step 2 in the paper's way, for both networks at 32x32 in batches of 64.

    python tests/bench/speed.py [--threads 2] [--device auto] [--seconds 20]

Whole updates are timed: drawing, what the networks see, the network, the optimiser, the average; in step 2 blur and
both networks too (a pair: one update of the auxiliary network and one of the kernel). On a CUDA device the share of its
peak is printed, by the multiplications of the convolutions alone, at the peak of dense bf16 that is given
(--peak-tflops). The published code's network of this size ran at 21 patches a second in step 1 and 6 in pairs, in
float32 on two CPU cores.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ddm_gui.engine.devices import choose_device
from ddm_gui.engine.flow.spectrum import noise_floor, periodogram
from ddm_gui.engine.flow.train import FlowModel, FlowTraining
from ddm_gui.engine.flow.whitening import PlainPixels, Sight, Whitening
from ddm_gui.engine.matching.alternating import AlternatingTraining
from ddm_gui.engine.matching.kernels import build_kernels, start_kernels
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import find_photos
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.demo import build
from ddm_gui.engine.training import Training

PAIRS = {"procedure": "alternating", "parametrisation": "normalised", "noise_sigma": 0.02, "channels": 1}
COMMON = {**PAIRS, "batch_size": 64, "patch_size": 32}
NETWORKS = {
    "compact, whitened luminance": COMMON,
    "U-Net, whitened luminance": {**COMMON, "network": "unet", "width": 32, "blocks": 1, "dropout": 0.2},
    "U-Net, plain colour": {**COMMON, "network": "unet", "width": 32, "blocks": 1, "dropout": 0.2, "whiten": False},
}
SETTLING = 3  # updates that are not counted


def pool_of(folder: Path) -> PatchPool:
    """The photos of a folder."""
    loading: Generator[object, None, PatchPool] = PatchPool.load(
        find_photos((folder,)), patch_size=94, channels=None, memory_budget_gb=1.0, seed=0
    )
    while True:
        try:
            next(loading)
        except StopIteration as done:
            return done.value


def rate(training: Training, seconds: float, device: torch.device) -> tuple[float, float]:
    """Patches a second over about so many seconds, and floating-point operations per update."""

    def update() -> None:
        training.step()
        training.update += 1

    for _ in range(SETTLING):
        update()
    with FlopCounterMode(display=False) as counter:
        update()
    _wait(device)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        update()
        _wait(device)
        count += 1
    return training.batch_size * count / (time.perf_counter() - begun), float(counter.get_total_flops())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Measures, and prints a line for each network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="of the GPU, dense bf16 (default: an H100's)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{datetime.date.today()}, torch {torch.__version__}, {device} ({name}), {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        photos = build(Path(folder))
        degraded, clean = pool_of(photos.degraded), pool_of(photos.clean)
    spectrum, clean_spectrum = periodogram(degraded, 0), periodogram(clean, 0)
    for words, choice in NETWORKS.items():
        settings = Settings().with_changes(choice)
        sight: Sight = PlainPixels(degraded.channels)
        if settings.whiten:
            sight = Whitening.design(spectrum, noise_floor(spectrum)).to(device)
        flow = FlowTraining(degraded, sight, settings, device)
        size = sum(parameter.numel() for parameter in flow.network.parameters())
        step_1, operations_1 = rate(flow, arguments.seconds, device)
        start, gains = start_kernels(settings, spectrum, clean_spectrum, 0.02)
        pairs = AlternatingTraining(
            FlowModel(flow.result(), sight, spectrum, 0.0),
            clean,
            Simulation(sight, 8, settings),
            build_kernels(settings, start, gains, 0.02).to(device),
            settings,
        )
        pairs.first = 0
        step_2, operations_2 = rate(pairs, arguments.seconds, device)
        print(f"{words} ({size / 1e6:.1f} M): step 1 {step_1:.0f} patches/s, pairs of step 2 {step_2:.0f} patches/s")
        if device.type == "cuda":
            for step, speed, operations in (("step 1", step_1, operations_1), ("pairs", step_2, operations_2)):
                share = operations * speed / settings.batch_size / (arguments.peak_tflops * 1e12)
                print(f"  {step}: {100 * share:.1f} % of the peak")


if __name__ == "__main__":
    main()
