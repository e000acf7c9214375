"""How the kernels of the colours differ over the field, in closed form from the cross-spectra around each node.

The cross-spectrum between two colours turns by -2 pi f (s - s') where the lens has put them s and s' aside; a photo's
own colours are in phase on average. The ratio of their powers falls where one is blurred more. Both are read off by
weighted least squares whose unknowns are polynomials of the position: over the field all nodes answer together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.colour import WIDTH_UNIT

DEGREE = 3  # of the polynomials
GREEN = 1  # the colour that the others are compared with
LOWEST, HIGHEST = 1.5 / WINDOW, 0.35  # cycles per pixel
MOST_COHERENT = 0.98  # more is believed of no frequency
VISIBLE = 0.3  # share of signal in the power below which a frequency says nothing of widths
STEPS = 6  # of Gauss and Newton: phases beyond half a turn come into reach as the shift becomes known
PRIOR = 1e-3  # of the mean weight: polynomials that hardly any node tells of stay small


def field_colours(field: Field, degraded: Tensor, counts: Tensor, clean: Tensor, noise_power: float) -> Tensor:
    """The numbers for `colour.apart` at each node, N x C x 5; zeros for one colour.

    Args:
        degraded: cross-periodograms around the nodes, N x F x F x C x C.
        counts: patches that each is a mean of, N.
        clean: that of the clean photos, F x F x C x C.
        noise_power: of white noise in a periodogram of one colour.
    """
    count, channels = degraded.shape[0], degraded.shape[-1]
    numbers = torch.zeros(count, channels, 5)
    basis = field.polynomials(field.nodes, DEGREE)[:, field.told_apart(DEGREE)]
    for colour in set(range(channels)) - {GREEN} if channels > 1 else ():
        numbers[:, colour, :2] = _shifts(basis, degraded, counts, clean, colour)
        numbers[:, colour, 2:] = _widths(basis, degraded, counts, clean, colour, noise_power)
    return numbers


def _frequencies() -> tuple[Tensor, Tensor]:
    """Row and column frequency of what is looked at, F' each, and where that is in F x F."""
    frequency = torch.fft.fftfreq(WINDOW)
    row, col = torch.meshgrid(frequency, frequency, indexing="ij")
    radius = torch.hypot(row, col)
    seen = (radius > LOWEST) & (radius < HIGHEST)
    return torch.stack([row[seen], col[seen]], dim=1), seen


def _shifts(basis: Tensor, degraded: Tensor, counts: Tensor, clean: Tensor, colour: int) -> Tensor:
    """N x 2: px by which a colour lies aside of green."""
    places, seen = _frequencies()
    cross = degraded[:, seen][..., colour, GREEN] * clean[seen][..., colour, GREEN].conj()
    own = degraded[:, seen].real
    coherence = degraded[:, seen][..., colour, GREEN].abs().square()
    coherence = coherence / (own[..., colour, colour] * own[..., GREEN, GREEN]).clamp_min(1e-20)
    coherence = coherence.clamp(max=MOST_COHERENT)
    weight = counts[:, None] * coherence / (1 - coherence)
    slopes = -2 * torch.pi * places
    found = torch.zeros(basis.shape[1], 2)
    for _ in range(STEPS):
        shift = basis @ found
        missing = torch.angle(cross * torch.exp(-1j * (shift @ slopes.T)))
        found = found + _least_squares(basis, slopes, weight, missing)
    return basis @ found


def _widths(basis: Tensor, degraded: Tensor, counts: Tensor, clean: Tensor, colour: int, noise_power: float) -> Tensor:
    """N x 3: by how much a colour is blurred more than green, in the exponents of `colour.apart`."""
    places, seen = _frequencies()
    excess = [(degraded[:, seen].real[..., one, one] - noise_power).clamp_min(1e-12) for one in (colour, GREEN)]
    before = [clean[seen].real[..., one, one].clamp_min(1e-12) for one in (colour, GREEN)]
    ratio = (excess[0] / excess[1]).log() - (before[0] / before[1]).log()
    visible = torch.stack([one / (one + noise_power) for one in excess]).amin(dim=0)
    weight = counts[:, None] * visible.square() * (visible > VISIBLE)
    total = weight.sum(dim=1, keepdim=True).clamp_min(1e-9)
    row, col = places[:, 0], places[:, 1]
    slopes = -2 * WIDTH_UNIT * torch.stack([row.square(), col.square(), 2 * row * col], dim=1)
    # The photos' own colours differ from node to node by a factor: what is left when it is taken off.
    centred = slopes - (weight @ slopes / total)[:, None]
    missing = ratio - (weight * ratio).sum(dim=1, keepdim=True) / total
    return basis @ _least_squares(basis, centred, weight, missing)


def _least_squares(basis: Tensor, slopes: Tensor, weight: Tensor, missing: Tensor) -> Tensor:
    """J x K numbers c of the least weighted squares of `missing` (N x F') - basis (N x J) c slopes (F' x K, or
    N x F' x K)."""
    count, unknowns = basis.shape[1], slopes.shape[-1]
    each = slopes.expand(len(weight), -1, -1)
    inner = torch.einsum("nf,nfk,nfl->nkl", weight, each, each)
    normal = torch.einsum("ni,nj,nkl->ikjl", basis, basis, inner).reshape(count * unknowns, -1)
    right = torch.einsum("ni,nf,nfk,nf->ik", basis, weight, each, missing).reshape(-1)
    held = PRIOR * normal.diagonal().mean() * torch.eye(len(normal))
    found: Tensor = torch.linalg.solve(normal + held, right).view(count, unknowns)
    return found
