"""Edges of whole photos: the mixture, the adjoint, and that a kernel comes nearer the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ddm_gui.engine.matching import derivatives as module
from ddm_gui.engine.matching.derivatives import DerivativeFit, Pictures, derivatives, derivatives_adjoint, mixture
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.scores import kernel_ncc, zero_phase
from ddm_gui.engine.simulate.leaves import dead_leaves

NOISE = 0.01
SIDE = 128


def bent(k: int) -> Tensor:
    """A kernel as a shaken camera leaves: a bent line, not the same turned about."""
    kernel = torch.zeros(k, k)
    for step, (row, col) in enumerate([(0, 0), (0, 1), (1, 2), (2, 2), (3, 3), (4, 3), (5, 3), (5, 4)]):
        kernel[k // 2 - 3 + row, k // 2 - 2 + col] = 1.0 + 0.3 * step
    return kernel / kernel.sum()


class Album:
    """A pool of sharp pictures, or of what a kernel makes of them, in so many colours alike."""

    def __init__(self, kernel: Tensor | None = None, channels: int = 1, clipped: bool = False) -> None:
        self.kernel, self.channels, self.clipped = kernel, channels, clipped
        self.largest_patch = SIDE if kernel is None else SIDE - kernel.shape[-1] + 1

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        seed = int(torch.randint(2**31, (), generator=generator))
        random = np.random.default_rng(seed)
        side = max(size, SIDE if self.kernel is not None else size)
        pictures = torch.stack([torch.tensor(dead_leaves(side, side, random)[..., 1]) for _ in range(count)])[:, None]
        if self.kernel is not None:
            pictures = conv2d(pictures, self.kernel.flip(0, 1)[None, None])
        pictures = pictures[..., :size, :size].expand(-1, self.channels, -1, -1)
        if self.kernel is not None:
            pictures = pictures + NOISE * torch.randn(pictures.shape, generator=generator)
        if self.clipped:
            pictures = torch.where(pictures > 0.6, 1.0, pictures)
        return PatchBatch(pictures.clamp(0.0, 1.0), *torch.zeros(2, count, 2))


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch, few_parts: None) -> None:
    monkeypatch.setattr(module, "PARTS", 6)
    monkeypatch.setattr(module, "CLEAN_PARTS", 24)
    monkeypatch.setattr(module, "CLEAN_PART", 32)
    monkeypatch.setattr(module, "MIXTURE_STEPS", 15)


def a_fit(kernel: Tensor, channels: int = 1, clipped: bool = False) -> DerivativeFit:
    degraded: PatchPool = Album(kernel, channels, clipped)  # type: ignore[assignment]
    clean: PatchPool = Album(None, channels)  # type: ignore[assignment]
    return DerivativeFit(degraded, clean, NOISE, 0, torch.device("cpu"))


def smeared(kernel: Tensor) -> Tensor:
    """A kernel as the spectra and the networks leave it: its line is wide."""
    box = torch.full((1, 1, 3, 3), 1 / 9)
    wide = conv2d(kernel[None, None], box, padding=1)[0, 0]
    return wide / wide.sum()


def surprise(fit: DerivativeFit, kernel: Tensor) -> float:
    """With a kernel as it is."""
    return fit._settled(kernel).surprise(kernel)


def ncc(one: Tensor, other: Tensor) -> float:
    return kernel_ncc(one[None, None, None].numpy(), other[None, None, None].numpy())


@pytest.mark.parametrize("k", [13, 14])
def test_a_kernel_that_is_nearly_right_comes_nearer(k: int) -> None:
    """Odd and even. Refined before and after a stretch, what is missing to NCC 1 is less than half of what was."""
    truth = bent(k)
    fit, start = a_fit(truth), smeared(truth)
    once, _ = fit.refined(start)
    found, _ = fit.refined(once)
    assert found.shape == (k, k)
    assert float(found.min()) >= 0.0
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert ncc(once, truth) > ncc(start, truth)
    assert 1 - ncc(found, truth) < 0.5 * (1 - ncc(start, truth))


def test_the_truth_stays_and_is_likelier_than_turned_about() -> None:
    truth = bent(13)
    fit = a_fit(truth)
    found, turned = (fit.refined(each)[0] for each in (truth, truth.flip(0, 1)))
    assert ncc(found, truth) > 0.97
    assert ncc(turned, truth) > ncc(truth.flip(0, 1), truth)  # it moves towards the truth


def test_the_truth_surprises_less_than_itself_turned_about_and_than_its_zero_phase_kernel() -> None:
    truth = bent(13)
    fit = a_fit(truth)
    even = torch.tensor(zero_phase(truth[None, None, None].numpy())[0, 0, 0])
    surprises = [surprise(fit, kernel) for kernel in (truth, truth.flip(0, 1), even)]
    assert surprises[0] < min(surprises[1:]) - 0.02
    assert fit.refined(smeared(truth))[1] < surprise(fit, smeared(truth))


def test_the_same_kernel_gives_the_same_again() -> None:
    truth = bent(13)
    fit = a_fit(truth, channels=3)
    (one, first), (other, second) = (fit.refined(smeared(truth)) for _ in range(2))
    assert torch.equal(one, other)
    assert first == second


def test_noise_of_the_mean_of_three_colours_is_less() -> None:
    assert a_fit(bent(13), 3).variance == pytest.approx(a_fit(bent(13), 1).variance / 3)


def test_clipped_pixels_are_left_out() -> None:
    """Taken for values they would say that white areas are flat: half of the pictures is white here."""
    truth = bent(13)
    fit = a_fit(truth, clipped=True)
    start = smeared(truth)
    kept = ncc(fit.refined(start)[0], truth)
    fit.seen = torch.ones_like(fit.seen)
    assert kept > ncc(start, truth)
    assert kept > ncc(fit.refined(start)[0], truth)


def test_parts_are_explained_by_their_pictures() -> None:
    """Blurred again, the pictures are the parts to within some of the noise."""
    truth = bent(13)
    fit = a_fit(truth)
    pictures = Pictures(fit, truth)
    for _ in range(6):
        pictures.find(truth)
    again = conv2d(pictures.values[:, None], truth.flip(0, 1)[None, None])[:, 0]
    assert float((again - fit.parts).square().mean().sqrt()) < NOISE
    assert pictures.values.shape[-1] == fit.parts.shape[-1] + 12


def test_the_adjoint_is_one() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(2, 9, 7, generator=generator, dtype=torch.float64)
    slopes = torch.randn(2, 2, 9, 7, generator=generator, dtype=torch.float64)
    one, other = (derivatives(picture) * slopes).sum(), (picture * derivatives_adjoint(slopes)).sum()
    torch.testing.assert_close(one, other)


def test_a_mixture_is_found_from_its_values() -> None:
    generator = torch.Generator().manual_seed(0)
    narrow = 0.01 * torch.randn(30_000, generator=generator)
    wide = 0.1 * torch.randn(10_000, generator=generator)
    shares, variances = mixture(torch.cat([narrow, wide]))
    assert float(shares.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(shares @ variances) == pytest.approx(0.75 * 0.01**2 + 0.25 * 0.1**2, rel=0.05)
    # The fourth moment is what tells a mixture from one Gaussian.
    assert float(3 * shares @ variances.square()) == pytest.approx(3 * 0.25 * 0.1**4, rel=0.15)
