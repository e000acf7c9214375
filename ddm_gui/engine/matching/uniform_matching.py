"""Step 2 for one kernel: the degradation that makes clean patches look, in distribution, like degraded ones.

By rounds (`rounds`), or by the paper's own procedure (`alternating`); `learn_kernels` decides, as `learn_field` does
for a grid of kernels (`field_matching`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ddm_gui.engine.events import Event
from ddm_gui.engine.flow.spectrum import noise_floor, periodogram
from ddm_gui.engine.flow.train import FlowModel
from ddm_gui.engine.matching import alternating
from ddm_gui.engine.matching.alternating import AlternatingTraining
from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.derivatives import DerivativeFit
from ddm_gui.engine.matching.kernels import SoftmaxKernels, build_kernels, start_kernels
from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.matching.noise_fit import PhotonNoiseFit
from ddm_gui.engine.matching.phase import PhaseDescent
from ddm_gui.engine.matching.plan import Plan
from ddm_gui.engine.matching.rounds import KernelTraining
from ddm_gui.engine.matching.search import KernelSearch, Match, as_grid
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import run


def updates_needed(settings: Settings) -> int:
    """How many updates step 2 makes."""
    if settings.procedure == "alternating":
        return alternating.updates_needed(settings)
    return Plan.of(settings).updates


def work(settings: Settings, updates: int) -> float:
    """How much work the first `updates` are, in updates of a round or of the alternating procedure."""
    if settings.procedure == "alternating":
        return float(updates)
    return Plan.of(settings).work(updates)


def learn_kernels(
    flow: FlowModel,
    degraded: PatchPool,
    clean: PatchPool,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
) -> Generator[Event, None, Match]:
    """Step 2 by the procedure of the settings; resumes from `checkpoint` by itself, bit for bit on a CPU.

    Closing the generator saves a checkpoint.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint.
    """
    sigma = noise_floor(flow.spectrum) if settings.noise_sigma == "learn" else float(settings.noise_sigma)
    clean_spectrum = periodogram(clean, settings.seed)
    start, gains = start_kernels(settings, flow.spectrum, clean_spectrum, sigma)
    visible, _ = start_kernels(replace(settings, start="spectral"), flow.spectrum, clean_spectrum, sigma)
    simulation = Simulation(flow.sight, degraded.depth, settings)
    noise, noise_fit = SimulatedNoise(sigma), None
    if settings.photon_noise:
        noise_fit = PhotonNoiseFit(degraded, clean, simulation, flow.spectrum, sigma)
        noise = SimulatedNoise.of(noise_fit.under((visible * gains[:, None, None]).to(device)), noise_fit.level)
    training: KernelSearch
    if settings.procedure == "alternating":
        model = build_kernels(settings, start, gains, noise).to(device)
        training = AlternatingTraining(flow, clean, simulation, model, settings)
    else:
        training = KernelTraining(
            flow,
            clean,
            simulation,
            SoftmaxKernels(start, gains, noise).to(device),
            ColourMatch(flow.spectrum.to(device), clean_spectrum.to(device)),
            PhaseDescent(MagnitudeMatch(flow.spectrum.to(device), clean_spectrum.to(device), sigma)),
            visible.to(device),
            settings,
            DerivativeFit(degraded, clean, sigma, settings.seed, device),
            noise_fit,
        )
    yield from run(training, checkpoint, fingerprint)
    return Match(
        as_grid(training.result()),
        as_grid(start),
        as_grid(visible),
        float(training.average_sigma),
        float(training.ikl),
        photon_noise=training.photon_noise(),
    )
