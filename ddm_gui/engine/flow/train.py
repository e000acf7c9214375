"""Step 1: conditional flow matching on degraded patches (section 3.2, L_CFM as a squared norm)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddm_gui.engine.events import Event, FlowProgress, Stage
from ddm_gui.engine.flow.spectrum import noise_floor, periodogram
from ddm_gui.engine.flow.unet import UNet
from ddm_gui.engine.flow.velocity import VelocityModel, VelocityNet
from ddm_gui.engine.flow.whitening import PlainPixels, Sight, Whitening
from ddm_gui.engine.photos.patches import PatchPool, field_places
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import (
    Training,
    Watch,
    WeightAverage,
    adam,
    diverged,
    draws,
    fits,
    load_checkpoint,
    optimiser_tensors,
    rate_factor,
    restore_optimiser,
    run,
    seeded,
    set_rate,
    under_prefix,
    with_prefix,
)

HELD_OUT = 0.1  # share of the degraded photos on which the floor of the IKL is measured
FLOOR_BATCHES = 16
LARGEST_GROWTH = 4.0  # of the loss over its least: training has diverged beyond
DRAWS, DRAW_FLOOR = {Stage.FLOW: 1, Stage.PRETRAIN: 5, Stage.DENOISER: 6}, 2  # which random stream

Velocity = Callable[..., Tensor]  # of y_t and t, and over the field of places


@dataclass(frozen=True, eq=False)
class FlowModel:
    """What step 1 learned: the velocity of the degraded patches as the networks see them.

    `sight` says how they see them, `spectrum` is the degraded photos' periodogram, `floor` the IKL (nats per value)
    that 0 cannot be told from.
    """

    velocity: VelocityModel
    sight: Sight
    spectrum: Tensor
    floor: float


@dataclass(frozen=True)
class PathSample:
    """A batch on the path of flow matching: y_t (B x C x P x P), t (B), target velocity u = y_1 - y_0; and, where the
    networks are told, the places of its pixels in the field (B x 2 x P x P)."""

    y_t: Tensor
    t: Tensor
    target: Tensor
    places: Tensor | None = None

    @classmethod
    def at(cls, data: Tensor, noise: Tensor, t: Tensor, places: Tensor | None = None) -> PathSample:
        """y_t = (1 - t) y_0 + t y_1 for data y_1 and noise y_0."""
        weight = t[:, None, None, None]
        return cls((1 - weight) * noise + weight * data, t, data - noise, places)

    def under(self, velocity: Velocity) -> Tensor:
        """What a network says of it, as y_t."""
        if self.places is None:
            return velocity(self.y_t, self.t)
        return velocity(self.y_t, self.t, self.places)

    @property
    def weight(self) -> Tensor:
        """t, shaped to multiply y_t."""
        return self.t[:, None, None, None]


def strata(count: int, generator: torch.Generator) -> Tensor:
    """Random numbers that are uniform in [0, 1), one draw in each of `count` equal strata."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


def sample_path(
    data: Tensor,
    generator: torch.Generator,
    places: Tensor | None = None,
    schedule: Callable[[Tensor], Tensor] | None = None,
) -> PathSample:
    """y_t = (1 - t) y_0 + t y_1 with noise y_0; t is uniform in strata, or what `schedule` makes of such numbers."""
    t = strata(data.shape[0], generator)
    if schedule is not None:
        t = schedule(t)
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    return PathSample.at(data, noise, t.to(data.device), places)


def patches_seen(
    pool: PatchPool,
    sight: Sight,
    settings: Settings,
    device: torch.device,
    generator: torch.Generator,
    misplaced: float = 0.0,
) -> tuple[Tensor, Tensor | None]:
    """A batch of patches as the networks see them, B x C x P x P: never mirrored, and dull ones left out; and, over the
    field, their places, B x 2 x P x P.

    Of the places a share of `misplaced` is drawn at random instead: so that content, which has its usual places, too,
    is not taken for what the lens does there.
    """
    size = settings.patch_size + sight.margin
    batch = pool.draw(sight.surplus * settings.batch_size, size, generator)
    seen = sight.apply(batch.pixels.to(device))
    kept = sight.bright_enough(seen, settings.batch_size)
    places = None
    if settings.over_field:
        chosen, positions = kept.cpu(), batch.positions
        if misplaced > 0:
            elsewhere = torch.rand(positions.shape, generator=generator)
            positions = positions.where(torch.rand(len(positions), 1, generator=generator) >= misplaced, elsewhere)
        places = field_places(positions[chosen], batch.pitch[chosen], settings.patch_size).to(device)
    return sight.levelled(seen[kept]), places


def build_velocity(settings: Settings, sight: Sight) -> VelocityModel:
    """The network of both steps, seeded; the same when two threads build one at the same time."""
    with seeded(settings.seed, torch.device("cpu")):
        if settings.network == "compact":
            blocks = (settings.blocks, settings.blocks, settings.blocks)
            return VelocityNet(sight.channels, settings.width, blocks, sight.sigma_data, settings.over_field)
        sizes = [settings.patch_size // 2**level for level in range(len(settings.multiples))]
        return UNet(
            sight.channels,
            settings.width,
            settings.multiples,
            settings.blocks,
            sizes.index(settings.attention) if settings.attention else None,
            settings.dropout,
            sight.sigma_data,
            settings.over_field,
        )


class FlowTraining(Training):
    """Step 1's updates: some batches, one gradient, one move of the average."""

    def __init__(
        self, pool: PatchPool, sight: Sight, settings: Settings, device: torch.device, stage: Stage = Stage.FLOW
    ) -> None:
        self.pool, self.sight, self.settings, self.device, self.stage = pool, sight, settings, device, stage
        self.batch_size = settings.batch_size * settings.accumulate
        images = settings.images_pretrain if stage is Stage.PRETRAIN else settings.images_flow
        self.updates = math.ceil(images / self.batch_size)
        self.network = build_velocity(settings, sight).to(device)
        self.average = WeightAverage(self.network, settings.ema_relative_std)
        self.optimiser = adam([(self.network.parameters(), settings.flow_rate)])
        self.watch = Watch(device, LARGEST_GROWTH)
        self.losses: list[Tensor] = []
        self.gradient_norm = torch.zeros(())

    def step(self) -> None:
        generator = draws(self.settings.seed, DRAWS[self.stage], self.update)
        set_rate(self.optimiser, rate_factor(self.settings, self.update, self.updates, self.batch_size))
        self.optimiser.zero_grad()
        loss = torch.zeros((), device=self.device)
        for _ in range(self.settings.accumulate):
            loss += self._add_gradient(generator) / self.settings.accumulate
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        self.gradient_norm = torch.nn.utils.get_total_norm(gradients)
        self.optimiser.step()
        self.average.update(self.network, self.update)
        self.watch.see(loss, self.update)
        self.losses.append(loss)

    def _add_gradient(self, generator: torch.Generator) -> Tensor:
        """One batch's share of the gradient; its loss."""
        sample = self.sample(generator)
        dropout_seed = int(torch.randint(2**62, (), generator=generator))
        with seeded(dropout_seed, self.device):
            loss: Tensor = (sample.under(self.network) - sample.target).square().mean()
        torch.autograd.backward(loss / self.settings.accumulate)
        return loss.detach()

    def sample(self, generator: torch.Generator) -> PathSample:
        """A batch of patches on their way from noise."""
        settings = self.settings
        seen, places = patches_seen(self.pool, self.sight, settings, self.device, generator, settings.misplaced_share)
        return sample_path(seen, generator, places)

    def begin_from(self, network: VelocityModel) -> None:
        """Takes over weights that were learned before."""
        self.network.load_state_dict(network.state_dict())

    def result(self) -> VelocityModel:
        """The averaged network, frozen, without dropout also where it is trained on."""
        self.network.load_state_dict(self.average.weights)
        self.network.stop_dropout()
        return self.network.eval().requires_grad_(False)

    def check(self) -> None:
        self.watch.check(self.stage)

    def progress(self, seconds_left: float) -> FlowProgress:
        self.check()
        loss, norm = float(torch.stack(self.losses).mean()), float(self.gradient_norm)
        self.losses.clear()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise diverged(self.stage)
        seen, total = self.update * self.batch_size, self.updates * self.batch_size
        return FlowProgress(seen, total, loss, norm, seconds_left, self.stage)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("network", self.network.state_dict()),
            **with_prefix("average", self.average.weights),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("watch", self.watch.tensors()),
        }

    def numbers(self) -> dict[str, Any]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        self.network.load_state_dict(under_prefix("network", tensors))
        self.average.load(under_prefix("average", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.watch.load(under_prefix("watch", tensors))


@dataclass(frozen=True, eq=False)
class Pretraining:
    """Patches of clean photos, from which step 1 learns first (B.2), and where its checkpoint is kept.

    Seen as the degraded ones are. The network that it leaves knows clean photos: it can serve as a denoiser.
    """

    clean: PatchPool
    checkpoint: Path
    fingerprint: Mapping[str, Any]


def train_flow(
    pool: PatchPool,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
    pretraining: Pretraining | None = None,
) -> Generator[Event, None, FlowModel]:
    """Learns the velocity of degraded patches; resumes from `checkpoint` by itself, bit for bit on a CPU.

    `fingerprint` is stored in the checkpoint: what the result depends on. Closing the generator saves a checkpoint.
    With `pretraining` it first learns that of clean patches, unless `checkpoint` shows that this is behind it.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint.
    """
    held_in, held_out = pool.split(HELD_OUT, settings.seed)
    spectrum = periodogram(held_in, settings.seed)
    sight: Sight = PlainPixels(pool.channels)
    if settings.whiten:
        sight = Whitening.design(spectrum, noise_floor(spectrum)).to(device)
    training = FlowTraining(held_in, sight, settings, device)
    saved = load_checkpoint(checkpoint)
    begun = saved is not None and fits(training, *saved)
    if pretraining is not None and not begun:
        before = FlowTraining(pretraining.clean, sight, settings, device, Stage.PRETRAIN)
        yield from run(before, pretraining.checkpoint, pretraining.fingerprint)
        training.begin_from(before.result())
    yield from run(training, checkpoint, fingerprint)
    velocity = training.result()
    floor = measured_floor(velocity, sight, held_in, held_out, settings, device)
    return FlowModel(velocity, sight, spectrum, floor)


@torch.no_grad()
def measured_floor(
    velocity: Velocity,
    sight: Sight,
    known: PatchPool,
    unknown: PatchPool,
    settings: Settings,
    device: torch.device,
) -> float:
    """The IKL's floor: t-weighted loss of the degraded velocity on held-out photos less that on the training photos.

    Nats per value; not below 0.
    """
    excess = 0.0
    for batch in range(FLOOR_BATCHES):
        for pool, sign in ((unknown, 1.0), (known, -1.0)):
            generator = draws(settings.seed, DRAW_FLOOR, batch)
            seen, places = patches_seen(pool, sight, settings, device, generator)
            sample = sample_path(seen, generator, places)
            error = (sample.under(velocity) - sample.target).square()
            excess += sign * float((sample.weight * error).mean()) / FLOOR_BATCHES
    return max(0.0, excess)
