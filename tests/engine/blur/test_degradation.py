"""The forward operator: against its definition, its adjoint, and the kernel convention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from ddm_gui.engine.blur.degradation import (
    blur_adjoint,
    blur_same,
    blur_valid,
    clip_straight_through,
    round_straight_through,
)

ARROW = torch.tensor([[0.0, 0.1, 0.0, 0.0], [0.1, 0.5, 0.2, 0.0], [0.0, 0.05, 0.0, 0.0], [0.0, 0.0, 0.0, 0.05]])


def tensor(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("lead", [(1,), (3,), (2, 1), (2, 3)])
def test_valid_blur_is_the_true_convolution(size: int, lead: tuple[int, ...]) -> None:
    photos, kernels = tensor(0, 2, 3, 13, 17), tensor(1, *lead, size, size)
    each = kernels.expand(2, 3, size, size)
    blurred = blur_valid(photos, kernels)
    for index in np.ndindex(2, 3):
        expected = convolve2d(photos[index].numpy(), each[index].numpy(), mode="valid")
        np.testing.assert_allclose(blurred[index].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("size", [4, 7])
@pytest.mark.parametrize("lead", [(1,), (3,), (2, 3)])
def test_adjoint_identity(dtype: torch.dtype, tolerance: float, size: int, lead: tuple[int, ...]) -> None:
    photos, kernels = tensor(0, 2, 3, 30, 23, dtype=dtype), tensor(1, *lead, size, size, dtype=dtype)
    kernels = kernels / kernels.sum(dim=(-2, -1), keepdim=True)
    degraded = tensor(2, 2, 3, 31 - size, 24 - size, dtype=dtype)
    one = (degraded * blur_valid(photos, kernels)).sum()
    other = (blur_adjoint(degraded, kernels) * photos).sum()
    assert abs(float(one - other)) <= tolerance * abs(float(one))


def test_differentiable_in_photo_and_kernel() -> None:
    photos, kernels = tensor(0, 1, 3, 7, 6).requires_grad_(), tensor(1, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(blur_valid, (photos, kernels))


def test_gradient_in_the_photo_is_the_adjoint() -> None:
    photos, kernels, degraded = tensor(0, 1, 3, 9, 9).requires_grad_(), tensor(1, 3, 4, 4), tensor(2, 1, 3, 6, 6)
    (blur_valid(photos, kernels) * degraded).sum().backward()
    assert photos.grad is not None
    torch.testing.assert_close(photos.grad, blur_adjoint(degraded, kernels))


@pytest.mark.parametrize("size", [4, 5])
def test_a_white_pixel_becomes_the_picture_of_the_kernel(size: int) -> None:
    """Row 0 on top, origin at k//2; 'valid' pixel (i, j) lies on clean pixel (i + k-1-k//2, j + k-1-k//2)."""
    kernel = torch.zeros(size, size)
    kernel[:4, :4] = ARROW
    white = torch.zeros(1, 1, 21, 19)
    white[0, 0, 10, 8] = 1.0
    blurred = blur_valid(white, kernel[None])[0, 0]
    offset = size - 1 - size // 2
    top, left = 10 - size // 2 - offset, 8 - size // 2 - offset
    torch.testing.assert_close(blurred[top : top + size, left : left + size], kernel, atol=1e-6, rtol=0.0)
    assert float(blurred.sum()) == pytest.approx(float(kernel.sum()), abs=1e-5)
    same = blur_same(white[0].permute(1, 2, 0).numpy(), kernel[None].numpy())[..., 0]
    top, left = 10 - size // 2, 8 - size // 2
    np.testing.assert_allclose(same[top : top + size, left : left + size], kernel.numpy(), atol=1e-6)


@pytest.mark.parametrize("size", [4, 5])
def test_same_and_valid_agree_where_the_kernel_fits(size: int) -> None:
    photos, kernels = tensor(0, 1, 3, 20, 15), tensor(1, 3, size, size)
    same = blur_same(photos[0].permute(1, 2, 0).numpy(), kernels.numpy())
    assert same.shape == (20, 15, 3)
    offset = size - 1 - size // 2
    inside = same[offset : offset + 21 - size, offset : offset + 16 - size]
    np.testing.assert_allclose(inside, blur_valid(photos, kernels)[0].permute(1, 2, 0).numpy(), atol=1e-5)


def test_same_takes_one_kernel_for_all_colours_and_photos_smaller_than_it() -> None:
    pixels = np.full((3, 1, 3), 0.25)
    np.testing.assert_allclose(blur_same(pixels, np.full((1, 9, 9), 1 / 81)), pixels, atol=1e-6)


def test_straight_through_keeps_the_gradient() -> None:
    degraded = torch.tensor([-0.5, 0.2, 1.5], requires_grad=True)
    clipped = clip_straight_through(degraded)
    assert clipped.tolist() == pytest.approx([0.0, 0.2, 1.0])
    rounded = round_straight_through(clipped, 8)
    assert rounded.tolist()[1] * 255 == pytest.approx(51.0, abs=1e-4)
    assert float(round_straight_through(torch.tensor(0.3), 1)) == 0.0
    (rounded * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert degraded.grad is not None
    assert degraded.grad.tolist() == [1.0, 2.0, 3.0]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller than the kernel"):
        blur_valid(torch.zeros(1, 1, 4, 9), torch.zeros(1, 5, 5))
    with pytest.raises(ValueError, match="do not fit"):
        blur_valid(torch.zeros(1, 1, 9, 9), torch.zeros(3, 5, 5))
    with pytest.raises(ValueError, match="do not fit"):
        blur_same(np.zeros((9, 9, 1)), np.zeros((3, 5, 5)))
