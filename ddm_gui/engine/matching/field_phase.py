"""The phase of the transfer function over the field, found from the clean side by one network.

`phase` filters simulated patches and asks how likely they are among degraded ones. Here it is the other way round:
degraded patches are filtered by the all-pass filter that undoes the phases found so far, and the network of simulated
patches, whose kernels have phase zero everywhere, says in which direction they become more likely. Both descend a KL
divergence along all-pass directions, on which entropy does not depend; both are at rest where the phases are right.
Over the field this side is better. Clean patches are blurred by the kernel of a random place, so what that network
learns of a place is the blur and nothing else; one of degraded patches also learns what ten photos happen to show
there. And it need not follow: the simulated patches stay as they are while the phases turn. For the same reason the
curvature can be measured: by how much the gradient answers to phases that are known.

Most of a lens is round (`Field.round_functions`, of odd order): there are three numbers for each ring of frequencies.
What is not round, a polynomial of the position at each frequency, is allowed to be small. On a simulated lens (ten
photos) the grid's NCC in luminance went from .87 to .97 in 50 updates of a first version; without the round part to .92
in 800.

Nothing in a patch tells where a kernel lies. So no phases are kept that only move it (`in_place`). Held in place by
their centroids alone, kernels moved all the same, with a faint tail in the other direction to make up for it: by 1.2 px
in the corners of DECam's field, which was .30 of .33 rad of all that was found. Being one number, that motion agrees or
disagrees between halves of the photos by chance.

Each half of the photos is turned by itself, and of the mean counts what is the lens (`field_agreement`): one gradient
follows what few photos show. On the simulated lens halves end at .89 and .97, their mean at .965 from a start of .836;
DECam's kernels, which are nearly symmetric, at .88 and .93 from a start of .986.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.phase import LARGEST_TURN, NOISE_MEMORY, confined, placed_spectrum

DEGREE = 3  # of the functions of the position
UNKNOWN = 1.0  # rad: how far a round part may be from the truth at the start, standard deviation
UNKNOWN_REST = {True: 0.03, False: 0.15}  # rad: what is not round, of each number, where magnitudes are round or not
REACH = 9.0  # px: of the phases' series over frequency, standard deviation of a Gaussian window
LEAST_CURVATURE = 1e-5
CONTEXT = 12  # px around a patch that the undoing filter draws upon
ANGLES = 48  # at which the round functions are made orthogonal
PLACES = 21  # along each side of the field, at which they are written as polynomials
RINGS = 5  # over which what is known of the round part is averaged
TRIED = 0.4  # rad: standard deviation of known phases, by which the curvature is measured
TRIED_REACH = 4.0  # px


def undone(whitened: Tensor, kernels: Tensor) -> Tensor:
    """Patches B x 1 x n x n without the phases of their kernels, B x k x k; less CONTEXT px at each edge."""
    return turned_patches(whitened, -placed_spectrum(kernels, whitened.shape[-1]).angle())


def turned_patches(whitened: Tensor, phases: Tensor) -> Tensor:
    """Patches B x 1 x n x n with their phases turned (... x n x n, rad), less CONTEXT px at each edge."""
    turned: Tensor = torch.fft.ifft2(torch.fft.fft2(whitened[:, 0]) * torch.exp(1j * phases)).real
    return turned[:, None, CONTEXT:-CONTEXT, CONTEXT:-CONTEXT]


def known_taps(taps: int, generator: torch.Generator) -> Tensor:
    """Odd taps x taps whose spectrum is i times random phases of TRIED rad, smooth over frequency."""
    axis = torch.arange(taps) - taps // 2
    window = torch.exp(-0.5 * (torch.hypot(axis[:, None].float(), axis.float()) / TRIED_REACH).square())
    drawn = window * torch.randn(taps, taps, generator=generator)
    odd = drawn - drawn.flip(0, 1)
    scaled: Tensor = odd * (TRIED / odd.norm())  # by Parseval's identity the mean square of its spectrum
    return scaled


class FieldPhaseDescent:
    """The phases at the nodes of a grid, and the kernels that they make with given magnitudes.

    Each number's step is Kalman's, as in `phase.PhaseDescent`; numbers belong to rings of frequencies (M for each), or,
    in what is not round, to frequencies (J for each).
    """

    def __init__(self, field: Field, log_power: Tensor, size: int, is_round: bool) -> None:
        """log_power: log|H|^2 at the N nodes, N x F x F; size: k; is_round: whether that is a round lens's."""
        device = log_power.device
        self.field, self.size = field, size
        self.magnitude = (0.5 * log_power).exp()
        frequency = torch.fft.fftfreq(WINDOW, device=device)
        row, col = torch.meshgrid(frequency, frequency, indexing="ij")
        radius = torch.hypot(row, col)
        self.ring = (radius * WINDOW).round().long()
        self.members = torch.bincount(self.ring.flatten())
        self.window = torch.exp(-0.5 * (radius * WINDOW / REACH).square())
        angles = torch.atan2(row, col)
        self.basis = field.polynomials(field.nodes, DEGREE).to(device)
        self.written = torch.linalg.pinv(self.basis)  # what is at the nodes, in polynomials
        self.round = (
            _as_polynomials(field, angles.cpu().flatten()).to(device).view(-1, self.basis.shape[1], *radius.shape)
        )
        count, rings = len(self.round), len(self.members)
        self.strength = self._by_ring(self.round.square().sum(dim=1))  # of the curvature that meets a round number
        rest = field.told_apart(DEGREE).to(device)[:, None, None] * UNKNOWN_REST[is_round] ** 2
        self.state = {
            "phases": torch.zeros_like(log_power),
            "answers": torch.zeros(2, rings, device=device),
            "variance_round": torch.full((count, rings), UNKNOWN**2, device=device),
            "noise_round": torch.zeros(count, rings, device=device),
            "variance": rest.expand(-1, *radius.shape).clone(),
            "noise": torch.zeros(self.basis.shape[1], rings, device=device),
            "updates": torch.zeros((), device=device),
        }
        self.kernels = self._made()

    @property
    def phases(self) -> Tensor:
        """Found so far, N x F x F, rad."""
        return self.state["phases"]

    @torch.no_grad()
    def learn_curvature(self, gradient: Tensor, taps: Tensor) -> None:
        """How the gradient (taps x taps) answers to phases that were put into simulated patches (`known_taps`)."""
        answer, known = (placed_spectrum(each, WINDOW).imag for each in (gradient, taps))
        sums = torch.stack([answer * known, known.square()])
        self.state["answers"] = self.state["answers"] + self._by_ring(sums)

    @torch.no_grad()
    def move(self, gradients: Tensor, positions: Tensor) -> None:
        """One step, by the gradients of patches at positions B x 2 for the taps of a filter behind them, B x taps x
        taps (`phase.all_pass_gradients`)."""
        steps = self._steps(self.by_place(gradients, positions))
        smooth = torch.fft.fft2(torch.fft.ifft2(steps) * self.window).real
        turn = torch.einsum("nj,jhw->nhw", self.basis, smooth).clamp(-LARGEST_TURN, LARGEST_TURN)
        self.state["phases"] = in_place(self.state["phases"] + turn, self.magnitude)
        self.kernels = self._made()

    def by_place(self, gradients: Tensor, positions: Tensor) -> Tensor:
        """The gradient of each polynomial at each frequency, J x F x F.

        What the filter of degraded patches must turn, the kernel must turn the other way.
        """
        each = torch.einsum("bj,bhw->jhw", self.field.polynomials(positions, DEGREE), gradients)
        return -placed_spectrum(each, WINDOW).imag

    def _curvature(self) -> Tensor:
        """As it was measured, at each ring."""
        answers = self.state["answers"]
        return (answers[0] / answers[1].clamp_min(1e-12)).clamp_min(LEAST_CURVATURE)

    def _steps(self, gradient: Tensor) -> Tensor:
        """Kalman's step of each polynomial at each frequency, J x F x F, and what is known afterwards."""
        state, curvature = self.state, self._curvature()
        updates = state["updates"] + 1
        share = torch.maximum(1 / updates, torch.full_like(updates, NOISE_MEMORY))
        found = self._by_ring((self.round * gradient).sum(dim=1))
        noise_round = state["noise_round"].lerp(found.square(), share)
        step_round, variance_round = _kalman(
            found, state["variance_round"], curvature * self.strength, _around(noise_round)
        )
        noise = state["noise"].lerp(self._by_ring(gradient.square()) / self.members, share)
        step, variance = _kalman(gradient, state["variance"], curvature[self.ring], noise[:, self.ring])
        self.state = {
            **state,
            "variance_round": variance_round,
            "noise_round": noise_round,
            "variance": variance,
            "noise": noise,
            "updates": updates,
        }
        return step + torch.einsum("mjhw,mhw->jhw", self.round, step_round[:, self.ring])

    def _by_ring(self, values: Tensor) -> Tensor:
        """Sums over the frequencies of each ring: K x F x F -> K x rings."""
        sums = torch.zeros(len(values), len(self.members), device=values.device)
        return sums.index_add(1, self.ring.flatten(), values.flatten(1))

    def _made(self) -> Tensor:
        return self.with_phases(self.state["phases"])

    @torch.no_grad()
    def slope(self, gradient: Tensor, phases: Tensor) -> Tensor:
        """How fast the loss falls by a gradient of `by_place`, from phase zero towards phases N x F x F."""
        return -(gradient * torch.einsum("jn,nhw->jhw", self.written, phases)).sum()

    def with_phases(self, phases: Tensor) -> Tensor:
        """The kernels N x k x k of these magnitudes and other phases, N x F x F."""
        return confined(self.magnitude * torch.exp(1j * phases), self.size)

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return dict(self.state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        # Copies: where a file's tensor happens to lie in memory, a Fourier transform may end in other bits.
        self.state = {name: tensors[name].to(value.device).clone() for name, value in self.state.items()}
        self.kernels = self._made()


def _around(values: Tensor) -> Tensor:
    """K x rings: means over RINGS rings."""
    return avg_pool1d(values[None], RINGS, 1, RINGS // 2, count_include_pad=False)[0]


def _kalman(gradient: Tensor, variance: Tensor, curvature: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The step down a gradient, and what variance is left."""
    gain = variance * curvature / (curvature.square() * variance + noise + 1e-9)
    return (-gain * gradient).clamp(-LARGEST_TURN, LARGEST_TURN), variance * (1 - gain * curvature)


def _as_polynomials(field: Field, angles: Tensor) -> Tensor:
    """The round functions of odd order at directions `angles` (A) in the field's polynomials, M x J x A; over
    polynomials and directions they are orthogonal, of mean square one."""
    steps = torch.linspace(0, 1, PLACES, dtype=torch.float64)
    places = torch.cartesian_prod(steps, steps)
    basis = field.polynomials(places, DEGREE)

    def written(at: Tensor) -> Tensor:
        values = field.round_functions(places, at, DEGREE, odd=True).permute(1, 0, 2)
        solution: Tensor = torch.linalg.lstsq(basis.expand(len(values), -1, -1), values).solution
        return solution

    around = written(torch.arange(ANGLES, dtype=torch.float64) * (2 * torch.pi / ANGLES))
    _, triangle = torch.linalg.qr(around.flatten(1).T)
    mixing = torch.linalg.inv(triangle) * ANGLES**0.5
    return torch.einsum("mk,mja->kja", mixing, written(angles)).float()


@torch.no_grad()
def in_place(phases: Tensor, magnitude: Tensor) -> Tensor:
    """Phases N x F x F, rad, less what only moves each kernel: the ramp over frequency that is nearest to them, each
    frequency weighed by its power. A kernel then lies where it overlaps most with the one of phase zero."""
    frequency = torch.fft.fftfreq(phases.shape[-1], device=phases.device)
    axes = torch.stack(torch.meshgrid(frequency, frequency, indexing="ij")).flatten(1)
    power = magnitude.square().flatten(1)
    normal = torch.einsum("if,nf,jf->nij", axes, power, axes)
    slopes = torch.linalg.solve(normal, torch.einsum("if,nf,nf->ni", axes, power, phases.flatten(1)))
    still: Tensor = phases - (slopes @ axes).view_as(phases)
    return still


@torch.no_grad()
def recentred(kernels: Tensor) -> Tensor:
    """Kernels N x k x k, each with its centroid at k//2: where a lens is taken to put it.

    (Without its faintest light, .5 % of the peak, the grid's NCC is .964 in place of .968: the tail decides where a
    kernel lies.)
    """
    axis = torch.arange(kernels.shape[-1], device=kernels.device) - kernels.shape[-1] // 2
    down, right = ((kernels.sum(dim=across) * axis).sum(dim=-1)[:, None, None] for across in (-1, -2))
    frequency = torch.fft.fftfreq(WINDOW, device=kernels.device)
    ramp = 2 * torch.pi * (frequency[:, None] * down + frequency[None, :] * right)
    return confined(placed_spectrum(kernels, WINDOW) * torch.exp(1j * ramp), kernels.shape[-1], pedestal=0.0)
