"""Step 3 with a Wiener filter: fast, linear, non-blind. numpy and scipy only; the same on every machine.

The filter has a stated finite length, is designed once per kernel and photo from the noise and the spectrum that are
measured in that photo, and is applied by overlap-save: a photo done tile by tile equals the photo done whole. Where the
kernel changes over the field there is a filter for each node of the grid, and what they make is blended bilinearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import minimum_filter
from scipy.signal.windows import tukey

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.restore.field_filter import cores, gathered
from ddm_gui.engine.restore.measurements import (
    SignalSpectrum,
    measured_spectrum,
    passed_power,
)
from ddm_gui.engine.restore.plan import TILE, Plan
from ddm_gui.engine.restore.restorer import Blurred, Known, Restorer, Steps
from ddm_gui.engine.restore.restorer import Pixels as Channels

Array = NDArray[np.float64]
Pixels = NDArray[np.floating[Any]]

LENGTH = 4  # the filter is LENGTH * k + 1 px wide and high: twice the kernel to each side
ROUNDS = 16  # of completing what was clipped
PART = 128  # px: tiles in which that is done: most photos are clipped in few places
BLOCK = 16  # px: how finely large clipped areas are told from their rims
TAPER = 0.5  # share of the filter's width over which its window falls to zero


@dataclass(frozen=True)
class Wiener(Restorer):
    """Quick and linear: the same on every machine. Noise that grows with light counts by its mean."""

    name: ClassVar[str] = "wiener"
    title: ClassVar[str] = "Wiener"
    weighs_pixels: ClassVar[bool] = False
    # A photo is read, measured and written by one core alone, a third of its time: the others have a second photo then.
    photos_at_once: ClassVar[int] = 2
    citation: ClassVar[str] = "Wiener, 'Extrapolation, interpolation, and smoothing of stationary time series', 1949"

    def restoring(self, blurred: Blurred, plan: Plan) -> Steps[Channels]:
        photo, psf, weights = blurred.photo, blurred.psf, blurred.weights
        restored = np.empty_like(photo.pixels)
        for channel, noise in enumerate(blurred.noises):
            yield channel / len(blurred.noises)
            kernels = psf.kernels[:, :, channel if psf.channels > 1 else 0]
            seen = photo.pixels[..., channel]
            spectrum = measured_spectrum(seen, passed_power(kernels), noise)
            known = None if weights is None else weights[..., channel] > 0
            if known is not None and not known.all():
                again = WienerFilter.design(kernels, noise, spectrum, psf.kernel_error, blurred_again=True)
                seen = completed(seen, known, again, plan)
            wiener = WienerFilter.design(kernels, noise, spectrum, psf.kernel_error)
            restored[..., channel] = gathered(seen, wiener.taps, plan.tile, plan.at_once)
        return restored

    def usual_plan(self, device: str) -> Plan:
        return Plan(TILE, cores(), "cpu")

    def halo(self, psf: PsfGrid) -> int:
        return LENGTH * psf.size // 2

    def bytes_of_tiles(self, psf: PsfGrid, channels: int, plan: Plan) -> float:
        # One channel at a time; the transforms of two rows of filters, and six arrays for each tile in work.
        side = plan.tile + 2 * self.halo(psf)
        return (
            4.0 * side**2 * (2 * psf.nodes[1] + 6 * plan.at_once)
            + 8.0 * psf.nodes[0] * psf.nodes[1] * (4 * psf.size + 1) ** 2
        )


@dataclass(frozen=True, eq=False)
class WienerFilter:
    """Finite filters over the field: `taps` is R x S x F x F float64, F odd, origin in the middle.

    Each has the gain 1 at frequency 0, and the weights by which they are blended sum to one, so brightness and colour
    stay whatever the nodes are.
    """

    taps: Array

    @classmethod
    def design(
        cls,
        kernels: Pixels,
        noise_sigma: float,
        spectrum: SignalSpectrum,
        kernel_error: float = 0.0,
        blurred_again: bool = False,
    ) -> WienerFilter:
        """For each node conj(H) / (|H|^2 + e^2 + noise_sigma^2 / S), windowed to LENGTH k + 1 taps.

        e^2, the kernel's own error, acts as noise in proportion to the signal: detail that a wrong kernel would
        sharpen wrongly is left alone. By Parseval's identity its mean over frequencies is `kernel_error`.

        Args:
            kernels: R x S x k x k, one for each node of the grid (1 x 1: for the whole photo), each summing to one.
            noise_sigma: of the photo, in the range of 1, > 0.
            spectrum: S of the sharp photo.
            kernel_error: sum over pixels of the squared difference from the true kernel.
            blurred_again: the same, and then the blur: |H|^2 in place of conj(H).
        """
        k = kernels.shape[-1]
        size = LENGTH * k + 1
        grid = int(fft.next_fast_len(2 * size, real=True))  # twice the filter: its far ends do not fold onto another
        half = grid // 2 + 1  # of the plane: all is real
        floor = kernel_error + noise_sigma**2 / spectrum.on(grid, grid)[:, :half]
        window = tukey(size + 2, TAPER)[1:-1]
        # A kernel's origin lies at k//2, so that of what takes its blur away at -k//2 on the torus.
        around = (np.arange(size) - size // 2 - (0 if blurred_again else k // 2)) % grid
        taps = np.empty((*kernels.shape[:2], size, size))
        for row, nodes in enumerate(kernels.astype(np.float64)):
            # Most rows are zeros before, and not needed afterwards: they are left out of the transforms along rows.
            lines = fft.rfft(nodes, n=grid, axis=2, workers=-1)
            response = fft.fft(lines, n=grid, axis=1, workers=-1)
            power = np.square(response.real) + np.square(response.imag)
            # A shift: there is no blur to take away, so noise is not touched either.
            shift = np.abs(power - 1.0).max(axis=(1, 2), keepdims=True) < 1e-5
            gain = (power if blurred_again else response.conj()) / np.where(shift, 1.0, power + floor)
            columns = fft.ifft(gain, axis=1, overwrite_x=True, workers=-1)[:, around]
            cut = fft.irfft(columns, n=grid, axis=2, workers=-1)[..., around] * np.outer(window, window)
            taps[row] = cut if blurred_again else cut / cut.sum(axis=(1, 2), keepdims=True)
        return cls(taps)

    def apply(self, pixels: Pixels, tile: int = TILE) -> NDArray[np.float32]:
        """The filters run over one channel H x W, in tiles of `tile` px: same size, not clipped.

        Each pixel is the mean of what the nodes around it make of it, by their bilinear weights.
        """
        return gathered(pixels, self.taps, tile)


def completed(pixels: Pixels, known: Known, again: WienerFilter, plan: Plan) -> Channels:
    """One channel as the camera would have given it, had it not been clipped at white.

    Where it was clipped light was at least so bright: there it is what the restored photo is blurred to, if that is
    brighter, and the restored photo follows from it, in turns: an EM algorithm for censored pixels (Dempster, Laird and
    Rubin 1977). Each turn is a gradient step of length 1 on the likelihood of the whole, under the bound; so it is
    carried on by momentum (Beck and Teboulle 2009), which takes 16 turns where 60 were needed.

    Args:
        pixels: H x W.
        known: H x W, false where it was clipped.
        again: the filters that restore and blur again.
    """
    clipped = _rim(~known, again.taps.shape[-1] // LENGTH)
    found, white = pixels.copy(), pixels[clipped]
    before = light = white
    for done in range(ROUNDS):
        found[clipped] = light + done / (done + 3) * (light - before)
        blurred = gathered(found, again.taps, PART, plan.at_once, clipped)[clipped]
        before, light = light, np.maximum(white, blurred)
    found[clipped] = light
    return found


def _rim(clipped: Known, width: int) -> Known:
    """Of clipped pixels H x W those with a known one within `width` px (or a few more): what lies deeper in a white sky
    has hardly a say in what is seen, and would take most of the time."""
    height, across = (-(-length // BLOCK) * BLOCK for length in clipped.shape)
    around = np.ones((height, across), dtype=bool)
    around[: clipped.shape[0], : clipped.shape[1]] = clipped
    blocks = around.reshape(height // BLOCK, BLOCK, across // BLOCK, BLOCK).all(axis=(1, 3))
    deep = minimum_filter(blocks, 2 * -(-width // BLOCK) + 1, mode="nearest")
    rim: Known = clipped & ~np.repeat(np.repeat(deep, BLOCK, axis=0), BLOCK, axis=1)[: len(clipped), : clipped.shape[1]]
    return rim
