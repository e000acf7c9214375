"""What is read off both folders' spectra before a grid of kernels is looked for: noise, contrast, magnitudes, colours.

The spectral start of each node, smoothed over the grid by what is asked of the whole field (`field_magnitude`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.spectrum import field_periodograms, noise_floor, periodogram
from ddm_gui.engine.matching.colour import apart
from ddm_gui.engine.matching.field_colour import field_colours
from ddm_gui.engine.matching.field_magnitude import FieldMagnitude, FieldSpectra
from ddm_gui.engine.matching.phase import confined
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings


@dataclass(frozen=True, eq=False)
class FieldShape:
    """What spectra say of the kernels at N nodes: log|H|^2, N x F x F, and what sets the colours apart, N x C' x 5 (see
    `colour.apart`)."""

    log_power: Tensor
    differences: Tensor

    def kernels(self, size: int) -> Tensor:
        """Those of phase zero, N x C' x k x k."""
        return coloured(confined((0.5 * self.log_power).exp(), size), self.differences)


@dataclass(frozen=True, eq=False)
class FieldStart:
    """Of a grid of N nodes: around how many patches each rests on (N); the noise; the contrast that degraded photos
    have over clean ones; whether the magnitudes are those of a round lens; and the shape, as all photos have it and as
    each half of them has it alone."""

    field: Field
    counts: Tensor
    noise_sigma: float
    gain: float
    is_round: bool
    shape: FieldShape
    halves: tuple[FieldShape, FieldShape]


def measure_field(halves: tuple[PatchPool, PatchPool], clean: PatchPool, settings: Settings) -> FieldStart:
    """The start of a grid of the settings' rows and columns, from two halves of the degraded photos."""
    sizes = halves[0].sizes + halves[1].sizes
    field = Field(settings.rows, settings.cols, *Counter(sizes).most_common(1)[0][0])
    (one, some), (other, more) = (field_periodograms(half, field, settings.seed) for half in halves)
    counts = some + more
    share = (some / counts.clamp_min(1e-6))[:, None, None, None, None]
    spectra = one * share + other * (1 - share)
    before = periodogram(clean, settings.seed)
    learned = settings.noise_sigma == "learn"
    sigma = noise_floor(spectra.mean(dim=0)) if learned else float(settings.noise_sigma)
    magnitude = FieldMagnitude(field, _luminance(before), sigma**2 / clean.channels)
    found = magnitude.fit((FieldSpectra(_luminance(one), some), FieldSpectra(_luminance(other), more)))
    first, second, whole = (
        FieldShape(log_power, _differences(field, power, seen, before, sigma, settings))
        for log_power, power, seen in zip(
            (*found.halves, found.log_power), (one, other, spectra), (some, more, counts), strict=True
        )
    )
    gain = math.exp(found.contrast / 2)
    return FieldStart(field, counts, sigma, gain, found.is_round, whole, (first, second))


def _differences(
    field: Field, spectra: Tensor, counts: Tensor, clean: Tensor, sigma: float, settings: Settings
) -> Tensor:
    """What sets the colours apart; zeros for one kernel for all colours."""
    if spectra.shape[-1] == 1 or settings.channels == 1:
        return torch.zeros(len(counts), 1, 5)
    return field_colours(field, spectra, counts, clean, sigma**2)


def coloured(kernels: Tensor, differences: Tensor) -> Tensor:
    """N x C' x k x k of those of luminance, N x k x k, and what sets the colours apart, N x C' x 5."""
    if differences.shape[1] == 1:
        return kernels[:, None]
    return torch.stack([apart(*each) for each in zip(kernels, differences, strict=True)])


def _luminance(spectra: Tensor) -> Tensor:
    """Power of the mean of the colours, of cross-periodograms ... x C x C."""
    return spectra.real.mean(dim=(-2, -1))
