"""The data step of half-quadratic splitting: the photo x that fits y and is close to z,

    x = argmin |W^(1/2) (A x - y)|^2 + alpha |x - z|^2,    (A'WA + alpha) x = A'Wy + alpha z

(Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", TPAMI 2021, eq. 6a). y is what the camera
gave. W is 0 where the camera was clipped, and elsewhere the more the less noise a pixel has
(`restorer.pixel_weights`).

Where one kernel serves all of the photo x has y's size, lies on a torus on which y goes on around its edges, and is
found by a closed form in the Fourier domain. (With an x that reached beyond y by 2 k photos were the same inside, worse
along their edges, and a denoiser had twice the work on one of 256 px.) Where the camera was clipped, and light was at
least so bright, y is what A z has there if that is brighter: the step of an EM algorithm for censored pixels.

Else, with other weights or where kernels change over the field, x reaches twice as far beyond y as A looks, and is
found by conjugate gradients, a fixed number of them, preconditioned by the closed form of the mean kernel: never by one
kernel for each hard-cut tile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import pad

from ddm_gui.engine.blur.degradation import blur_adjoint, blur_valid
from ddm_gui.engine.blur.field_blur import Window, blur_field, blur_field_adjoint

ITERATIONS = 12  # of conjugate gradients; with 5 of them tiles show by 7 of 255 in places


class DataStep(ABC):
    """Of one photo y, 1 x C x H x W: x is 1 x C x (H + 2 reach) x (W + 2 reach), y's place in its middle."""

    reach: int

    @abstractmethod
    def start(self) -> Tensor:
        """y with its surroundings: what x starts from."""

    @abstractmethod
    def solve(self, z: Tensor, alpha: float) -> Tensor:
        """x for a given z and the weight alpha > 0."""

    def inside(self, x: Tensor) -> Tensor:
        """The part of x that lies under y."""
        return x[..., self.reach : x.shape[-2] - self.reach, self.reach : x.shape[-1] - self.reach]


def data_step(
    degraded: Tensor, kernels: Tensor, weights: Tensor | None = None, window: Window | None = None
) -> DataStep:
    """The data step of a photo.

    Args:
        degraded: y, 1 x C x H x W.
        kernels: R x S x C' x k x k, C' being 1 or C.
        weights: W, 1 x C x H x W, >= 0; None: all are 1.
        window: which part of a photo y is, where kernels change over its field; None: all of it.
    """
    seen_or_not = weights is None or bool(((weights == 0) | (weights == 1)).all())
    if kernels.shape[:2] == (1, 1) and seen_or_not:
        return ClosedForm(degraded, kernels[0, 0], weights)
    weights = torch.ones_like(degraded) if weights is None else weights
    return ConjugateGradients(degraded, kernels, weights, window)


class ClosedForm(DataStep):
    """One kernel, in the Fourier domain: conj(H) Y + alpha Z over |H|^2 + alpha."""

    def __init__(self, degraded: Tensor, kernel: Tensor, seen: Tensor | None) -> None:
        """kernel: C' x k x k; seen: 1 x C x H x W, 0 where the camera was clipped, else 1; None: 1 everywhere."""
        self.reach = 0
        self.degraded, self.seen = degraded, seen
        around = 2 * kernel.shape[-1]
        self.surrounded = surrounded(degraded, around)
        self.grid = self.surrounded.shape[-2], self.surrounded.shape[-1]
        self.rows, self.cols = (slice(around, around + length) for length in degraded.shape[-2:])
        self.transfer = transfer(kernel, self.grid)
        self.power = self.transfer.abs().square()
        self.known: Tensor = torch.fft.rfft2(self.surrounded)

    def start(self) -> Tensor:
        return self.degraded

    def solve(self, z: Tensor, alpha: float) -> Tensor:
        # Beyond z the torus goes on as y's surroundings do.
        whole = self.surrounded.clone()
        whole[..., self.rows, self.cols] = z
        before = torch.fft.rfft2(whole)
        found = (self.transfer.conj() * self._completed(before) + alpha * before) / (self.power + alpha)
        x: Tensor = self._cropped(torch.fft.irfft2(found, s=self.grid))
        return x

    def _completed(self, z: Tensor) -> Tensor:
        """The spectrum of y, brighter where it was clipped and A z is; z by its spectrum."""
        if self.seen is None:
            return self.known
        blurred = self._cropped(torch.fft.irfft2(self.transfer * z, s=self.grid))
        brighter = self.degraded.maximum(blurred)
        whole = self.surrounded.clone()
        self._cropped(whole).copy_(torch.where(self.seen > 0, self.degraded, brighter))
        spectrum: Tensor = torch.fft.rfft2(whole)
        return spectrum

    def _cropped(self, whole: Tensor) -> Tensor:
        """As much of the torus as x covers."""
        return whole[..., self.rows, self.cols]


class ConjugateGradients(DataStep):
    """Kernels over the field, or weights: the exact interpolated operator, preconditioned conjugate gradients."""

    def __init__(
        self,
        degraded: Tensor,
        kernels: Tensor,
        weights: Tensor,
        window: Window | None = None,
        iterations: int = ITERATIONS,
    ) -> None:
        size = kernels.shape[-1]
        # A looks size // 2 px beyond y. With no more a denoiser sees the end of x: tiles differ by 2.6, not .8, of 255.
        self.reach = size
        self.kernels, self.weights, self.window, self.iterations = kernels, weights, window, iterations
        self.before, self.after = size - 1 - size // 2, size // 2
        self.degraded = degraded
        self.known = self._adjoint(weights * degraded)
        self.grid = tuple(next_fast_len(length + 2 * size, real=True) for length in degraded.shape[-2:])
        mean = kernels.mean(dim=(0, 1))
        self.power = transfer(mean, self.grid).abs().square().to(degraded.device) * float(weights.mean())

    def start(self) -> Tensor:
        return pad(self.degraded, (self.reach,) * 4, mode="replicate")

    def solve(self, z: Tensor, alpha: float) -> Tensor:
        x = z
        missing = self.known + alpha * z - self._normal(x, alpha)
        search = prepared = self._preconditioned(missing, alpha)
        energy = (missing * prepared).sum()
        for _ in range(self.iterations):
            change = self._normal(search, alpha)
            step = energy / (search * change).sum().clamp_min(1e-30)
            x, missing = x + step * search, missing - step * change
            prepared = self._preconditioned(missing, alpha)
            before, energy = energy, (missing * prepared).sum()
            search = prepared + energy / before.clamp_min(1e-30) * search
        return x

    def _normal(self, x: Tensor, alpha: float) -> Tensor:
        """(A'WA + alpha) x."""
        return self._adjoint(self.weights * self._blurred(x)) + alpha * x

    def _blurred(self, x: Tensor) -> Tensor:
        """A x, of the part of x on which y depends."""
        first, last = self.reach - self.before, self.reach - self.after
        part = x[..., first : x.shape[-2] - last, first : x.shape[-1] - last]
        return blur_valid(part, self.kernels[0, 0]) if self._single() else blur_field(part, self.kernels, self.window)

    def _adjoint(self, y: Tensor) -> Tensor:
        """A' y, with zeros where y does not depend on x."""
        spread = (
            blur_adjoint(y, self.kernels[0, 0]) if self._single() else blur_field_adjoint(y, self.kernels, self.window)
        )
        first, last = self.reach - self.before, self.reach - self.after
        return pad(spread, (first, last, first, last))

    def _single(self) -> bool:
        return self.kernels.shape[:2] == (1, 1)

    def _preconditioned(self, x: Tensor, alpha: float) -> Tensor:
        """The mean kernel's closed form without weights, on a torus."""
        height, width = x.shape[-2:]
        found = torch.fft.rfft2(x, s=self.grid) / (self.power + alpha)
        prepared: Tensor = torch.fft.irfft2(found, s=self.grid)[..., :height, :width]
        return prepared


def transfer(kernel: Tensor, grid: tuple[int, int]) -> Tensor:
    """H of kernels ... x k x k on a torus of this size, their origin k//2 at pixel (0, 0); half the plane (rfft2)."""
    size = kernel.shape[-1]
    placed = kernel.new_zeros(*kernel.shape[:-2], *grid)
    placed[..., :size, :size] = kernel
    response: Tensor = torch.fft.rfft2(placed.roll((-(size // 2), -(size // 2)), dims=(-2, -1)))
    return response


def surrounded(degraded: Tensor, reach: int) -> Tensor:
    """y on a torus, 1 x C x at least (H + 4 reach) x (W + 4 reach), from pixel (reach, reach) on: its edges go on for
    `reach` px, then they fade into those of the other side, so that the torus has no seam."""
    for axis in (-2, -1):
        length = degraded.shape[axis]
        fade = next_fast_len(length + 4 * reach, real=True) - length - 2 * reach
        ramp = (torch.arange(1, fade + 1, device=degraded.device) / (fade + 1)).to(degraded)
        ramp = ramp[:, None] if axis == -2 else ramp
        last, first = degraded.narrow(axis, length - 1, 1), degraded.narrow(axis, 0, 1)
        shape = [-1, -1, -1, -1]
        shape[axis] = reach
        parts = [first.expand(shape), degraded, last.expand(shape), last + ramp * (first - last)]
        degraded = torch.cat(parts, dim=axis)
    return degraded
