"""What tells the kernels of the colours apart: least at the truth, and it sees which way a colour is shifted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import WINDOW, noise_floor, periodogram
from ddm_gui.engine.matching.colour import MOST_SHARPENED, TIMES, ColourMatch, apart
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves

SIZE = 13
NOISE = torch.tensor(0.02)
APART = ((0.0, 1.0), (0.0, 0.0), (-0.5, -0.7))  # px (row, col) by which R, G and B lie beside the middle


def points(*places: tuple[float, float], width: float = 1.2, size: int = SIZE) -> Tensor:
    """A Gaussian per colour, its middle at (row, col) from k//2: C x k x k."""
    axis = torch.arange(size) - size // 2
    profiles = [[torch.exp(-0.5 * ((axis - place) / width).square()) for place in both] for both in places]
    kernels = torch.stack([rows[:, None] * cols for rows, cols in profiles])
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def centroids(kernels: Tensor) -> Tensor:
    """C x 2: (row, col) in px from k//2."""
    axis = (torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2).float()
    return torch.stack([kernels.sum(dim=2) @ axis, kernels.sum(dim=1) @ axis], dim=1)


def variances(kernels: Tensor) -> Tensor:
    """C x 2: by row and by column, in px^2."""
    axis = (torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2).float()
    squares = torch.stack([kernels.sum(dim=2) @ axis.square(), kernels.sum(dim=1) @ axis.square()], dim=1)
    return squares - centroids(kernels).square()


def photos(channels: int) -> Tensor:
    """The cross-spectrum of clean photos: falling as 1/f^2, colours much alike and in phase."""
    frequency = torch.fft.fftfreq(WINDOW)
    power = 1 / (frequency[:, None] ** 2 + frequency**2 + 0.03**2)
    colours = 0.3 * torch.eye(channels) + 0.7
    return (0.04 * power / power.mean())[..., None, None] * colours.to(torch.complex64)


def blurred(clean: Tensor, kernels: Tensor, noise: Tensor = NOISE) -> Tensor:
    """The cross-spectrum of photos after convolution, exactly."""
    transfer = torch.diag_embed(torch.fft.fft2(kernels, s=(WINDOW, WINDOW)).permute(1, 2, 0))
    return transfer @ clean @ transfer.mH + noise.square() * torch.eye(clean.shape[-1])


def a_match(truth: Tensor) -> ColourMatch:
    clean = photos(truth.shape[0])
    return ColourMatch(blurred(clean, truth), clean)


def gradient(match: ColourMatch, kernels: Tensor) -> Tensor:
    kernels = kernels.clone().requires_grad_()
    (found,) = torch.autograd.grad(match.loss(kernels, NOISE), kernels)
    return found


@pytest.mark.parametrize("places", [APART, APART[2:]], ids=["three colours", "one"])
def test_the_loss_is_least_at_the_truth(places: tuple[tuple[float, float], ...]) -> None:
    truth = points(*places)
    match = a_match(truth)
    least = float(match.loss(truth, NOISE))
    for other in (points(*places, width=1.1), points(*places, width=1.3), 0.95 * truth, 1.05 * truth):
        assert float(match.loss(other, NOISE)) > least + 1e-4
    for factor in (0.8, 1.25):
        assert float(match.loss(truth, factor * NOISE)) > least + 1e-4
    # The gradient vanishes there, on the scale of what it is a little beside.
    beside = gradient(match, points(*places, width=1.25)).abs().max()
    assert gradient(match, truth).abs().max() < 0.01 * beside


@pytest.mark.parametrize("places", [APART, APART[2:]], ids=["three colours", "one"])
def test_the_loss_is_the_kl_divergence_in_nats_per_value(places: tuple[tuple[float, float], ...]) -> None:
    """Against the closed form of two Gaussians, at each of all the frequencies, in double precision."""
    truth, other = points(*places), points(*places, width=1.5)
    channels, clean = len(places), photos(len(places)).to(torch.complex128)
    one, two = (blurred(clean, kernels.double()) for kernels in (other, truth))
    scale = torch.diagonal(two.real, dim1=2, dim2=3).mean(dim=2)[..., None, None]
    divergences = []
    for t in TIMES:
        mine, theirs = (t**2 * field / scale + (1 - t) ** 2 * torch.eye(channels) for field in (one, two))
        ratio = torch.linalg.solve(theirs, mine)
        trace = torch.diagonal(ratio, dim1=2, dim2=3).real.sum(dim=2)
        divergences.append(0.5 * (trace - channels - torch.linalg.det(ratio).abs().log()).mean() / channels)
    match = a_match(truth)
    difference = float(match.loss(other, NOISE) - match.loss(truth, NOISE))
    assert difference == pytest.approx(float(torch.stack(divergences).mean()), rel=1e-3)


def test_the_loss_is_least_at_the_true_shift_between_colours() -> None:
    match = a_match(points(*APART))
    least = float(match.loss(points(*APART), NOISE))
    for row, col in ((0.0, 0.1), (0.0, -0.1), (0.1, 0.0), (-0.1, 0.0)):
        for colour in range(3):
            moved = [(r + row * (c == colour), q + col * (c == colour)) for c, (r, q) in enumerate(APART)]
            assert float(match.loss(points(*moved), NOISE)) > least + 1e-4


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_the_gradient_moves_a_shifted_colour_back(direction: float) -> None:
    match = a_match(points((0, 0), (0, 0), (0, 0)))
    shifted = points((0, direction), (0, 0), (0, 0))
    by_column = (shifted.roll(-1, 2) - shifted.roll(1, 2)) / 2  # minus the derivative: moves a colour to the left
    down = (gradient(match, shifted) * by_column).sum(dim=(1, 2))
    assert float(down[0]) * direction < 0  # to the left lessens the loss where R lies to the right
    assert float(down[0].abs()) > 1e-3


def test_a_shift_of_all_colours_together_is_not_seen() -> None:
    match = a_match(points((0, 0), (0, 0), (0, 0)))
    kernels = points(*APART, width=1.4)
    before = float(match.loss(kernels, NOISE))
    assert float(match.loss(kernels.roll((1, -1), (1, 2)), NOISE)) == pytest.approx(before, abs=1e-5)
    found = gradient(match, kernels)
    for axis in (1, 2):
        along = (found * (kernels.roll(1, axis) - kernels.roll(-1, axis)) / 2).sum(dim=(1, 2))
        assert float(along.abs().max()) > 1e-3  # each colour by itself is pulled
        assert float(along.sum().abs()) < 1e-3 * float(along.abs().max())


# Colours apart


def separated(match: ColourMatch, kernel: Tensor, gains: Tensor, noise: Tensor = NOISE) -> Tensor:
    """The kernels of the colours around a common one, as the spectra say."""
    numbers = match.differences(kernel, gains, noise)
    assert numbers.shape == (match.channels, 5)
    assert not numbers.requires_grad
    return apart(kernel, numbers)


def assert_kernels(kernels: Tensor, channels: int, size: int = SIZE) -> None:
    assert kernels.shape == (channels, size, size)
    assert not kernels.requires_grad
    assert float(kernels.min()) >= 0.0
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(channels))


@pytest.mark.parametrize("size", [13, 14])
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_the_shift_between_colours_is_found(size: int, gain: float) -> None:
    """From their mean kernel: each within .1 px of its true place beside G, whatever the contrast.

    The mean is wider than each, by .49 px^2 along the columns. Of so large a shift only a part of that is taken off.
    """
    truth = points(*APART, size=size)
    found = separated(a_match(truth), truth.mean(dim=0), torch.full((3,), gain))
    assert_kernels(found, 3, size)
    places, right = centroids(found), centroids(truth)
    torch.testing.assert_close(places - places[1], right - right[1], rtol=0.0, atol=0.1)
    smeared = variances(truth.mean(dim=0, keepdim=True)) - variances(truth)
    assert float(smeared[:, 1].min()) > 0.4
    left = variances(found) - variances(truth)
    assert float(left[:, 0].abs().max()) < 0.05
    assert float(left[:, 1].abs().max()) < 0.3


@pytest.mark.parametrize("size", [13, 14])
@pytest.mark.parametrize("places", [((0, 0.5), (0, 0), (0, -0.5)), ((0, 0.5), (0, 0), (-0.5, 0))])
def test_what_shifts_smear_in_the_mean_kernel_is_counted_once(
    size: int, places: tuple[tuple[float, float], ...]
) -> None:
    """From the mean kernel of colours half a pixel apart, whose variance is up to 12 % too large: places and widths."""
    truth = points(*places, size=size)
    common = truth.mean(dim=0)
    found = separated(a_match(truth), common, torch.ones(3))
    assert_kernels(found, 3, size)
    torch.testing.assert_close(centroids(found), centroids(truth), rtol=0.0, atol=0.02)
    torch.testing.assert_close(variances(found), variances(truth), rtol=0.05, atol=0.0)
    torch.testing.assert_close(found, truth, rtol=0.0, atol=0.02 * float(truth.max()))
    torch.testing.assert_close(found.mean(dim=0), common, rtol=0.0, atol=0.01 * float(common.max()))


def test_the_numbers_of_the_colours_count_beside_their_mean_only() -> None:
    """A shift or width of all colours together is the common kernel's; numbers of zero leave it alone."""
    kernel = points((0, 0))[0]
    torch.testing.assert_close(apart(kernel, torch.zeros(3, 5)), kernel.expand(3, -1, -1), rtol=0.0, atol=1e-6)
    numbers = 0.05 * torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    together = torch.tensor([0.7, -0.4, 0.1, 0.2, 0.05])
    torch.testing.assert_close(apart(kernel, numbers + together), apart(kernel, numbers))


def test_sharpening_has_a_limit() -> None:
    """However far colours lie apart: no frequency is raised by more than MOST_SHARPENED, so specks stay specks."""
    kernel = points((0, 0), width=2.0, size=25)[0]
    numbers = torch.zeros(3, 5)
    numbers[0, 1], numbers[2, 1] = 3.0, -3.0
    found = apart(kernel, numbers)
    assert_kernels(found, 3, 25)
    assert float(found.max()) < 1.1 * math.exp(MOST_SHARPENED) * float(kernel.max())


def test_a_wider_colour_is_found() -> None:
    """R is blurred by 1.5 px, G and B by 1.2: from a kernel as wide as they are on average."""
    truth = torch.cat([points((0, 0), width=1.5), points((0, 0), (0, 0))])
    between = float(variances(truth).mean()) ** 0.5
    found = separated(a_match(truth), points((0, 0), width=between)[0], torch.ones(3))
    assert_kernels(found, 3)
    torch.testing.assert_close(variances(found), variances(truth), rtol=0.0, atol=0.1)
    torch.testing.assert_close(centroids(found), torch.zeros(3, 2), rtol=0.0, atol=0.01)


def test_a_colour_that_is_wider_one_way_is_found() -> None:
    """R is smeared along the columns only."""
    truth = points((0, 0), (0, 0), (0, 0))
    truth[0] = 0.5 * (truth[0].roll(1, 1) + truth[0].roll(-1, 1))
    found = variances(separated(a_match(truth), truth.mean(dim=0), torch.ones(3)))
    assert float(found[0, 1] - found[1, 1]) == pytest.approx(1.0, abs=0.3)
    assert float(found[0, 0] - found[1, 0]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_colour_that_is_wider_along_a_diagonal_is_found(direction: int) -> None:
    """R is smeared down to the right, or up."""
    truth = points((0, 0), (0, 0), (0, 0))
    truth[0] = 0.5 * (truth[0].roll((1, direction), (0, 1)) + truth[0].roll((-1, -direction), (0, 1)))
    found = separated(a_match(truth), truth.mean(dim=0), torch.ones(3))
    axis = (torch.arange(SIZE) - SIZE // 2).float()
    mixed = found @ axis @ axis  # covariance of row and column
    assert float(mixed[0] - mixed[1]) == pytest.approx(direction, abs=0.3)


def test_colours_that_do_not_differ_stay_as_they_are() -> None:
    truth = points((0, 0), (0, 0), (0, 0))
    found = separated(a_match(truth), truth[0], torch.ones(3))
    torch.testing.assert_close(found, truth, rtol=0.0, atol=1e-4)


def test_one_colour_has_no_other_to_be_apart_from() -> None:
    """Even beside the place and width that the spectra tell, which is not this step's to mend."""
    for kernel in (points((0, 0)), points(APART[2]), points((0, 0), width=1.6)):
        found = separated(a_match(points((0, 0))), kernel[0], torch.ones(1))
        assert_kernels(found, 1)
        torch.testing.assert_close(found, kernel, rtol=0.0, atol=1e-6)


class Shelf:
    """A pool that cuts patches out of pictures H x W x C."""

    channels = 3

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.pictures = torch.from_numpy(np.stack(pictures).astype(np.float32)).permute(0, 3, 1, 2)

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        places = [torch.randint(n, (count,), generator=generator).tolist() for n in (len(self.pictures), 128, 128)]
        cut = [self.pictures[i, :, r : r + size, c : c + size] for i, r, c in zip(*places, strict=True)]
        return PatchBatch(torch.stack(cut), *torch.zeros(2, count, 2))


def test_the_shift_is_found_from_photos_of_other_scenes() -> None:
    """Through the same convolution and the same periodogram as a run: R lies to the right of G, B to the left.

    To .25 px: so few photos of different scenes need not tell it better. The mean kernel is wider by .67 px^2.
    """
    pictures = [0.1 + 0.8 * dead_leaves(192, 192, np.random.default_rng([9, index])) for index in range(8)]
    truth = points((0, 1), (0, 0), (0, -1))
    rng = np.random.default_rng(1)
    clean: PatchPool = Shelf(pictures[:4])  # type: ignore[assignment]
    degraded: PatchPool = Shelf([degrade(one, truth.numpy(), 0.02, rng) for one in pictures[4:]])  # type: ignore[assignment]
    spectrum = periodogram(degraded, 0)
    match = ColourMatch(spectrum, periodogram(clean, 0))
    found = separated(match, truth.mean(dim=0), torch.ones(3), torch.tensor(noise_floor(spectrum)))
    assert_kernels(found, 3)
    places, right = centroids(found), centroids(truth)
    torch.testing.assert_close(places - places[1], right - right[1], rtol=0.0, atol=0.25)
    torch.testing.assert_close(variances(found), variances(truth), rtol=0.0, atol=0.35)
