"""The phase of the transfer function: what makes an asymmetric blur asymmetric, found by step 1's network alone.

An all-pass filter A has |A(f)| = 1 at every frequency. It moves light about without changing a power spectrum, so it is
just what second-order statistics cannot see. Its Jacobian has determinant one, and white noise stays white noise behind
it. So with y_1 = A y simulated, the entropy of y_t = (1 - t) y_0 + t y_1 does not depend on A, and the KL divergence

    KL(p_t simulated | p_t degraded) = -entropy - E log p_t degraded(y_t)

changes by its second term only: along all-pass directions the term v_aux of eq. 5 is zero on average. What is left,
-t v_degraded, needs no auxiliary network that would have to catch up, and can be followed at every update. The best
linear velocity of white data, which knows second-order statistics only, is subtracted: it changes no mean, and takes
noise away.

A difference between two sets of photos hardly disturbs it: a set of photos prefers no direction over its opposite, so
what sets them apart has no phase. With Kodak's photos blurred by coma and CBSD68's as clean ones, the gradient at the
true kernel was a quarter (low frequencies) to a half (middle ones) of that at the zero-phase kernel; with Kodak's own
photos as clean ones nothing to a third. (It must be taken for a filter behind the blur. Taken for the kernel itself,
whose k x k pixels hold no all-pass filter, it was as large at the truth as at the zero-phase start.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from ddm_gui.engine.blur.degradation import blur_valid
from ddm_gui.engine.flow.train import PathSample, Velocity
from ddm_gui.engine.flow.velocity import linear_velocity
from ddm_gui.engine.flow.whitening import unit_contrast
from ddm_gui.engine.matching.magnitude import MagnitudeMatch

TIMES = (0.3, 0.9)  # of the path: before, noise hides all; after, the network looks at the finest grain only
LARGEST_TAPS = 25  # px: width of the all-pass filter's tangent
CURVATURE = 0.1  # of the loss per radian squared, where no noise hides a frequency
UNKNOWN = 1.0  # rad: how far a phase may be from the truth at the start, standard deviation
LARGEST_TURN = 0.4  # rad, of one phase in one update
NOISE_MEMORY = 0.05  # weight of an update in the running estimate of the gradient's noise
PEDESTAL = 8e-4  # of the brightest pixel, taken off all pixels at each update
MAGNITUDE_RATE = 0.15  # share of a power's correction that is made at each update, of its logarithm
SETTLING_STEPS = 30  # after which the magnitude of a kernel with other phases is right to a hundredth


def taps_width(kernel_size: int) -> int:
    """Width of the tangent of the all-pass filters for a kernel of this size: odd, at most LARGEST_TAPS."""
    return min(kernel_size - 1 + kernel_size % 2, LARGEST_TAPS)


def all_pass_gradient(velocity: Velocity, whitened: Tensor, taps: int, generator: torch.Generator) -> Tensor:
    """Gradient of the IKL for the taps of an all-pass filter behind whitened patches, at the filter that does nothing.

    Args:
        velocity: of the degraded patches.
        whitened: B x 1 x (P + taps - 1) x (P + taps - 1), before contrast is normalised.
        taps: odd.

    Returns:
        taps x taps, antisymmetric: the tangent of all-pass filters is the odd filters.
    """
    return all_pass_gradients(velocity, whitened, taps, generator).sum(dim=0)


def all_pass_gradients(
    velocity: Velocity, whitened: Tensor, taps: int, generator: torch.Generator, places: Tensor | None = None
) -> Tensor:
    """What each patch adds to `all_pass_gradient`, B x taps x taps; `places` of its middle, B x 2 x P x P."""
    filters = torch.zeros(len(whitened), 1, taps, taps, device=whitened.device)
    filters[:, 0, taps // 2, taps // 2] = 1.0
    filters.requires_grad_(True)
    patches = unit_contrast(blur_valid(whitened, filters))
    sample = _middle_times(patches.detach(), generator, places)
    with torch.no_grad():
        linear, _ = linear_velocity(sample.t)
        difference = linear[:, None, None, None] * sample.y_t - sample.under(velocity)
    (gradient,) = torch.autograd.grad((sample.weight * difference * patches).mean(), filters)
    odd: Tensor = 0.5 * (gradient[:, 0] - gradient[:, 0].flip(1, 2))
    return odd


def _middle_times(data: Tensor, generator: torch.Generator, places: Tensor | None) -> PathSample:
    """A batch on the path, t uniform in TIMES, one draw in each of B equal strata."""
    count, (first, last) = data.shape[0], TIMES
    t = first + (last - first) * (torch.arange(count) + torch.rand(count, generator=generator)) / count
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    return PathSample.at(data, noise, t.to(data.device), places)


class PhaseDescent:
    """Turns the phases of the kernel down the gradient, and holds its magnitudes by the power spectra.

    Each frequency's step is Kalman's: the gradient of an update is curvature times error, plus noise
    that is measured; what is known of a phase grows with every update, and so its steps become smaller. The curvature
    goes with the square of the share of the signal in a frequency's power: that is how much of it whitening lets
    through.
    """

    def __init__(self, match: MagnitudeMatch) -> None:
        self.match = match
        self.curvature = CURVATURE * match.visible.square() + 1e-6
        self.size, device = match.visible.shape[0], match.visible.device
        frequency = torch.fft.fftfreq(self.size, device=device)
        self.row, self.col = frequency[:, None], frequency[None, :]
        self.ring = (torch.hypot(self.row, self.col) * self.size).round().long()
        self.members = torch.bincount(self.ring.flatten())
        self.state = self.beginning()

    def beginning(self, unknown: float = UNKNOWN) -> dict[str, Tensor]:
        """The state of a start whose phases are `unknown` rad from the truth, standard deviation."""
        visible = self.match.visible
        return {
            "variance": torch.full_like(visible, unknown**2),
            "noise": torch.zeros(self.members.shape, device=visible.device),
            "updates": torch.zeros((), device=visible.device),
        }

    @torch.no_grad()
    def move(self, kernel: Tensor, colours: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        """One step of the common kernel k x k (>= 0, its sum one); nats by which the gain must rise.

        `colours`, C x k x k with their gain, are what the spectra of simulated patches come from.
        """
        k = kernel.shape[-1]
        turn = self._turn(placed_spectrum(gradient, self.size).imag)
        # The centroid stays at k//2: nothing in a patch tells where a kernel lies.
        axis = torch.arange(k, device=kernel.device) - k // 2
        down, right = (kernel.sum(dim=1) * axis).sum(), (kernel.sum(dim=0) * axis).sum()
        return self._moved(kernel, colours, turn + 2 * torch.pi * (self.row * down + self.col * right))

    @torch.no_grad()
    def with_phases_of(self, kernel: Tensor, gains: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel k x k and gains C: its |H| with the phases of another one, then as the power spectra say."""
        phase = placed_spectrum(other, self.size).angle()
        moved = confined(placed_spectrum(kernel, self.size).abs() * torch.exp(1j * phase), kernel.shape[-1])
        for _ in range(SETTLING_STEPS):
            moved, gain = self._moved(moved, moved * gains[:, None, None], torch.zeros_like(phase))
            gains = gains * math.exp(gain)
        return moved, gains

    def _moved(self, kernel: Tensor, colours: Tensor, turn: Tensor) -> tuple[Tensor, float]:
        """Phases turned by `turn`, rad, N x N, and magnitudes a little towards what the power spectra say."""
        correction, gain = self.match.correction(colours)
        moved = placed_spectrum(kernel, self.size) * torch.exp(torch.complex(MAGNITUDE_RATE * correction, turn))
        return confined(moved, kernel.shape[-1]), gain

    def _turn(self, gradient: Tensor) -> Tensor:
        """Kalman's step of each phase, rad, N x N, and what is known afterwards."""
        state, curvature = self.state, self.curvature
        updates = state["updates"] + 1
        power = torch.zeros_like(state["noise"]).index_add(0, self.ring.flatten(), gradient.square().flatten())
        share = torch.maximum(1 / updates, torch.full_like(updates, NOISE_MEMORY))
        noise = state["noise"] + share * (power / self.members - state["noise"])
        variance = state["variance"]
        gain = variance * curvature / (curvature.square() * variance + noise[self.ring] + 1e-6)
        self.state = {"variance": variance * (1 - gain * curvature), "noise": noise, "updates": updates}
        return (-gain * gradient).clamp(-LARGEST_TURN, LARGEST_TURN)

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return dict(self.state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        self.state = {name: tensors[name].to(value.device) for name, value in self.state.items()}


def placed_spectrum(kernels: Tensor, size: int) -> Tensor:
    """... x k x k, origin at k//2 -> ... x size x size, origin at (0, 0)."""
    k = kernels.shape[-1]
    placed = pad(kernels, (0, size - k, 0, size - k)).roll((-(k // 2), -(k // 2)), dims=(-2, -1))
    result: Tensor = torch.fft.fft2(placed)
    return result


def confined(transfer: Tensor, k: int, pedestal: float = PEDESTAL) -> Tensor:
    """Spectra ... x N x N, origin at (0, 0) -> the nearest kernels ... x k x k, >= 0, their sums one."""
    picture = torch.fft.fftshift(torch.fft.ifft2(transfer).real, dim=(-2, -1))
    first = transfer.shape[-1] // 2 - k // 2
    kept = picture[..., first : first + k, first : first + k]
    kept = (kept - pedestal * kept.amax(dim=(-2, -1), keepdim=True)).clamp_min(0)
    result: Tensor = kept / kept.sum(dim=(-2, -1), keepdim=True)
    return result
