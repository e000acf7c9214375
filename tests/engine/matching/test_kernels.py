"""What step 2 learns, where it starts, and priors that act on it."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.kernels import (
    PRIORS,
    KernelModel,
    SoftmaxKernels,
    build_kernels,
    centre_prior,
    gaussian_prior,
    outskirts,
    smooth_prior,
    sparse_prior,
    start_kernels,
    sum_prior,
    weighted_priors,
)
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.optics import gaussian

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


# The parametrisations


MADE_OF = ("softmax", "normalised", "deep-linear")


def made(parametrisation: str, start: torch.Tensor, photos: int = 3) -> KernelModel:
    settings = Settings(procedure="alternating", parametrisation=parametrisation, kernel_size=start.shape[-1])
    return build_kernels(settings, start, torch.full((photos,), 0.7), 0.02)


@pytest.mark.parametrize("size", [10, 15, 28, 63])
@pytest.mark.parametrize("kernels", [1, 3])
@pytest.mark.parametrize("parametrisation", MADE_OF)
def test_every_parametrisation_starts_at_the_start_kernel(parametrisation: str, kernels: int, size: int) -> None:
    start = torch.rand(kernels, size, size, generator=torch.Generator().manual_seed(0))
    start = start / start.sum(dim=(1, 2), keepdim=True)
    model = made(parametrisation, start)
    assert (model.kernels() - start).norm() < 1e-5 * start.norm()
    assert model.with_gain().shape == (3, size, size)
    assert model.size == size
    shape = {id(parameter) for parameter in model.shape()}
    assert shape
    assert {id(model.log_gain), id(model.log_sigma)} == {id(parameter) for parameter in model.parameters()} - shape
    again = made(parametrisation, start)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


def test_a_deep_linear_kernel_is_its_layers_one_after_the_other() -> None:
    """A point of light through the network, by correlations with the flipped layers, is the collapsed kernel."""
    start = torch.from_numpy(gaussian(15, 1.5, 0.8, 0.4))[None]
    model = made("deep-linear", start, photos=1)
    layers = model.shape()
    assert [tuple(layer.shape) for layer in layers] == [(1, 64, 7, 7), (64, 64, 5, 5), (64, 64, 5, 5), (64, 1, 1, 1)]
    seen = torch.zeros(1, 1, 29, 29)
    seen[0, 0, 14, 14] = 1.0
    for layer in layers:
        seen = torch.nn.functional.conv2d(seen, layer.transpose(0, 1).flip(2, 3))
    torch.testing.assert_close(seen[0, 0], model.kernels()[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.kernels(), start, rtol=0, atol=1e-5)
    norms = [float(layer.detach().norm()) for layer in layers]
    assert norms == pytest.approx([norms[0]] * 4, rel=1e-4)


# The priors


def test_priors_are_what_their_definitions_say() -> None:
    signed = torch.tensor([[[0.0, -0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    assert float(sparse_prior(signed)) == pytest.approx(3 / 9)
    assert float(sum_prior(signed)) == pytest.approx(1.0)
    # Centroid: rows (-.5 * -1 + 1)/2 = .75, columns (-.5 + 1)/2 = .25, in px and in units of half the kernel alike.
    assert float(centre_prior(signed)) == pytest.approx(0.75**2 + 0.25**2)
    places = {(-1, 0): -0.5, (0, -1): 0.5, (0, 0): 1.0, (1, 1): 1.0}
    expected = sum(value * ((row - 0.75) ** 2 + (col - 0.25) ** 2) for (row, col), value in places.items()) / 9
    assert float(gaussian_prior(signed)) == pytest.approx(expected)
    shifted = signed.roll(1, 0)
    torch.testing.assert_close(gaussian_prior(torch.cat([signed, shifted])), gaussian_prior(signed))
    settings = Settings(
        procedure="alternating", parametrisation="deep-linear", centre_weight=0.1, sparse_weight=2.0, sum_weight=3.0
    )
    weighted = 0.1 * centre_prior(signed) + 2 * sparse_prior(signed) + 3 * sum_prior(signed)
    torch.testing.assert_close(weighted_priors(settings, signed), weighted)


@pytest.mark.parametrize("parametrisation", MADE_OF)
def test_kernels_over_the_field_start_at_the_start_and_priors_are_means_over_them(parametrisation: str) -> None:
    start = torch.rand(6, 3, 15, 15, generator=torch.Generator().manual_seed(0))
    start = start / start.sum(dim=(2, 3), keepdim=True)
    model = made(parametrisation, start)
    found = model.kernels().detach()
    assert (found - start).norm() < 1e-5 * start.norm()
    assert model.with_gain().shape == start.shape
    for prior in PRIORS.values():
        torch.testing.assert_close(prior(start), torch.stack([prior(node) for node in start]).mean())


def test_the_smoothness_prior_weighs_neighbours_in_rows_and_columns() -> None:
    """A 2 x 3 grid of points of light, one of which lies elsewhere than all others: of 7 pairs its 2 or 3 differ."""
    for node, pairs in ((0, 2), (1, 3), (5, 2)):
        kernels = torch.zeros(6, 1, 3, 3)
        kernels[:, 0, 1, 1] = 1.0
        kernels[node] = kernels[node].roll(1, -1)
        assert float(smooth_prior(kernels, 2, 3)) == pytest.approx(2 * pairs / 7)
    settings = Settings(procedure="alternating", rows=2, cols=3, smooth_weight=0.5)
    torch.testing.assert_close(weighted_priors(settings, kernels), 0.5 * smooth_prior(kernels, 2, 3))
    column = kernels[:2]
    assert float(smooth_prior(column, 2, 1)) == 0.0


@pytest.mark.parametrize("parametrisation", MADE_OF)
@pytest.mark.parametrize("name", list(PRIORS))
def test_a_prior_is_refused_just_where_its_gradient_vanishes(name: str, parametrisation: str) -> None:
    """Taken by finite differences along random directions, at a kernel of both signs where the parametrisation has
    such kernels, off centre and not of unit sum where it can be."""
    generator = torch.Generator().manual_seed(0)
    model = made(parametrisation, torch.rand(1, 9, 9, generator=generator) / 40, photos=1).double()
    with torch.no_grad():
        for parameter in model.shape():
            parameter += 0.5 * parameter.std() * torch.randn(parameter.shape, generator=generator)
    steepest = 0.0
    for _ in range(4):
        directions = [torch.randn(p.shape, generator=generator).double() * p.detach().std() for p in model.shape()]
        values = []
        for step in (1e-4, -1e-4):
            with torch.no_grad():
                for parameter, direction in zip(model.shape(), directions, strict=True):
                    parameter += step * direction
                values.append(float(PRIORS[name](model.kernels())))
                for parameter, direction in zip(model.shape(), directions, strict=True):
                    parameter -= step * direction
        steepest = max(steepest, abs(values[0] - values[1]) / 2e-4)
    choice = {"procedure": "alternating", "parametrisation": parametrisation, name: 0.5}
    if steepest > 1e-6:
        Settings().with_changes(choice)
        return
    with pytest.raises(UserError, match=name) as caught:
        Settings().with_changes(choice)
    assert caught.value.why
    assert "parametrisation" in caught.value.todo


def test_the_sparse_prior_of_a_normalised_kernel_weighs_what_is_negative() -> None:
    positive = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    for pixels, acts in ((positive, False), (positive - 0.3, True)):
        model = made("normalised", pixels, photos=1)
        (gradient,) = torch.autograd.grad(sparse_prior(model.kernels()), model.shape())
        assert bool(gradient.abs().max() > 1e-4) is acts
