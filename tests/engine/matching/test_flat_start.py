"""A flat or random start: it contracts where phases are turned, and is pushed from the outskirts where not."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.common_kernel import CommonKernel
from ddm_gui.engine.matching.descent import KernelDescent
from ddm_gui.engine.matching.flat_start import SPREAD_WEIGHT
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.simulate.optics import gaussian

from .conftest import TINY, a_training, one_kernel


def test_a_flat_kernel_contracts_to_the_right_size_before_its_phases_are_turned() -> None:
    """NCC .4 at the start, above .95 after: photos whose spectrum falls as 1/f^2, blurred by 1 px."""
    settings = TINY.with_changes({"images_phase": 8, "start": "flat", "kernel_size": 9})
    truth = torch.from_numpy(gaussian(9, 1.0))
    frequency = torch.fft.fftfreq(WINDOW)
    clean = 1e-3 / (frequency[:, None].square() + frequency.square() + 1 / WINDOW**2)
    degraded = clean * torch.fft.fft2(truth, s=(WINDOW, WINDOW)).abs().square() + 0.02**2
    colour = ColourMatch(*(power[..., None, None].to(torch.complex64) for power in (degraded, clean)))
    training = a_training(settings)
    training.descent = KernelDescent(truth[None])
    training.model = SoftmaxKernels(torch.full((1, 9, 9), 1 / 81), torch.ones(1), 0.02)
    training.common = training.stretches.common = CommonKernel(training.model, colour)
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) < 0.5
    training._contract()
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) > 0.95
    stretches = training.stretches
    for kernel in (stretches.own, stretches.mean, training.common.pixels):  # what is measured, and then begun with
        torch.testing.assert_close(kernel, one_kernel(training))


def test_a_flat_kernel_whose_phases_are_not_turned_is_left_to_the_rounds() -> None:
    training = a_training(TINY.with_changes({"images_phase": 0, "start": "flat"}))
    before = one_kernel(training)
    training._contract()
    assert torch.equal(one_kernel(training), before)


@pytest.mark.parametrize("start", ["spectral", "flat", "random"])
def test_the_push_from_the_outskirts_belongs_to_starts_that_know_nothing(start: str) -> None:
    training = a_training(TINY.with_changes({"start": start}))
    pushes = [training._push(done) for done in (0.0, 0.25, 0.5, 0.75)]
    if start == "spectral":
        assert all(float(push) == 0.0 for push in pushes)
        return
    first = pushes[0]
    assert float(first[2, 2]) == 0.0
    assert float(first[0, 0]) == float(first.max()) == pytest.approx(SPREAD_WEIGHT * 2 * (2 / 2.5) ** 2)
    torch.testing.assert_close(pushes[1], first / 2)
    assert float(pushes[2].abs().max()) == float(pushes[3].abs().max()) == 0.0
