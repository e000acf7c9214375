"""Step 1: conditional flow matching on degraded patches (section 3.2, L_CFM as a squared norm)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ddm_gui.engine.events import Event, FlowProgress, Stage
from ddm_gui.engine.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.spectrum import noise_floor, periodogram
from ddm_gui.engine.training import (
    Training,
    WeightAverage,
    adam,
    cosine_decay,
    diverged,
    draws,
    optimiser_tensors,
    restore_optimiser,
    run,
    set_rate,
    under_prefix,
    with_prefix,
)
from ddm_gui.engine.velocity import VelocityNet
from ddm_gui.engine.whitening import MARGIN, SURPLUS, Whitening, unit_contrast

HELD_OUT = 0.1  # share of the degraded photos on which the floor of the IKL is measured
FLOOR_BATCHES = 16
DRAW_FLOW, DRAW_FLOOR = 1, 2  # which random stream

Velocity = Callable[[Tensor, Tensor], Tensor]
_BUILDING = Lock()  # the initial weights come from a generator that all threads share


@dataclass(frozen=True, eq=False)
class FlowModel:
    """What step 1 learned: the velocity of the degraded patches behind T, and T itself.

    `spectrum` is the degraded photos' periodogram, `floor` the IKL (nats per value) that 0 cannot be told from.
    """

    velocity: VelocityNet
    whitening: Whitening
    spectrum: Tensor
    floor: float


@dataclass(frozen=True)
class PathSample:
    """A batch on the path of flow matching: y_t (B x C x P x P), t (B), target velocity u = y_1 - y_0."""

    y_t: Tensor
    t: Tensor
    target: Tensor

    @classmethod
    def at(cls, data: Tensor, noise: Tensor, t: Tensor) -> PathSample:
        """y_t = (1 - t) y_0 + t y_1 for data y_1 and noise y_0."""
        weight = t[:, None, None, None]
        return cls((1 - weight) * noise + weight * data, t, data - noise)

    @property
    def weight(self) -> Tensor:
        """t, shaped to multiply y_t."""
        return self.t[:, None, None, None]


def sample_path(data: Tensor, generator: torch.Generator) -> PathSample:
    """y_t = (1 - t) y_0 + t y_1 with noise y_0; t is uniform, one draw in each of B equal strata."""
    count = data.shape[0]
    t = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    return PathSample.at(data, noise, t.to(data.device))


def degraded_batch(
    pool: PatchPool, whitening: Whitening, settings: Settings, device: torch.device, generator: torch.Generator
) -> Tensor:
    """T of degraded patches, B x 1 x P x P: never mirrored, and dull ones left out."""
    size = settings.patch_size + MARGIN
    patches = pool.draw(SURPLUS * settings.batch_size, size, generator).pixels.to(device)
    whitened = whitening.apply(patches)
    return unit_contrast(whitened[whitening.bright_enough(whitened, settings.batch_size)])


def build_velocity(settings: Settings) -> VelocityNet:
    """The network of both steps, seeded; the same when two threads build one at the same time."""
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        blocks = (settings.blocks, settings.blocks, settings.blocks)
        return VelocityNet(1, settings.width, blocks)


class FlowTraining(Training):
    """Step 1's updates: one batch, one gradient, one move of the average."""

    stage = Stage.FLOW

    def __init__(self, pool: PatchPool, whitening: Whitening, settings: Settings, device: torch.device) -> None:
        self.pool, self.whitening, self.settings, self.device = pool, whitening, settings, device
        self.batch_size = settings.batch_size
        self.updates = math.ceil(settings.images_flow / settings.batch_size)
        self.network = build_velocity(settings).to(device)
        self.average = WeightAverage(self.network)
        self.optimiser = adam([(self.network.parameters(), settings.flow_rate)])
        self.losses: list[Tensor] = []
        self.gradient_norm = torch.zeros(())

    def step(self) -> None:
        generator = draws(self.settings.seed, DRAW_FLOW, self.update)
        batch = degraded_batch(self.pool, self.whitening, self.settings, self.device, generator)
        sample = sample_path(batch, generator)
        loss = (self.network(sample.y_t, sample.t) - sample.target).square().mean()
        set_rate(self.optimiser, cosine_decay(self.update, self.updates))
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        self.gradient_norm = torch.nn.utils.get_total_norm(gradients)
        self.optimiser.step()
        self.average.update(self.network, self.update)
        self.losses.append(loss.detach())

    def progress(self, seconds_left: float) -> FlowProgress:
        loss, norm = float(torch.stack(self.losses).mean()), float(self.gradient_norm)
        self.losses.clear()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise diverged(self.stage)
        seen, total = self.update * self.batch_size, self.updates * self.batch_size
        return FlowProgress(seen, total, loss, norm, seconds_left)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("network", self.network.state_dict()),
            **with_prefix("average", self.average.weights),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
        }

    def numbers(self) -> dict[str, Any]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        self.network.load_state_dict(under_prefix("network", tensors))
        self.average.load(under_prefix("average", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))


def train_flow(
    pool: PatchPool, settings: Settings, device: torch.device, checkpoint: Path, fingerprint: Mapping[str, Any]
) -> Generator[Event, None, FlowModel]:
    """Learns the velocity of degraded patches; resumes from `checkpoint` by itself, bit for bit on a CPU.

    `fingerprint` is stored in the checkpoint: what the result depends on. Closing the generator saves a checkpoint.

    Raises:
        UserError: the loss is not finite any more, or the disk does not take a checkpoint.
    """
    held_in, held_out = pool.split(HELD_OUT, settings.seed)
    spectrum = periodogram(held_in, settings.seed)
    whitening = Whitening.design(spectrum, noise_floor(spectrum)).to(device)
    training = FlowTraining(held_in, whitening, settings, device)
    yield from run(training, checkpoint, fingerprint)
    velocity = training.network
    velocity.load_state_dict(training.average.weights)
    velocity.eval().requires_grad_(False)
    floor = measured_floor(velocity, whitening, held_in, held_out, settings, device)
    return FlowModel(velocity, whitening, spectrum, floor)


@torch.no_grad()
def measured_floor(
    velocity: Velocity,
    whitening: Whitening,
    seen: PatchPool,
    unseen: PatchPool,
    settings: Settings,
    device: torch.device,
) -> float:
    """The IKL's floor: t-weighted loss of the degraded velocity on held-out photos less that on the training photos.

    Nats per value; not below 0.
    """
    excess = 0.0
    for batch in range(FLOOR_BATCHES):
        for pool, sign in ((unseen, 1.0), (seen, -1.0)):
            generator = draws(settings.seed, DRAW_FLOOR, batch)
            sample = sample_path(degraded_batch(pool, whitening, settings, device, generator), generator)
            error = (velocity(sample.y_t, sample.t) - sample.target).square()
            excess += sign * float((sample.weight * error).mean()) / FLOOR_BATCHES
    return max(0.0, excess)
