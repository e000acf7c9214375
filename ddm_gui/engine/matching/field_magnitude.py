"""The magnitude of the transfer function over the field, from the power spectra around each node of the grid.

What lies around one node are some pieces of some photos, whose own spectra scatter by half a nat or more, and are made
of the same frequencies as the blur is. What tells the two apart: a lens is smooth over the field and most of it is
round, and a kernel of a few pixels is smooth over frequency. So log|H|^2 is a cosine series over frequency (a cepstrum)
whose coefficients change over the field as `Field.round_functions` do, each ring of them in its own measure. What is
not round, polynomials of the position, is let in only if each half of the photos foretells the other one better with
it. That photos have more upright and level structures than others, all over the field, is fitted beside the lens
(`magnitude.content_functions`). All is found by the Whittle likelihood of the periodograms, in which the noise has its
place: no difference of powers is taken, which may be negative, and no frequency is left out for what it shows.

On a simulated lens (8 x 8 nodes, ten photos), with the true phases: NCC .94 over the grid from the spectra of each node
alone, .976 by polynomials, .99 by round functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.blur.field import Field, orders
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.magnitude import content_functions

DEGREE = 4  # of the functions of the position
REACH = 8  # px: of the series over frequency
FLATNESS, ROUGHNESS = 1e-2, 3e-3  # what holds a coefficient down: so much, and so much times the fourth power of its px
STIFFNESS = 4.0  # each degree of a polynomial is held down by so many times more than the one before
ROUND = 0.1  # round functions are held down by so many times less
CANDIDATES = (300.0, 30.0, 3.0)  # how many times more what is not round is held down, if there is such a part
LEAST_GAIN = 0.5  # nats per node that it must be better, in the units of the misfit
CLUSTERING = 10.0  # patches of the same few photos count for one
MOST_PATCHES = 200.0  # around one node: beyond, it is the few photos that limit what is known
LOWEST = 1.5 / WINDOW  # cycles per pixel: below, the periodogram's window leaks
STEPS = 200  # of L-BFGS, at most
LOWEST_POWER, HIGHEST_POWER = -12.0, 6.0  # of log|H|^2 and the contrast: exp stays finite on the way


@dataclass(frozen=True, eq=False)
class FieldSpectra:
    """Periodograms of luminance around the N nodes, N x F x F, and how many patches each is a mean of, N."""

    power: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class FoundMagnitude:
    """log|H|^2 at each node, N x F x F, 0 at frequency 0; the same as each half of the photos alone has it; log of the
    power that degraded photos have over clean ones, a mean over the nodes; and whether nothing but round functions was
    needed."""

    log_power: Tensor
    halves: tuple[Tensor, Tensor]
    contrast: float
    is_round: bool


class FieldMagnitude:
    """Fits log|H|^2 over the field to what is seen around the nodes."""

    def __init__(self, field: Field, clean: Tensor, noise_power: float) -> None:
        """clean: the periodogram of the clean photos' luminance, F x F; noise_power: of white noise in one."""
        self.field, self.noise = field, noise_power
        frequency = torch.fft.fftfreq(WINDOW, dtype=torch.float64)
        row, col = torch.meshgrid(frequency, frequency[: WINDOW // 2 + 1].abs(), indexing="ij")
        radius = torch.hypot(row, col)
        self.content = content_functions(row, col).flatten(0, 1).T
        self.clean = clean.cpu().double()[:, : WINDOW // 2 + 1]
        self.lowest = (radius > 0.5 / WINDOW) & (radius < 3.5 / WINDOW)
        self.seen = (radius > LOWEST).double()  # a mirror image of a frequency counts for none, nearly all have one
        steps = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
        places = torch.cartesian_prod(steps, steps)
        distance = places.norm(dim=1)
        half = (distance > 0) & (distance <= REACH) & ((places[:, 0] > 0) | ((places[:, 0] == 0) & (places[:, 1] > 0)))
        places, distance = places[half], distance[half]
        phases = 2 * torch.pi * (places[:, :1] * row.flatten() + places[:, 1:] * col.flatten())
        self.series = phases.cos() - 1  # 0 at frequency 0, where a lens changes nothing
        rings = torch.arange(1, REACH + 1, dtype=torch.float64)
        hats = (1 - (distance - rings[:, None]).abs()).clamp_min(0)
        angles = torch.atan2(places[:, 0], places[:, 1])
        functions = field.round_functions(field.nodes.double(), angles, DEGREE, odd=False)
        self.round = torch.einsum("nmk,rk->nmrk", functions, hats).flatten(1, 2)
        told = field.told_apart(DEGREE)
        self.polynomials = field.polynomials(field.nodes.double(), DEGREE)[:, told]
        held = FLATNESS + ROUGHNESS * distance**4
        degrees = torch.tensor([sum(order) for order in orders(DEGREE)], dtype=torch.float64)[told]
        self.held = STIFFNESS ** degrees[:, None] * held
        self.held_round = (ROUND * (FLATNESS + ROUGHNESS * rings**4)).repeat(functions.shape[1])

    def fit(self, halves: tuple[FieldSpectra, FieldSpectra]) -> FoundMagnitude:
        """What both halves say together; they come of different photos."""
        fits = {stiffness: [self._fit(half, stiffness) for half in halves] for stiffness in (math.inf, *CANDIDATES)}
        foretold = {
            stiffness: [self._score(log_h, other) for log_h, other in zip(found, halves[::-1], strict=True)]
            for stiffness, found in fits.items()
        }
        # A lens is taken to be round unless each half foretells the other one better if it is not.
        losses = {
            stiffness: max(score - alone for score, alone in zip(scores, foretold[math.inf], strict=True))
            for stiffness, scores in foretold.items()
        }
        best = min(losses, key=lambda stiffness: losses[stiffness])
        if losses[best] > -LEAST_GAIN * len(self.polynomials):
            best = math.inf
        log_h = self._fit(_together(halves), best)
        contrast = self._contrast(log_h, _together(halves)).mean()
        one, other = (_whole(half) for half in fits[best])
        return FoundMagnitude(_whole(log_h), (one, other), float(contrast), math.isinf(best))

    def _fit(self, spectra: FieldSpectra, stiffness: float) -> Tensor:
        """log|H|^2, N x F F', of the greatest likelihood."""
        count = len(spectra.counts)
        ring = torch.zeros(self.round.shape[1], dtype=torch.float64, requires_grad=True)
        rest = torch.zeros_like(self.held, requires_grad=True)
        contrast = self._contrast(torch.zeros(count, self.series.shape[1], dtype=torch.float64), spectra)
        contrast.requires_grad_(True)
        content = torch.zeros(len(self.content), dtype=torch.float64, requires_grad=True)
        numbers = [ring, contrast, content] if math.isinf(stiffness) else [ring, contrast, content, rest]

        def log_h() -> Tensor:
            coefficients = torch.einsum("nik,i->nk", self.round, ring) + self.polynomials @ rest
            return coefficients @ self.series

        search = torch.optim.LBFGS(
            numbers, max_iter=STEPS, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            search.zero_grad()
            shown = log_h() + content @ self.content
            loss = self._misfit(shown, contrast, spectra) + (self.held_round * ring.square()).sum()
            loss = loss + content.square().sum()
            if not math.isinf(stiffness):
                loss = loss + stiffness * (self.held * rest.square()).sum()
            torch.autograd.backward(loss)
            return loss.detach()

        search.step(closure)  # type: ignore[no-untyped-call]
        return log_h().detach()

    def _misfit(self, log_h: Tensor, contrast: Tensor, spectra: FieldSpectra) -> Tensor:
        """-log of the Whittle likelihood, up to a constant."""
        power = spectra.power.cpu().double()[:, :, : WINDOW // 2 + 1].flatten(1)
        scaled = (log_h + contrast[:, None]).clamp(LOWEST_POWER, HIGHEST_POWER)
        model = self.clean.flatten() * scaled.exp() + self.noise
        weight = spectra.counts.cpu().double().clamp(max=MOST_PATCHES)[:, None] / CLUSTERING * self.seen.flatten()
        misfit: Tensor = (weight * (model.log() + power / model)).mean(dim=1).sum()
        return misfit

    def _score(self, log_h: Tensor, spectra: FieldSpectra) -> float:
        """The misfit to spectra that took no part in a fit, whatever their contrast."""
        return float(self._misfit(log_h, self._contrast(log_h, spectra), spectra))

    def _contrast(self, log_h: Tensor, spectra: FieldSpectra) -> Tensor:
        """log of the power that degraded photos have over clean ones at the lowest frequencies, N."""
        power = spectra.power.cpu().double()[:, :, : WINDOW // 2 + 1]
        expected = self.clean * log_h.view(power.shape).exp()
        return (power / expected)[:, self.lowest].mean(dim=1).clamp_min(1e-6).log()


def _whole(log_h: Tensor) -> Tensor:
    """N x F x F from its half N x F F', which is all of it twice."""
    half = log_h.view(len(log_h), WINDOW, -1)
    mirrored = half[:, :, 1:-1].flip(1, 2).roll(1, 1)
    return torch.cat([half, mirrored], dim=2).float()


def _together(halves: tuple[FieldSpectra, FieldSpectra]) -> FieldSpectra:
    """The mean of both, patch by patch."""
    counts = halves[0].counts + halves[1].counts
    total = sum((half.power * half.counts[:, None, None] for half in halves), torch.zeros(()))
    return FieldSpectra(total / counts.clamp_min(1e-6)[:, None, None], counts)
