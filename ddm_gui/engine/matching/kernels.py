"""What step 2 can learn: a kernel per colour, the photos' difference in contrast, the noise; and the priors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ddm_gui.engine.flow.spectrum import spectral_start
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.settings import SMALLEST_DEEP, Settings

FAINTEST = 1e-4  # of the brightest pixel: a softmax cannot start at 0
SMALLEST_SIGMA = 1e-4  # where the learned noise starts at the least
DEEP_CHANNELS = 64  # of a deep linear kernel's layers
LEAST_SHARE = 1e-3  # of photon noise, and of the other, in the variance: at nothing a logistic function cannot start
FITTING_STEPS, FITTED = 500, 1e-6  # of a deep linear kernel's start: at most so many, or until so little is missing


class KernelModel(nn.Module, ABC):
    """What step 2 learns: kernels, made of the parameters that a subclass says; gain and noise as logarithms; and where
    noise is Poisson-Gaussian the share of photon noise in its variance, as a logit.

    The gain, one per colour, is not part of the kernel: two sets of photos differ in contrast, and a kernel that had to
    sum to one would make up for it by its shape.
    """

    def __init__(self, size: int, gains: Tensor, noise: SimulatedNoise | float) -> None:
        """size: k, in pixels; gains: C, one per colour of the photos; noise: where it starts, a number where it is as
        strong everywhere."""
        super().__init__()
        self.size = size
        self.log_gain = nn.Parameter(gains.clamp_min(1e-3).log())
        begun = noise if isinstance(noise, SimulatedNoise) else SimulatedNoise(noise)
        self.log_sigma = nn.Parameter(torch.zeros(()))
        self.share_logit = nn.Parameter(torch.zeros(())) if begun.grows else None
        self.level = begun.level
        self.set_noise(begun)

    @abstractmethod
    def kernels(self) -> Tensor:
        """C' x k x k, or over the field N x C' x k x k; differentiable."""

    def shape(self) -> list[nn.Parameter]:
        """The parameters that the kernels are made of."""
        photometry = self.photometry()
        return [parameter for parameter in self.parameters() if all(parameter is not other for other in photometry)]

    def photometry(self) -> list[nn.Parameter]:
        """All other parameters."""
        return [self.log_gain, *self.noise_parameters()]

    def noise_parameters(self) -> list[nn.Parameter]:
        """What the noise is made of."""
        return [self.log_sigma] if self.share_logit is None else [self.log_sigma, self.share_logit]

    def set_noise(self, noise: SimulatedNoise) -> None:
        """Sets all that the noise is made of, in place."""
        with torch.no_grad():
            self.log_sigma.copy_(torch.as_tensor(noise.sigma).clamp_min(SMALLEST_SIGMA).log())
            if self.share_logit is not None:
                self.share_logit.copy_(torch.as_tensor(noise.share).clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit())

    def with_gain(self) -> Tensor:
        """(N x) C x k x k: what clean patches are convolved with."""
        return self.kernels() * self.log_gain.exp()[:, None, None]

    def sigma(self) -> Tensor:
        """Standard deviation of the noise; of Poisson-Gaussian noise its root mean square over the degraded photos."""
        return self.log_sigma.exp()

    def share(self) -> Tensor:
        """Of its variance what is photon noise."""
        return torch.zeros((), device=self.device) if self.share_logit is None else self.share_logit.sigmoid()

    def noise(self) -> SimulatedNoise:
        """What simulated patches are given."""
        return SimulatedNoise(self.sigma(), 0.0 if self.share_logit is None else self.share(), self.level)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return self.log_sigma.device


class SoftmaxKernels(KernelModel):
    """A softmax over pixels: non-negative and summing to one."""

    def __init__(self, kernels: Tensor, gains: Tensor, noise: SimulatedNoise | float) -> None:
        """kernels: (N x) C' x k x k (C' is 1 or C), gains: C, one per colour of the photos."""
        super().__init__(kernels.shape[-1], gains, noise)
        faintest = FAINTEST * kernels.amax(dim=(-2, -1), keepdim=True)
        self.logits = nn.Parameter(kernels.maximum(faintest).log())

    def kernels(self) -> Tensor:
        """(N x) C' x k x k, each summing to one."""
        return self.logits.flatten(-2).softmax(dim=-1).view_as(self.logits)


class NormalisedKernels(KernelModel):
    """Pixels over their sum, as published: they sum to one and may be negative, which the sparse prior holds down."""

    def __init__(self, kernels: Tensor, gains: Tensor, noise: SimulatedNoise | float) -> None:
        """As of SoftmaxKernels."""
        super().__init__(kernels.shape[-1], gains, noise)
        self.pixels = nn.Parameter(kernels.clone())

    def kernels(self) -> Tensor:
        """(N x) C' x k x k, each summing to one."""
        return self.pixels / self.pixels.sum(dim=(-2, -1), keepdim=True)


class DeepLinearKernels(KernelModel):
    """Per kernel a linear network of 64 channels without bias, collapsed by convolving its layers with each other.

    Layers are k - 8, 5, 5 and 1 px wide (7, 5, 5, 1 for 15 px, as published); the kernel's sum is free. The later
    layers start at random; given them the kernel is linear in the first one, which is set so that the whole is the
    start kernel, by least squares. Then all layers are given the same norm, which leaves the product as it is. (At 9 px
    the first layer has 64 numbers for 81 pixels, so a start is met in part only.)
    """

    def __init__(self, kernels: Tensor, gains: Tensor, noise: SimulatedNoise | float, seed: int) -> None:
        """As of SoftmaxKernels, k >= 9; `seed` is that of the random layers."""
        size = kernels.shape[-1]
        super().__init__(size, gains, noise)
        generator = torch.Generator().manual_seed(seed)
        shapes = [
            (1, DEEP_CHANNELS, size + 1 - SMALLEST_DEEP, size + 1 - SMALLEST_DEEP),
            (DEEP_CHANNELS, DEEP_CHANNELS, 5, 5),
            (DEEP_CHANNELS, DEEP_CHANNELS, 5, 5),
            (DEEP_CHANNELS, 1, 1, 1),
        ]
        self.grid = kernels.shape[:-2]
        self.networks = nn.ModuleList()  # of lists of layers
        for kernel in kernels.flatten(0, -3):
            layers = [
                torch.randn(shape, generator=generator) / math.prod(shape[:1] + shape[2:]) ** 0.5 for shape in shapes
            ]
            layers[0] = _first_layer(kernel, layers[1:])
            norms = [float(layer.norm()) for layer in layers]
            common = math.prod(norms) ** (1 / len(norms))
            scaled = (layer * (common / norm) for layer, norm in zip(layers, norms, strict=True))
            self.networks.append(nn.ParameterList(nn.Parameter(layer) for layer in scaled))

    def kernels(self) -> Tensor:
        """(N x) C' x k x k."""
        each = torch.cat([_convolved(list(layers.parameters()))[0] for layers in self.networks])
        return each.view(*self.grid, *each.shape[1:])


def _convolved(layers: Sequence[Tensor]) -> Tensor:
    """All layers (inputs x outputs x size x size) as one, by full convolutions: a transposed convolution is one."""
    result = layers[0]
    for layer in layers[1:]:
        result = conv_transpose2d(result, layer)
    return result


def _first_layer(kernel: Tensor, later: Sequence[Tensor]) -> Tensor:
    """The first layer, 1 x channels x size x size, with which the layers make a kernel k x k, of least norm.

    Least squares by conjugate gradients on the normal equations (CGLS), in double precision; the same each time.
    """
    rest = torch.eye(later[0].shape[0], dtype=torch.float64)[:, :, None, None]
    rest = _convolved([rest, *(layer.double() for layer in later)])  # channels x 1 x 9 x 9
    target = kernel.double()[None, None]
    first = torch.zeros(1, rest.shape[0], *(length + 1 - SMALLEST_DEEP for length in kernel.shape), dtype=torch.float64)
    missing = target
    gradient = conv2d(missing, rest)  # the adjoint of the convolution
    direction, energy = gradient, gradient.square().sum()
    for _ in range(FITTING_STEPS):
        if missing.norm() <= FITTED * target.norm():
            break
        change = conv_transpose2d(direction, rest)
        step = energy / change.square().sum()
        first, missing = first + step * direction, missing - step * change
        gradient = conv2d(missing, rest)
        before, energy = energy, gradient.square().sum()
        direction = gradient + energy / before * direction
    return first.float()


def build_kernels(settings: Settings, kernels: Tensor, gains: Tensor, noise: SimulatedNoise | float) -> KernelModel:
    """The parametrisation of the settings, started at kernels (N x) C' x k x k with gains C."""
    if settings.parametrisation == "normalised":
        return NormalisedKernels(kernels, gains, noise)
    if settings.parametrisation == "deep-linear":
        return DeepLinearKernels(kernels, gains, noise, settings.seed)
    return SoftmaxKernels(kernels, gains, noise)


def start_kernels(settings: Settings, degraded: Tensor, clean: Tensor, noise_sigma: float) -> tuple[Tensor, Tensor]:
    """Where step 2 starts (setting `start`): kernels C' x k x k and gains C, from the folders' periodograms.

    With one kernel for all colours the spectral start is that of the mean over colours.
    """
    kernels, gains = spectral_start(degraded, clean, noise_sigma, settings.kernel_size)
    if (settings.channels or kernels.shape[0]) < kernels.shape[0]:
        kernels = kernels.mean(dim=0, keepdim=True)
    return begun(settings, kernels), gains


def begun(settings: Settings, spectral: Tensor) -> Tensor:
    """The start that the setting `start` asks for where the spectra give kernels ... x k x k: these, flat or random
    ones of the same shape, each summing to one."""
    kernels = spectral
    if settings.start == "flat":
        kernels = torch.ones_like(spectral)
    elif settings.start == "random":
        kernels = torch.rand(spectral.shape, generator=torch.Generator().manual_seed(settings.seed))
    return kernels / kernels.sum(dim=(-2, -1), keepdim=True)


def _coordinates(size: int, device: torch.device) -> Tensor:
    """Pixels from the origin k//2."""
    return torch.arange(size, device=device) - size // 2


# Priors, as published, on kernels (N x) C' x k x k as a parametrisation gives them; over the field means over nodes.


def centre_prior(kernels: Tensor) -> Tensor:
    """Squared distance in px of the centroid of all channels together from k//2.

    Per channel it would erase lateral colour. At each node by itself: nothing in patches tells how far content is moved
    there, and neighbours that drifted apart would blend to a double picture between them.
    """
    axis = _coordinates(kernels.shape[-1], kernels.device)
    mean = kernels.mean(dim=-3)
    down, right = (mean.sum(dim=-1) * axis).sum(dim=-1), (mean.sum(dim=-2) * axis).sum(dim=-1)
    return ((down.square() + right.square()) / mean.sum(dim=(-2, -1)).square()).mean()


def sparse_prior(kernels: Tensor) -> Tensor:
    """Mean absolute value. Of kernels that sum to one it weighs negative pixels only; without them it is constant."""
    return kernels.abs().mean()


def gaussian_prior(kernels: Tensor) -> Tensor:
    """Mean of value times squared distance from the channel's own centroid, coordinates from -1 to 1."""
    axis = torch.linspace(-1, 1, kernels.shape[-1], device=kernels.device)
    total = kernels.sum(dim=(-2, -1))
    down = (kernels.sum(dim=-1) * axis).sum(dim=-1) / total
    right = (kernels.sum(dim=-2) * axis).sum(dim=-1) / total
    rows, cols = axis - down[..., None], axis - right[..., None]
    return (kernels * (rows.square()[..., :, None] + cols.square()[..., None, :])).mean()


def sum_prior(kernels: Tensor) -> Tensor:
    """|sum - 1|, mean over channels."""
    return (kernels.sum(dim=(-2, -1)) - 1).abs().mean()


def smooth_prior(kernels: Tensor, rows: int, cols: int) -> Tensor:
    """How much neighbouring nodes of a grid differ: sum over pixels of the squared difference, mean over pairs and
    channels. kernels: (rows cols) x C' x k x k, of more than one node."""
    grid = kernels.view(rows, cols, *kernels.shape[1:])
    pairs = [grid.diff(dim=axis).flatten(0, -3) for axis in (0, 1)]
    return torch.cat(pairs).square().sum(dim=(-2, -1)).mean()


PRIORS: dict[str, Callable[[Tensor], Tensor]] = {
    "centre_weight": centre_prior,
    "sparse_weight": sparse_prior,
    "gaussian_weight": gaussian_prior,
    "sum_weight": sum_prior,
}


def weighted_priors(settings: Settings, kernels: Tensor) -> Tensor:
    """The sum of all priors, each times the setting of its name."""
    total = torch.zeros((), device=kernels.device)
    for name, prior in PRIORS.items():
        weight = getattr(settings, name)
        if weight > 0:
            total = total + weight * prior(kernels)
    if settings.smooth_weight > 0 and settings.over_field:
        total = total + settings.smooth_weight * smooth_prior(kernels, settings.rows, settings.cols)
    return total


def outskirts(size: int, device: torch.device) -> Tensor:
    """Squared distance from k//2 in units of (k/2)^2, k x k: what a flat start is pushed by at first.

    Without it a flat kernel splits into copies of the right one in its corners: a patch cannot see how far apart.
    """
    squared = (_coordinates(size, device) / (size / 2)).square()
    return squared[:, None] + squared
