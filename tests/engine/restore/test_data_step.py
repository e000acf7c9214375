"""The data step is what it is defined as: the least of its functional, by either way, in parts as in the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.degradation import blur_valid
from ddm_gui.engine.blur.field_blur import Window, blur_field, blur_field_adjoint
from ddm_gui.engine.restore.data_step import ClosedForm, ConjugateGradients, data_step

SIZE = 5


def kernels(rows: int, cols: int, channels: int = 1) -> Tensor:
    drawn = torch.rand(rows, cols, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).double()
    return drawn / drawn.sum(dim=(-2, -1), keepdim=True)


def photo(height: int, width: int, channels: int = 1, seed: int = 1) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed)).double()


def loss(x: Tensor, y: Tensor, z: Tensor, alpha: float, grid: Tensor, weights: Tensor, reach: int) -> Tensor:
    """The functional itself, by the forward operator alone."""
    first, last = reach - (SIZE - 1 - SIZE // 2), reach - SIZE // 2
    part = x[..., first : x.shape[-2] - last, first : x.shape[-1] - last]
    return (weights * (blur_field(part, grid) - y).square()).sum() + alpha * (x - z).square().sum()


@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("nodes", [(1, 1), (2, 3)])
def test_conjugate_gradients_find_the_least(nodes: tuple[int, int], alpha: float) -> None:
    """Its gradient vanishes there, taken through the functional and not through the solver's own operators."""
    grid, y = kernels(*nodes, channels=3), photo(14, 18, 3)
    weights = (photo(14, 18, 3, seed=2) > 0.2).double() * (0.5 + photo(14, 18, 3, seed=4))
    step = ConjugateGradients(y, grid, weights, iterations=60)
    z = photo(14 + 2 * step.reach, 18 + 2 * step.reach, 3, seed=3)
    x = step.solve(z, alpha).requires_grad_(True)
    value = loss(x, y, z, alpha, grid, weights, step.reach)
    (gradient,) = torch.autograd.grad(value, x)
    assert float(gradient.abs().max()) < 1e-5
    few = ConjugateGradients(y, grid, weights).solve(z, alpha)
    assert float(loss(few, y, z, alpha, grid, weights, step.reach)) < 1.02 * float(value.detach())


def test_the_closed_form_is_the_solution_on_its_torus() -> None:
    """(A'A + alpha) x = A'y + alpha z, each side by plain convolution inside, far from what lies around."""
    grid, y, alpha = kernels(1, 1), photo(40, 44), 0.05
    step = ClosedForm(y, grid[0, 0], None)
    z = step.start() + 0.1 * photo(40 + 2 * step.reach, 44 + 2 * step.reach, seed=3)
    x = step.solve(z, alpha)
    assert x.shape == z.shape
    assert step.inside(x).shape == y.shape
    around = SIZE - 1 - SIZE // 2, SIZE // 2

    def blurred(pixels: Tensor, kernel: Tensor) -> Tensor:
        return torch.nn.functional.pad(blur_valid(pixels, kernel), (around[0], around[1], around[0], around[1]))

    turned = grid[0, 0].flip(-2, -1)
    left = blurred(blurred(x, grid[0, 0]), turned) + alpha * x
    right = blurred(step.start(), turned) + alpha * z
    far = slice(2 * SIZE, -2 * SIZE)
    torch.testing.assert_close(left[..., far, far], right[..., far, far])


def test_where_the_camera_was_clipped_light_may_be_brighter_but_not_darker() -> None:
    """A bright spot cut off at white: taken at its word it rings all around, as a censored one hardly."""
    sharp = torch.full((1, 1, 61, 61), 0.1).double()
    sharp[..., 28:33, 28:33] = 3.0
    grid = kernels(1, 1)
    y = blur_valid(sharp, grid[0, 0]).clamp_max(1.0)
    wrong = []
    for weights in (None, (y < 1.0).double()):
        step = data_step(y, grid, weights)
        assert isinstance(step, ClosedForm)
        x = step.start()
        for _ in range(200):
            x = step.solve(x, 0.1)
        found = step.inside(x)
        found[..., 24:33, 24:33] = 0.1  # the spot itself
        wrong.append(float((found - 0.1).abs().max()))
    assert wrong[1] < 0.5 * wrong[0], wrong


def test_the_kind_of_solution_follows_from_what_is_asked() -> None:
    y = photo(12, 12)
    assert isinstance(data_step(y, kernels(1, 1)), ClosedForm)
    assert isinstance(data_step(y, kernels(1, 1), torch.ones_like(y)), ClosedForm)
    assert isinstance(data_step(y, kernels(1, 1), 0.5 * torch.ones_like(y)), ConjugateGradients)
    assert isinstance(data_step(y, kernels(2, 1)), ConjugateGradients)


def test_a_part_of_a_photo_is_blurred_as_in_the_whole() -> None:
    grid, rows, cols = kernels(3, 4, 3), slice(7, 20), slice(11, 30)
    x = photo(30 + SIZE - 1, 40 + SIZE - 1, 3)
    window = Window(rows.start, cols.start, 30, 40)
    part = x[..., rows.start : rows.stop + SIZE - 1, cols.start : cols.stop + SIZE - 1]
    blurred = blur_field(part, grid, window)
    torch.testing.assert_close(blurred, blur_field(x, grid)[..., rows, cols])
    y = torch.rand_like(blurred)
    spread = blur_field_adjoint(y, grid, window)
    torch.testing.assert_close((spread * part).sum(), (y * blurred).sum())
