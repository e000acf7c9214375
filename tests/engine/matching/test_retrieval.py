"""Phase retrieval: a kernel is found from its magnitude alone, up to where it lies and which way about it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import CAUTION, WINDOW
from ddm_gui.engine.matching import retrieval
from ddm_gui.engine.matching.kernels import start_kernels
from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.matching.retrieval import retrieve, spectral_magnitude, turned_about
from ddm_gui.engine.scores import kernel_ncc, zero_phase
from ddm_gui.engine.settings import Settings

NOISE = 0.005
TRAIL = ((-3, -2, 0.5), (-2, -1, 0.9), (-1, 0, 1.0), (0, 1, 0.9), (1, 1, 0.5), (2, 0, 0.3), (3, -1, 0.2), (2, 3, 0.6))
FREQUENCY = torch.fft.fftfreq(WINDOW)
RADIUS = torch.hypot(FREQUENCY[:, None], FREQUENCY)
CLEAN = 1e-3 / (RADIUS.square() + 1 / WINDOW**2)


def shake(size: int) -> Tensor:
    """A kernel as a shaken camera leaves: a bent trail and a spot beside it."""
    axis = torch.arange(size) - size // 2
    kernel = torch.zeros(size, size)
    for row, col, light in TRAIL:
        distance = (axis[:, None] - row).square() + (axis - col).square()
        kernel += light * torch.exp(-distance / (2 * 0.6**2))
    return kernel / kernel.sum()


def magnitude(kernel: Tensor) -> Tensor:
    found: Tensor = torch.fft.fft2(kernel, s=(WINDOW, WINDOW)).abs()
    return found


def found(size: int, seed: int = 0, visible: Tensor | None = None) -> Tensor:
    everywhere = torch.ones(WINDOW, WINDOW) if visible is None else visible
    return retrieve(magnitude(shake(size)), everywhere, size, torch.Generator().manual_seed(seed))


def ncc_either_way(kernel: Tensor, truth: Tensor) -> float:
    return max(kernel_ncc(each.numpy(), truth.numpy()) for each in (kernel, turned_about(kernel)))


def assert_a_kernel_in_the_middle(kernel: Tensor, size: int) -> None:
    assert kernel.shape == (size, size)
    assert float(kernel.min()) >= 0.0
    assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-5)
    axis = torch.arange(size) - size // 2
    for dim in (0, 1):
        assert abs(float((kernel.sum(dim=dim) * axis).sum())) < 1.0


@pytest.mark.parametrize("size", [13, 14])
def test_a_lopsided_kernel_is_found_from_its_magnitude_up_to_half_a_turn(size: int) -> None:
    """Above .95, from which both itself turned about and the zero-phase kernel of this magnitude are far."""
    truth = shake(size)
    assert kernel_ncc(turned_about(truth).numpy(), truth.numpy()) < 0.9
    assert kernel_ncc(zero_phase(truth[None].numpy())[0], truth.numpy()) < 0.9
    kernel = found(size)
    assert_a_kernel_in_the_middle(kernel, size)
    assert ncc_either_way(kernel, truth) > 0.95


def test_a_kernel_is_found_though_noise_hides_its_finest_detail() -> None:
    """Where nothing is visible the magnitude that is given does not count, however wrong it is."""
    truth, visible = shake(13), (RADIUS < 0.3).float()
    given = torch.where(visible > 0, magnitude(truth), torch.ones(()))
    kernel = retrieve(given, visible, 13, torch.Generator().manual_seed(0))
    assert_a_kernel_in_the_middle(kernel, 13)
    assert ncc_either_way(kernel, truth) > 0.95


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few beginnings and steps, where it does not matter what is found."""
    monkeypatch.setattr(retrieval, "BEGINNINGS", 6)
    monkeypatch.setattr(retrieval, "STEPS", 20)
    monkeypatch.setattr(retrieval, "AGREEING", 4)


@pytest.mark.usefixtures("hasty")
def test_the_same_random_numbers_give_the_same_kernel() -> None:
    first, again, other = found(13), found(13), found(13, seed=1)
    assert torch.equal(again, first)
    assert not torch.equal(other, first)


@pytest.mark.parametrize("size", [3, 4, 9, 28, 40])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.usefixtures("hasty")
def test_whatever_is_found_is_a_kernel_in_the_middle(size: int, seed: int) -> None:
    assert_a_kernel_in_the_middle(found(size, seed), size)


@pytest.mark.usefixtures("hasty")
def test_where_nothing_is_visible_there_still_is_a_kernel() -> None:
    assert_a_kernel_in_the_middle(found(9, visible=torch.zeros(WINDOW, WINDOW)), 9)


# Half a turn


@pytest.mark.parametrize("size", [5, 6, 13, 14])
def test_turning_about_keeps_the_origin_and_the_magnitude(size: int) -> None:
    point = torch.zeros(size, size)
    point[size // 2, size // 2] = 1.0
    assert torch.equal(turned_about(point), point)
    beside = point.roll((1, -2), (0, 1))
    assert torch.equal(turned_about(beside), point.roll((-1, 2), (0, 1)))
    random = torch.rand(2, size, size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(turned_about(turned_about(random)), random)
    assert torch.equal(turned_about(random)[1], turned_about(random[1]))
    if size % 2:  # in an even size the first row and column, which have no opposite, go around the edge
        torch.testing.assert_close(magnitude(turned_about(random[0])), magnitude(random[0]))
    inside = torch.nn.functional.pad(random[0, 1:, 1:], (1, 0, 1, 0))
    torch.testing.assert_close(magnitude(turned_about(inside)), magnitude(inside), rtol=1e-4, atol=1e-4)


# The magnitude that the spectra tell


def spectra(kernel: Tensor, contrast: float, noise: float) -> tuple[Tensor, Tensor]:
    """Of degraded and clean photos of one set of scenes, seen through a kernel, as a Hann window shows them."""
    power = magnitude(kernel).square() * contrast * CLEAN
    for dim in (0, 1):
        power = power * (2 / 3) + (power.roll(1, dim) + power.roll(-1, dim)) / 6
    degraded = power + CAUTION * noise**2
    return degraded[..., None, None].to(torch.complex64), CLEAN[..., None, None].to(torch.complex64)


def told(kernel: Tensor, contrast: float = 1.0, noise: float = NOISE) -> tuple[Tensor, Tensor, MagnitudeMatch]:
    """|H| as the spectra tell it, |H| of the spectral start from which that is told, and what is looked at."""
    degraded, clean = spectra(kernel, contrast, noise)
    start, gains = start_kernels(Settings(kernel_size=kernel.shape[-1]), degraded, clean, noise)
    match = MagnitudeMatch(degraded, clean, noise)
    return spectral_magnitude(match, start[0], gains), magnitude(start[0]), match


@pytest.mark.parametrize("contrast", [1.0, 2.0])
@pytest.mark.parametrize("size", [13, 14])
def test_the_magnitude_is_that_of_the_blur_where_it_is_seen(size: int, contrast: float) -> None:
    """Several times as near as that of the spectral start, which has to be positive; contrast is not the kernel's."""
    truth = magnitude(shake(size))
    ours, start, match = told(shake(size), contrast)
    assert ours.shape == (WINDOW, WINDOW)
    assert float(ours[0, 0]) == pytest.approx(1.0)
    seen = match.weight > 0.5
    assert int(seen.sum()) > 500
    error = float((ours - truth)[seen].abs().mean())
    assert error < 0.005
    assert error < 0.3 * float((start - truth)[seen].abs().mean())


def test_the_magnitude_stays_that_of_the_start_where_noise_hides_the_blur() -> None:
    ours, start, match = told(shake(13), noise=0.05)
    hidden = (match.weight == 0) & (RADIUS > 0.1)
    seen = match.weight > 0.5
    assert min(int(hidden.sum()), int(seen.sum())) > 50
    ratio = (ours / start).log()
    assert float(ratio[hidden].std()) < 1e-3  # all of it may be scaled, which is contrast
    assert float(ratio[seen].std()) > 0.01


def test_the_kernel_of_the_magnitude_that_the_spectra_tell_is_found() -> None:
    """Both together, as step 2 takes them."""
    ours, _, match = told(shake(13))
    kernel = retrieve(ours, match.visible, 13, torch.Generator().manual_seed(0))
    assert_a_kernel_in_the_middle(kernel, 13)
    assert ncc_either_way(kernel, shake(13)) > 0.95
