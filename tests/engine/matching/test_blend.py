"""Which of several kernels to believe: groups that are alike, weighed by their IKL."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching.blend import IKL_SCATTER, blended
from ddm_gui.engine.matching.retrieval import turned_about


def speck(size: int) -> Tensor:
    """A compact kernel, lopsided, which reaches no further than 2 px."""
    kernel = torch.zeros(size, size)
    middle = size // 2
    kernel[middle, middle : middle + 3] = torch.tensor([0.5, 0.2, 0.05])
    kernel[middle - 1, middle - 1 : middle + 2] = torch.tensor([0.05, 0.15, 0.05])
    return kernel


def variants(count: int, size: int = 13) -> Tensor:
    """Kernels that are nearly the same, n x k x k."""
    noise = torch.rand(count, size, size, generator=torch.Generator().manual_seed(1))
    kernels = speck(size) + 2e-3 * noise * (noise > 0.9)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def test_alike_kernels_are_averaged_by_a_weight_that_falls_to_1_over_e_within_the_scatter() -> None:
    kernels = variants(3)
    weights = torch.tensor([1.0, math.exp(-1), math.exp(-2)])
    mean = torch.einsum("n,nhw->hw", weights / weights.sum(), kernels)
    found = blended(kernels, 0.3 + torch.tensor([0.0, 1.0, 2.0]) * IKL_SCATTER)
    torch.testing.assert_close(found, mean, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("right", [0, 1])
def test_one_and_itself_turned_about_are_not_mixed(right: int) -> None:
    """The group with more weight in all is believed, also where the single best one is of the other."""
    kernels = variants(3)
    kernels[1 - right] = turned_about(kernels[1 - right])
    ikls = torch.tensor([0.0, 0.0, 1.0]) * IKL_SCATTER
    ikls[right] = 0.3 * IKL_SCATTER
    members = [right, 2]
    weights = torch.softmax(-ikls[members] / IKL_SCATTER, dim=0)
    expected = torch.einsum("n,nhw->hw", weights, kernels[members])
    torch.testing.assert_close(blended(kernels, ikls), expected, rtol=0.0, atol=1e-5)


def test_a_shift_is_no_other_kernel() -> None:
    kernels = variants(2)
    kernels[1] = kernels[1].roll((1, -1), dims=(0, 1))
    expected = kernels.mean(dim=0)
    torch.testing.assert_close(blended(kernels, torch.zeros(2)), expected, rtol=0.0, atol=1e-5)


def test_what_was_not_measured_counts_for_nothing() -> None:
    kernels = torch.cat([variants(1), torch.zeros(2, 13, 13)])
    ikls = torch.tensor([1e3, 1e9, 1e9])
    torch.testing.assert_close(blended(kernels, ikls), kernels[0], rtol=0.0, atol=1e-5)
