"""What step 2 learns, where it starts, and priors that act on it."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine.kernels import SoftmaxKernels, centre_prior, outskirts, start_kernels
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate import gaussian
from ddm_gui.engine.spectrum import WINDOW

SIZE = 9


def shifted_points(*places: tuple[int, int], size: int = SIZE) -> torch.Tensor:
    """A point of light per channel, at (row, col) from k//2."""
    kernels = torch.zeros(len(places), size, size)
    for channel, (row, col) in enumerate(places):
        kernels[channel, size // 2 + row, size // 2 + col] = 1.0
    return kernels


def random_kernels(channels: int = 3) -> torch.Tensor:
    kernels = torch.rand(channels, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


# The parametrisation


def test_kernels_are_what_they_started_from_and_sum_to_one() -> None:
    start = random_kernels()
    model = SoftmaxKernels(start, torch.tensor([0.5, 1.0, 2.0]), 0.03)
    torch.testing.assert_close(model.kernels(), start)
    torch.testing.assert_close(model.with_gain().sum(dim=(1, 2)), torch.tensor([0.5, 1.0, 2.0]))
    assert float(model.log_sigma.detach().exp()) == pytest.approx(0.03)
    with torch.no_grad():
        model.logits.add_(5 * torch.randn(model.logits.shape, generator=torch.Generator().manual_seed(1)))
    assert (model.kernels() >= 0).all()
    torch.testing.assert_close(model.kernels().sum(dim=(1, 2)), torch.ones(3))


def test_a_start_of_zeros_and_no_noise_is_finite_and_can_grow() -> None:
    model = SoftmaxKernels(shifted_points((0, 0)), torch.zeros(1), 0.0)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model.kernels()[0, 4, 4] > 0.98
    torch.autograd.backward(model.kernels()[0, 0, 0])
    assert model.logits.grad is not None
    assert model.logits.grad[0, 0, 0] > 0


def test_one_kernel_serves_all_colours_with_a_gain_for_each() -> None:
    model = SoftmaxKernels(random_kernels(1), torch.tensor([0.5, 1.0, 2.0]), 0.03)
    assert model.with_gain().shape == (3, SIZE, SIZE)
    torch.testing.assert_close(model.with_gain()[2], 2 * model.kernels()[0])


# Priors


@pytest.mark.parametrize("size", [8, 9])
def test_centre_prior_is_the_squared_distance_of_the_centroid(size: int) -> None:
    assert float(centre_prior(shifted_points((0, 0), size=size))) == 0.0
    assert float(centre_prior(shifted_points((3, -2), size=size))) == pytest.approx(13.0)
    half = 0.5 * (shifted_points((3, -2), size=size) + shifted_points((1, 0), size=size))
    assert float(centre_prior(half)) == pytest.approx(2.0**2 + 1.0**2)


def test_centre_prior_leaves_lateral_colour_alone() -> None:
    apart = shifted_points((0, 3), (0, 0), (0, -3))
    assert float(centre_prior(apart)) == 0.0
    assert float(centre_prior(shifted_points((0, 3), (0, 3), (0, 0)))) == pytest.approx(4.0)


@pytest.mark.parametrize("start", [torch.ones(3, SIZE, SIZE), random_kernels(), shifted_points((1, 2), (0, 0), (2, 1))])
def test_the_centre_prior_is_not_without_effect_on_a_softmax(start: torch.Tensor) -> None:
    """A prior that a normalised, non-negative kernel cannot change (as the plain L1 norm) would be a setting that lies.

    At its own minimum a gradient vanishes by right, so the start is first moved off it.
    """
    model = SoftmaxKernels(start, torch.ones(3), 0.02)
    with torch.no_grad():
        model.logits[:, 1, 2] += 1.0
    before = centre_prior(model.kernels())
    torch.autograd.backward(before)
    gradient = model.logits.grad
    assert gradient is not None
    assert gradient.norm() > 1e-4
    with torch.no_grad():
        model.logits.sub_(0.1 * gradient / gradient.norm())
    assert centre_prior(model.kernels()) < before


@pytest.mark.parametrize("size", [8, 9, 25])
def test_the_outskirts_are_the_squared_distance_in_units_of_half_the_size(size: int) -> None:
    distance = outskirts(size, torch.device("cpu"))
    assert distance.shape == (size, size)
    middle = size // 2
    assert float(distance[middle, middle]) == 0.0
    assert float(distance[middle + 1, middle - 2]) == pytest.approx(5 / (size / 2) ** 2)
    assert torch.equal(distance, distance.T)
    assert distance.argmax() == 0


def test_the_outskirts_weighed_by_a_kernel_are_its_second_moment() -> None:
    kernel = torch.from_numpy(gaussian(25, 2.0))
    moment = float((kernel * outskirts(25, torch.device("cpu"))).sum())
    assert moment == pytest.approx(2 * (2.0**2 + 1 / 12) / 12.5**2, rel=1e-3)


# Where step 2 starts


def blurred_spectra(channels: int, sigma: float, contrast: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-periodograms of a degraded and a clean folder: white photos, a Gaussian blur, half the contrast."""
    frequency = torch.fft.fftfreq(WINDOW)
    transfer = torch.exp(-2 * torch.pi**2 * sigma**2 * (frequency[:, None] ** 2 + frequency**2))
    clean = torch.eye(channels).expand(WINDOW, WINDOW, channels, channels).to(torch.complex64)
    return clean * (contrast * transfer).square()[..., None, None], clean


@pytest.mark.parametrize(("channels", "photos", "kernels"), [(None, 3, 3), (1, 3, 1), (3, 3, 3), (None, 1, 1)])
@pytest.mark.parametrize("start", ["spectral", "flat", "random"])
def test_as_many_kernels_as_asked_for_and_a_gain_per_colour(
    start: str, channels: int | None, photos: int, kernels: int
) -> None:
    degraded, clean = blurred_spectra(photos, 1.2)
    settings = Settings(start=start, channels=channels, kernel_size=SIZE)
    found, gains = start_kernels(settings, degraded, clean, 0.0)
    assert found.shape == (kernels, SIZE, SIZE)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=(1, 2)), torch.ones(kernels))
    torch.testing.assert_close(gains, torch.full((photos,), 0.5), rtol=0.05, atol=0.0)


def test_each_start_is_what_its_name_says() -> None:
    degraded, clean = blurred_spectra(3, 1.2)

    def start(name: str, seed: int = 0) -> torch.Tensor:
        return start_kernels(Settings(start=name, seed=seed, kernel_size=SIZE), degraded, clean, 0.0)[0]

    assert (start("flat") == start("flat")[0, 0, 0]).all()
    assert torch.equal(start("random"), start("random"))
    assert not torch.equal(start("random"), start("random", seed=1))
    truth = torch.from_numpy(gaussian(SIZE, 1.2))
    assert (start("spectral") - truth).abs().max() < 0.1 * truth.max()  # spectra are smoothed, hence not exact
