"""A denoiser by step 1's code: conditional flow matching on clean patches, at the times that are photos with noise.

On the path y_t = (1 - t) n + t x, the photo y_t / t = x + sigma n has noise of sigma = (1 - t) / t, and without it it
is x = y_t + (1 - t) v(y_t, t). Photos are seen as plain pixels in [-1, 1], where noise is twice what it is in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.events import Stage
from ddm_gui.engine.flow.train import FlowTraining, PathSample, sample_path
from ddm_gui.engine.flow.velocity import VelocityModel
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.photos.patches import PatchPool

SPREAD = 0.5  # how noise is drawn: this power of sigma is uniform. 1: sigma itself, near 0: its logarithm


@dataclass(frozen=True)
class LivelyPixels(PlainPixels):
    """Plain pixels, taken for more lively than they are, so that a network which knows little leaves a photo as it is.

    Networks start from white data, which noise pulls towards grey; but what is strong in a photo is coarse, and hardly
    touched by noise. A small network had 24.2 and 24.9 dB on two photos with noise 25 of 255 after 250 updates (23.4
    and 23.8 with .5), at noise 10 1 dB more.
    """

    sigma_data: ClassVar[float] = 1.0


def time_of(sigma: Tensor) -> Tensor:
    """t of photos with noise of these standard deviations, in the range of 1."""
    return 1 / (1 + 2 * sigma)


def without_noise(network: VelocityModel, noisy: Tensor, sigma: float) -> Tensor:
    """Photos B x C x H x W in [0, 1] with white noise of `sigma`, without it: their mean, given what is seen."""
    t = time_of(noisy.new_full((len(noisy),), sigma))
    weight = t[:, None, None, None]
    y_t = weight * (2 * noisy - 1)
    clean: Tensor = (y_t + (1 - weight) * network(y_t, t) + 1) / 2
    return clean


class DenoiserTraining(FlowTraining):
    """Step 1's training, of clean patches in all their colours, turned and mirrored, with noise as DPIR asks for."""

    def __init__(self, pool: PatchPool, settings: DenoiserSettings, images: int, device: torch.device) -> None:
        super().__init__(pool, LivelyPixels(pool.channels), settings.for_flow(images), device, Stage.DENOISER)
        self.noises = settings.least_noise, settings.most_noise

    def sample(self, generator: torch.Generator) -> PathSample:
        """A batch of patches on their way from noise."""
        settings = self.settings
        patches = self.pool.draw(settings.batch_size, settings.patch_size, generator).pixels
        turned = _turned(patches, int(torch.randint(8, (), generator=generator)))
        return sample_path(self.sight.apply(turned.to(self.device)), generator, schedule=self._times)

    def _times(self, uniform: Tensor) -> Tensor:
        least, most = (noise**SPREAD for noise in self.noises)
        return time_of((least + uniform * (most - least)) ** (1 / SPREAD))


def _turned(patches: Tensor, way: int) -> Tensor:
    """B x C x P x P in one of the 8 ways of a square; a batch goes one way, which is quick, and the next another."""
    if way & 1:
        patches = patches.flip(-1)
    if way & 2:
        patches = patches.flip(-2)
    return (patches.mT if way & 4 else patches).contiguous()
