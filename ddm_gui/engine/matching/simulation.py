"""The simulated side of step 2: clean patches through the camera that is looked for, as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.blur.degradation import blur_valid, clip_straight_through, round_straight_through
from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.whitening import Sight
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.photos.patches import PatchPool, field_places
from ddm_gui.engine.settings import Settings


@dataclass(frozen=True)
class Simulation:
    """How clean patches become simulated ones: what the networks see, the degraded photos' depth in bits, settings;
    and the field, where kernels change over it: then each patch is given a random place in it."""

    sight: Sight
    depth: int
    settings: Settings
    field: Field | None = None

    def draw(
        self, clean: PatchPool, kernels: Tensor, noise: SimulatedNoise, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """T(A x + noise), B x C x P x P, differentiable in kernels and noise; over the field also the places of their
        pixels, B x 2 x P x P.

        kernels: C' x k x k, or N x C' x k x k at the nodes of the field, of which a patch is blurred by the one of its
        place; contrast is in them.
        """
        patches, here, unit, seen, places = self._bright(clean, kernels, generator, 0, noise)
        if torch.is_grad_enabled():
            seen = self.sight.apply(photographed(patches, here, noise, unit, self.depth))
        return self.sight.levelled(seen), places

    def whitened(
        self, clean: PatchPool, kernels: Tensor, noise: SimulatedNoise, generator: torch.Generator, more: int
    ) -> tuple[Tensor, Tensor | None]:
        """A x + noise whitened, B x 1 x (P + more) x (P + more), without a gradient and before contrast is taken; over
        the field also the places of its middle, B x 2 x P x P."""
        *_, seen, places = self._bright(clean, kernels, generator, more, noise)
        return seen, places

    @torch.no_grad()
    def photographs(
        self,
        clean: PatchPool,
        kernels: Tensor,
        noise: SimulatedNoise,
        generator: torch.Generator,
        count: int,
        side: int,
    ) -> Tensor:
        """A x + noise as the camera gives it, before anything is made of it: count x C x side x side."""
        patches, here, unit, _ = self._drawn(clean, kernels, generator, count, side)
        return photographed(patches, here, noise, unit, self.depth)

    def _bright(
        self, clean: PatchPool, kernels: Tensor, generator: torch.Generator, more: int, noise: SimulatedNoise
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Clean patches, their kernels, noise of variance one, the simulated patches as seen (these without a
        gradient), and places: the first bright ones, as of degraded patches."""
        size = self.settings.patch_size
        side, count = size + self.sight.margin + more, self.sight.surplus * self.settings.batch_size
        patches, here, unit, positions = self._drawn(clean, kernels, generator, count, side)
        places = None
        if self.field is not None:
            places = field_places(positions, self.field.pitch.expand(count, 2), size).to(kernels.device)
        with torch.no_grad():
            seen = self.sight.apply(photographed(patches, here, noise, unit, self.depth))
            # Judged by what the networks will see: beside a bright edge all may be clipped, hence of no contrast.
            kept = self.sight.bright_enough(middle(seen, size), self.settings.batch_size)
        if places is not None:
            here, places = here[kept], places[kept]
        return patches[kept], here, unit[kept], seen[kept], places

    def _drawn(
        self, clean: PatchPool, kernels: Tensor, generator: torch.Generator, count: int, side: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clean patches of `side` px and what a blur takes around, their kernels, noise of variance one, and random
        positions in the field, for which there are kernels over it."""
        device = kernels.device
        batch = clean.draw(count, side + kernels.shape[-1] - 1, generator, mirror=self.settings.mirror_clean)
        patches, here, positions = batch.pixels.to(device), kernels, batch.positions
        if self.field is not None:
            positions = torch.rand(count, 2, generator=generator)
            here = torch.einsum("bn,nchw->bchw", self.field.weights(positions).to(device), kernels)
        unit = torch.randn((*patches.shape[:2], side, side), generator=generator).to(device)
        return patches, here, unit, positions


def photographed(patches: Tensor, kernels: Tensor, noise: SimulatedNoise, unit: Tensor, depth: int) -> Tensor:
    """What the camera did to patches: blur (`blur_valid`), noise (from `unit`, of variance one), clipping, rounding to
    `depth` bits; the gradient passes straight through the last two."""
    blurred = blur_valid(patches, kernels)
    return round_straight_through(clip_straight_through(blurred + noise.scaled(unit, blurred)), depth)


def middle(patches: Tensor, size: int) -> Tensor:
    """The middle ... x size x size of ... x n x n."""
    first = (patches.shape[-1] - size) // 2
    return patches[..., first : first + size, first : first + size]
