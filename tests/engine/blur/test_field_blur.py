"""Blur that changes over the field: against its definition, its adjoint, and the picture of an arrow in each corner."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.degradation import blur_same, blur_valid
from ddm_gui.engine.blur.field_blur import blur_field, blur_field_adjoint, blur_field_same
from ddm_gui.engine.blur.psf import PsfGrid

GRIDS = [(1, 1), (2, 3), (3, 1), (4, 4)]


def some_kernels(rows: int, cols: int, channels: int, size: int, seed: int = 0) -> Tensor:
    kernels = torch.rand(rows, cols, channels, size, size, generator=generator(seed), dtype=torch.float64)
    return kernels / kernels.sum(dim=(3, 4), keepdim=True)


def some_photo(height: int, width: int, channels: int = 3, seed: int = 1) -> Tensor:
    return torch.rand(2, channels, height, width, generator=generator(seed), dtype=torch.float64)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_definition(photo: Tensor, kernels: Tensor) -> Tensor:
    """Each clean pixel's light, spread by the kernel that lies at its place."""
    grid = PsfGrid(kernels.numpy())
    size = grid.size
    height, width = photo.shape[-2] - size + 1, photo.shape[-1] - size + 1
    full = torch.zeros(*photo.shape[:2], photo.shape[-2] + size - 1, photo.shape[-1] + size - 1, dtype=torch.float64)
    before = size - 1 - size // 2
    for row, col in np.ndindex(*photo.shape[-2:]):
        kernel = torch.from_numpy(grid.at((row - before) / (height - 1), (col - before) / (width - 1))).double()
        full[..., row : row + size, col : col + size] += photo[..., row, col, None, None] * kernel
    return full[..., size - 1 : size - 1 + height, size - 1 : size - 1 + width]


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("grid", GRIDS)
def test_it_is_what_it_is_defined_as(grid: tuple[int, int], channels: int, size: int) -> None:
    photo, kernels = some_photo(13, 17), some_kernels(*grid, channels, size)
    torch.testing.assert_close(blur_field(photo, kernels), by_definition(photo, kernels), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("size", [5, 6])
def test_one_node_is_plain_blur(size: int) -> None:
    photo, kernels = some_photo(20, 14), some_kernels(1, 1, 3, size)
    torch.testing.assert_close(blur_field(photo, kernels), blur_valid(photo, kernels[0, 0]))
    pixels = photo[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(
        blur_field_same(pixels, kernels.numpy()), blur_same(pixels, kernels[0, 0].numpy()), atol=1e-6
    )


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("channels", "size"), [(1, 4), (3, 5)])
def test_the_adjoint(grid: tuple[int, int], channels: int, size: int) -> None:
    kernels, clean = some_kernels(*grid, channels, size), some_photo(19, 23)
    degraded = some_photo(19 - size + 1, 23 - size + 1, seed=2)
    there = (degraded * blur_field(clean, kernels)).sum()
    back = (blur_field_adjoint(degraded, kernels) * clean).sum()
    assert float(there) == pytest.approx(float(back), rel=1e-10)


def test_its_gradient() -> None:
    photo, kernels = some_photo(7, 8, channels=1), some_kernels(2, 2, 1, 3)
    assert torch.autograd.gradcheck(blur_field, (photo.requires_grad_(True), kernels.requires_grad_(True)))


def arrow(down: int, right: int, size: int = 9) -> np.ndarray:
    """A bright pixel in the middle and a fainter tail that points somewhere."""
    kernel = np.zeros((size, size))
    middle = size // 2
    for step, light in enumerate((0.4, 0.3, 0.2, 0.1)):
        kernel[middle + step * down, middle + step * right] = light
    return kernel


def test_an_arrow_in_each_corner_points_where_its_node_says() -> None:
    """2 x 3 nodes, another arrow for each colour: a point of light near each corner, and in the middle of the edges."""
    ways = [(-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)]
    colours = np.array([[arrow(*way), arrow(*way[::-1]), arrow(-way[0], -way[1])] for way in ways])
    grid = PsfGrid(colours.reshape(2, 3, 3, 9, 9))
    photo = np.zeros((41, 81, 3))
    places = [(0, 0), (0, 40), (0, 80), (40, 0), (40, 40), (40, 80)]
    inside = [(min(max(row, 8), 32), min(max(col, 8), 72)) for row, col in places]
    for row, col in inside:
        photo[row, col] = 1.0
    seen = blur_field_same(photo, grid.kernels)
    for node, (row, col) in enumerate(inside):
        picture = np.moveaxis(seen[row - 4 : row + 5, col - 4 : col + 5], 2, 0)
        np.testing.assert_allclose(picture, grid.at(row / 40, col / 80), atol=1e-6)
        for colour in range(3):
            overlaps = [float((picture[colour] * colours[other, colour]).sum()) for other in range(6)]
            assert int(np.argmax(overlaps)) == node


@pytest.mark.parametrize("shape", [(3, 5, 5), (1, 1, 3, 5, 4), (2, 2, 2, 5, 5)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="kernels"):
        blur_field(some_photo(20, 20), torch.ones(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match="kernels"):
        blur_field_same(np.ones((20, 20, 3)), np.ones(shape))


def test_photos_smaller_than_the_kernel() -> None:
    with pytest.raises(ValueError, match="smaller"):
        blur_field(some_photo(4, 20), some_kernels(2, 2, 1, 5))
