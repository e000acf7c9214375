"""One kernel and those of the colours, which are made of it: while phases are turned, and once more after."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching.colour import apart

from .conftest import DIFFERENCES, TINY, a_training, pulled


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_while_phases_are_turned_the_kernels_of_the_colours_are_made_of_one(
    monkeypatch: pytest.MonkeyPatch, channels: int, kernels: int
) -> None:
    """And those are what the power spectra are compared with."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), channels, kernels)
    monkeypatch.setattr(training.common.colour, "differences", lambda *_: DIFFERENCES)
    move, turned = training.stretches.phase.move, []

    def moved(kernel: Tensor, colours: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        assert torch.equal(kernel, training.common.pixels)
        torch.testing.assert_close(colours, training.model.with_gain())
        turned.append(training.update)
        return move(kernel, colours, gradient)

    monkeypatch.setattr(training.stretches.phase, "move", moved)
    for _ in range(training.first):
        pulled(training, 1)
        colours = training.model.kernels().detach()
        assert colours.shape == (kernels, 5, 5)
        expected = apart(training.common.pixels, DIFFERENCES) if kernels > 1 else training.common.pixels[None]
        torch.testing.assert_close(colours, expected, rtol=0.0, atol=1e-5)
        assert kernels == 1 or float((colours[0] - colours[2]).abs().max()) > 0.01
    assert len(turned) == 3 * 3


@pytest.mark.parametrize("images_phase", [0, 8 * 3])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_colours_are_set_apart_before_the_phases_are_turned_and_after(
    monkeypatch: pytest.MonkeyPatch, images_phase: int
) -> None:
    """Around the own start, and around the kernel that the phases led to; not after rounds. Once, without stretches."""
    training = a_training(TINY.with_changes({"images_phase": images_phase, "images_kernel": 8 * 12}), channels=3)
    given: list[tuple[int, Tensor]] = []

    def differences(kernel: Tensor, gains: Tensor, sigma: Tensor) -> Tensor:
        given.append((training.update, kernel))
        torch.testing.assert_close(gains, training.model.log_gain.detach().exp())
        assert float(sigma) == pytest.approx(training.noise_sigma())
        return DIFFERENCES / len(given)

    def assert_apart() -> None:
        expected = apart(training.common.pixels, DIFFERENCES / len(given))
        torch.testing.assert_close(training.model.kernels().detach(), expected, rtol=0.0, atol=1e-5)

    monkeypatch.setattr(training.common.colour, "differences", differences)
    own = training.common.pixels
    pulled(training, 1)
    assert_apart()
    pulled(training, max(training.first - 1, 0))
    before = training.common.pixels
    pulled(training, training.first + 1 - training.update)
    assert_apart()
    pulled(training, 11)
    assert [update for update, _ in given] == sorted({0, training.first})
    torch.testing.assert_close(given[0][1], own)
    torch.testing.assert_close(given[-1][1], before)
