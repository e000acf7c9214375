"""The simulated side of step 2: clean patches through the camera that is looked for, as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.degradation import blur_valid, clip_straight_through, round_straight_through
from ddm_gui.engine.field import Field
from ddm_gui.engine.patches import PatchPool, field_places
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.whitening import Sight


@dataclass(frozen=True)
class Simulation:
    """How clean patches become simulated ones: what the networks see, the degraded photos' depth in bits, settings;
    and the field, where kernels change over it: then each patch is given a random place in it."""

    sight: Sight
    depth: int
    settings: Settings
    field: Field | None = None

    def draw(
        self, clean: PatchPool, kernels: Tensor, sigma: Tensor | float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """T(A x + noise), B x C x P x P, differentiable in kernels and sigma; over the field also the places of their
        pixels, B x 2 x P x P.

        kernels: C' x k x k, or N x C' x k x k at the nodes of the field, of which a patch is blurred by the one of its
        place; contrast is in them. sigma: of the noise.
        """
        patches, here, noise, seen, places = self._bright(clean, kernels, generator, 0, sigma)
        if torch.is_grad_enabled():
            seen = self.sight.apply(photographed(patches, here, sigma * noise, self.depth))
        return self.sight.levelled(seen), places

    def whitened(
        self, clean: PatchPool, kernels: Tensor, sigma: Tensor | float, generator: torch.Generator, more: int
    ) -> tuple[Tensor, Tensor | None]:
        """A x + noise whitened, B x 1 x (P + more) x (P + more), without a gradient and before contrast is taken; over
        the field also the places of its middle, B x 2 x P x P."""
        *_, seen, places = self._bright(clean, kernels, generator, more, sigma)
        return seen, places

    def _bright(
        self, clean: PatchPool, kernels: Tensor, generator: torch.Generator, more: int, sigma: Tensor | float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Clean patches, their kernels, noise, the simulated patches as seen (these without a gradient), and places:
        the first bright ones, as of degraded patches."""
        size, device = self.settings.patch_size, kernels.device
        side, count = size + self.sight.margin + more, self.sight.surplus * self.settings.batch_size
        batch = clean.draw(count, side + kernels.shape[-1] - 1, generator, mirror=self.settings.mirror_clean)
        patches, here, places = batch.pixels.to(device), kernels, None
        if self.field is not None:
            positions = torch.rand(count, 2, generator=generator)
            here = torch.einsum("bn,nchw->bchw", self.field.weights(positions).to(device), kernels)
            places = field_places(positions, self.field.pitch.expand(count, 2), size).to(device)
        noise = torch.randn((*patches.shape[:2], side, side), generator=generator).to(device)
        with torch.no_grad():
            seen = self.sight.apply(photographed(patches, here, sigma * noise, self.depth))
            # Judged by what the networks will see: beside a bright edge all may be clipped, hence of no contrast.
            kept = self.sight.bright_enough(middle(seen, size), self.settings.batch_size)
        if places is not None:
            here, places = here[kept], places[kept]
        return patches[kept], here, noise[kept], seen[kept], places


def photographed(patches: Tensor, kernels: Tensor, noise: Tensor, depth: int) -> Tensor:
    """What the camera did to patches: blur (`blur_valid`), noise, clipping, rounding to `depth` bits; the gradient
    passes straight through the last two."""
    return round_straight_through(clip_straight_through(blur_valid(patches, kernels) + noise), depth)


def middle(patches: Tensor, size: int) -> Tensor:
    """The middle ... x size x size of ... x n x n."""
    first = (patches.shape[-1] - size) // 2
    return patches[..., first : first + size, first : first + size]
