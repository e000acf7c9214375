"""How noise grows with light, read off degraded patches: the variance of their finest detail against their brightness.

What a blur lets through of the finest detail is no noise. So a filter listens where the power spectrum of the degraded
photos holds hardly anything else, and of each brightness only the flattest places are listened to. What is measured so
on degraded patches is compared with what is measured, in the same way, on clean patches that the kernel of the moment
has blurred and that were given the noise of the moment: where the two differ, the noise is wrong. So what the kernel
still lets through, clipping and rounding count alike on both sides (indirect inference: Gourieroux, Monfort and Renault
1993).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from ddm_gui.engine.blur.degradation import blur_valid
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.training import draws

PATCHES, BATCH = 1024, 128  # of WINDOW px, on each side
FILTER = 15  # px, width and height
SPACING = 2  # px between places that are listened to: beside each other they say nearly the same
AROUND = 9  # px: width of what a place's brightness and its roughness are the mean of
BINS = 16  # of brightness, of equally many places of the degraded patches
FEWEST, FEWEST_BINS = 100, 3  # places of a bin in which noise is measured, and such bins
FLATTEST = 0.5  # share of the places of a bin
BRIGHTEST = 0.9  # beyond, noise is cut off at white
BLACK = 0.05  # share of the pixels around a bin's places that are black: beyond, noise is cut off there
PASSES = 2  # of the comparison
REWEIGHTED = 5  # times the first line is fitted, with weights by the variances of the time before
LEAST = 1e-9  # variance
QUANTILE, OF_NORMAL = 0.7, 1.07419  # of squares: which, and that of a normal value of variance one
DRAW_NOISE = 6  # which random stream


class PhotonNoiseFit:
    """Fits Poisson-Gaussian noise to degraded patches, again for each kernel that is found."""

    def __init__(
        self, degraded: PatchPool, clean: PatchPool, simulation: Simulation, spectrum: Tensor, noise_sigma: float
    ) -> None:
        """`spectrum`: of the degraded photos (`spectrum.periodogram`); `noise_sigma`: of the noise that it shows. Where
        the settings say how strong noise is, that stays its root mean square.

        Raises:
            UserError: nearly all of the patches are black, or white.
        """
        self.clean, self.simulation = clean, simulation
        self.filter = listening_filter(spectrum, noise_sigma)
        patches = torch.cat([degraded.draw(BATCH, WINDOW, generator).pixels for generator in self._generators()])
        self.level = float(patches.mean())  # mean value of the degraded photos
        places = Places.of(patches, self.filter)
        self.edges = torch.quantile(places.around, torch.linspace(0, 1, BINS + 1)[1:-1])
        self.brightness, self.variance = places.measured(self.edges)
        if int(self.brightness.isfinite().sum()) < FEWEST_BINS:
            raise UserError(
                "How noise grows with light cannot be read off the degraded photos (noise_model).",
                "They are too dark, or all of one brightness.",
                "Choose brighter photos, or noise_model gaussian.",
            )

    def under(self, kernels: Tensor) -> PhotonNoise:
        """The noise that goes with these kernels, as `Simulation.draw` takes them."""
        measured = self.brightness.isfinite()
        start = _line(self.brightness[measured], self.variance[measured], self.variance[measured])
        for _ in range(REWEIGHTED):
            uncertain = (start[0] * self.brightness + start[1]).clamp_min(0.1 * float(self.variance[measured].min()))
            start = _line(self.brightness[measured], self.variance[measured], uncertain[measured])
        found = self._possible(*start)
        for _ in range(PASSES):
            noise = SimulatedNoise.of(found, self.level)
            patches = torch.cat(
                [
                    self.simulation.photographs(self.clean, kernels, noise, generator, BATCH, WINDOW).cpu()
                    for generator in self._generators()
                ]
            )
            brightness, variance = Places.of(patches, self.filter).measured(self.edges)
            # Bin by bin, so that what is left of clipping at black is alike on both sides.
            missing = self.variance - variance - found.shot * (self.brightness - brightness)
            both = missing.isfinite()
            shot, read = _line(self.brightness[both], missing[both], variance[both])
            found = self._possible(found.shot + shot, found.read + read)
        return found

    def _generators(self) -> Iterator[torch.Generator]:
        """The same each time: what changes from pass to pass is the noise alone."""
        seed = self.simulation.settings.seed
        return (draws(seed, DRAW_NOISE, index) for index in range(PATCHES // BATCH))

    def _possible(self, shot: float, read: float) -> PhotonNoise:
        noise = PhotonNoise(max(shot, 0.0), max(read, LEAST))
        given = self.simulation.settings.noise_sigma
        return noise if given == "learn" else noise.scaled(max(float(given), 1e-6) ** 2 / noise.sigma(self.level) ** 2)


def listening_filter(spectrum: Tensor, noise_sigma: float) -> Tensor:
    """1 x 1 x FILTER x FILTER, of squares that sum to one: at each frequency the share of noise in the degraded photos'
    power, cut to size, then second differences along rows and along columns, which know no gradient and no straight
    edge (Immerkaer 1996)."""
    power = torch.diagonal(spectrum.real, dim1=2, dim2=3).mean(dim=2)
    share = (noise_sigma**2 / power.clamp_min(1e-12)).clamp(max=1.0)
    size = FILTER - 2
    impulse = torch.fft.fftshift(torch.fft.ifft2(share).real)
    first = WINDOW // 2 - size // 2
    taper = torch.hann_window(size + 2, periodic=False)[1:-1]
    impulse = impulse[first : first + size, first : first + size] * taper[:, None] * taper
    second = torch.tensor([1.0, -2.0, 1.0])
    mask = (second[:, None] * second)[None, None]
    taps = conv2d(impulse[None, None], mask, padding=2)
    return taps / taps.square().sum().sqrt()


@dataclass(frozen=True, eq=False)
class Places:
    """What is heard at n places of patches: `energy`, the square of what the filter hears; `brightness`, that of the
    pixels whose noise it hears, in proportion; `around`, the brightness of surroundings that are much wider, so that
    noise does not choose the places; `rough`, the mean squared slope there, of coarse structure alone; `black`, the
    share of its pixels that are 0."""

    energy: Tensor
    brightness: Tensor
    around: Tensor
    rough: Tensor
    black: Tensor

    @classmethod
    def of(cls, patches: Tensor, taps: Tensor) -> Places:
        """Of patches B x C x S x S, all colours alike; none where it is nearly white."""
        each = patches.flatten(0, 1)[:, None]
        kept = blur_valid(each, taps[0])
        heard = blur_valid(each, taps[0].square())
        black = (each <= 0).float()
        maps = [kept.square(), heard, _around(each), _around(_slopes(each)), _around(black)]
        values = [_middle(found, kept.shape[-1])[..., ::SPACING, ::SPACING].flatten() for found in maps]
        return cls(*(value[values[2] < BRIGHTEST] for value in values))

    def measured(self, edges: Tensor) -> tuple[Tensor, Tensor]:
        """(brightness, variance of the noise) of each bin of brightness, float64; NaN where a bin has too few places,
        or is so dark that noise is cut off.

        Of the flattest places of the bin; by a quantile, which the few that are not flat hardly move.
        """
        place = torch.bucketize(self.around, edges)
        brightness = torch.full((len(edges) + 1,), torch.nan, dtype=torch.float64)
        variance = brightness.clone()
        for index in range(len(brightness)):
            inside = (place == index).nonzero()[:, 0]
            if len(inside) < FEWEST:
                continue
            rough = self.rough[inside]
            flat = inside[rough <= torch.quantile(rough, FLATTEST)]
            if float(self.black[flat].mean()) > BLACK:
                continue
            brightness[index] = float(self.brightness[flat].mean())
            variance[index] = float(torch.quantile(self.energy[flat], QUANTILE)) / OF_NORMAL
        return brightness, variance


def _line(x: Tensor, y: Tensor, uncertain: Tensor) -> tuple[float, float]:
    """(slope, offset) by least squares, values as uncertain as that.

    Summed exactly: the last digit of a linear algebra library depends on where its numbers lie in memory, and a run
    that went on would not learn the same noise as one that never stopped.
    """
    weights = uncertain**-2
    total = fsum(weights)
    centre, mean = fsum(weights * x) / total, fsum(weights * y) / total
    slope = fsum(weights * (x - centre) * (y - mean)) / fsum(weights * (x - centre) ** 2)
    return slope, mean - slope * centre


def _slopes(patches: Tensor) -> Tensor:
    """Squared gradient of patches B x 1 x S x S, of their coarse structure alone."""
    binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    smooth = (binomial[:, None] * binomial)[None, None]
    coarse = conv2d(conv2d(patches, smooth, padding=2), smooth, padding=2)
    down = coarse.diff(dim=2).square()[..., :-1]
    return down + coarse.diff(dim=3).square()[..., :-1, :]


def _around(values: Tensor) -> Tensor:
    return avg_pool2d(values, AROUND, stride=1)


def _middle(values: Tensor, size: int) -> Tensor:
    first = (values.shape[-1] - size) // 2
    return values[..., first : first + size, first : first + size]
