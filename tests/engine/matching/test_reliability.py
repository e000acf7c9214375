"""How sure kernels are, on kernels whose errors are known."""

from __future__ import annotations

import torch

from ddm_gui.engine.matching.reliability import reliability


def test_it_is_the_ncc_of_the_mean_of_both_with_the_truth() -> None:
    """A truth and independent errors of the size of half its power: over many kernels what is foretold comes true."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.arange(31) - 15.0
    truth = torch.exp(-(axis[:, None].square() + axis.square()) / 18).expand(200, 31, 31)
    scale = 0.7 * truth[0].std()
    halves = [truth + scale * torch.randn(truth.shape, generator=generator) for _ in range(2)]
    one, other, exact = (kernels / kernels.sum(dim=(1, 2), keepdim=True) for kernels in (*halves, truth))
    mean = ((one + other) / 2).flatten(1)
    real = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(mean, exact.flatten(1), strict=True)])
    torch.testing.assert_close(reliability(one, other).mean(), real.mean(), rtol=0, atol=0.02)


def test_halves_that_are_alike_are_sure_and_halves_that_contradict_each_other_are_not() -> None:
    point = torch.zeros(2, 3, 9, 9)
    point[..., 4, 4] = 1.0
    elsewhere = point.roll(2, -1)
    torch.testing.assert_close(reliability(point, point), torch.ones(2, 3))
    torch.testing.assert_close(reliability(point, elsewhere), torch.zeros(2, 3))
