"""The simulated side of step 2: clean patches through the camera that is looked for, as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.degradation import blur_valid, clip_straight_through, round_straight_through
from ddm_gui.engine.kernels import KernelModel
from ddm_gui.engine.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.whitening import Sight


@dataclass(frozen=True)
class Simulation:
    """How clean patches become simulated ones: what the networks see, the degraded photos' depth in bits, settings."""

    sight: Sight
    depth: int
    settings: Settings

    def draw(self, clean: PatchPool, kernels: KernelModel, generator: torch.Generator) -> Tensor:
        """T(A x + noise), B x C x P x P, differentiable in the kernels, the gain and the noise."""
        patches, noise, seen = self._bright(clean, kernels, generator, 0)
        if torch.is_grad_enabled():
            seen = self.sight.apply(self._camera(patches, kernels, noise))
        return self.sight.levelled(seen)

    def whitened(self, clean: PatchPool, kernels: KernelModel, generator: torch.Generator, more: int) -> Tensor:
        """A x + noise whitened, B x 1 x (P + more) x (P + more), without a gradient and before contrast is taken."""
        return self._bright(clean, kernels, generator, more)[2]

    @torch.no_grad()
    def _bright(
        self, clean: PatchPool, kernels: KernelModel, generator: torch.Generator, more: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Clean patches, noise and the simulated patches as seen: the first bright ones, as of degraded patches."""
        side = self.settings.patch_size + self.sight.margin + more
        size, count = side + kernels.size - 1, self.sight.surplus * self.settings.batch_size
        batch = clean.draw(count, size, generator, mirror=self.settings.mirror_clean)
        patches = batch.pixels.to(kernels.device)
        noise = torch.randn((*patches.shape[:2], side, side), generator=generator).to(kernels.device)
        seen = self.sight.apply(self._camera(patches, kernels, noise))
        # Judged by what the networks will see: beside a bright edge all may be clipped, hence of no contrast at all.
        kept = self.sight.bright_enough(middle(seen, self.settings.patch_size), self.settings.batch_size)
        return patches[kept], noise[kept], seen[kept]

    def _camera(self, patches: Tensor, kernels: KernelModel, noise: Tensor) -> Tensor:
        return photographed(patches, kernels.with_gain(), kernels.log_sigma.exp() * noise, self.depth)


def photographed(patches: Tensor, kernels: Tensor, noise: Tensor, depth: int) -> Tensor:
    """What the camera did to patches: blur (`blur_valid`), noise, clipping, rounding to `depth` bits; the gradient
    passes straight through the last two."""
    return round_straight_through(clip_straight_through(blur_valid(patches, kernels) + noise), depth)


def middle(patches: Tensor, size: int) -> Tensor:
    """The middle ... x size x size of ... x n x n."""
    first = (patches.shape[-1] - size) // 2
    return patches[..., first : first + size, first : first + size]
