"""How a kernel that stands still is measured: its IKL, and its lead over itself turned about."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching import trial
from ddm_gui.engine.matching.found import LARGEST_IKL

from .conftest import LOPSIDED, TINY, a_training, pulled


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_lead_is_that_of_the_kernel_over_itself_turned_about() -> None:
    """The opposite of a kernel's is its own turned about; a symmetric one has none."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}), knows=True)

    def lead(kernel: Tensor) -> float:
        training.stretches.found.leads[0] = 0.0
        training.common.set(kernel)
        for update in range(training.plan.trial_length):
            training.stretches.trial.measure(training.stretches.found, 0, update)
        return float(training.stretches.found.leads[0])

    right = lead(LOPSIDED)
    assert right != 0.0
    assert lead(LOPSIDED.flip(0, 1)) == pytest.approx(-right, rel=1e-4)
    assert lead(torch.full((5, 5), 1 / 25)) == 0.0


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_measurement_is_that_of_the_kernel_alone() -> None:
    """A network of its own that begins as step 1's, and the same patches: the same kernel gives the same number."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))

    def measured(kernel: Tensor, stretch: int) -> float:
        training.common.set(kernel)
        for update in range(training.plan.trial_length):
            training.stretches.trial.measure(training.stretches.found, stretch, update)
        assert torch.equal(training.flow.velocity.leave.gain, weights)
        return float(training.stretches.found.ikls[stretch])

    weights = training.flow.velocity.leave.gain.clone()
    first = measured(LOPSIDED, 0)
    other = measured(torch.full((5, 5), 1 / 25), 1)
    again = measured(LOPSIDED, 2)
    assert again == first != other
    assert training.heard == 0  # it is not what is reported


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_ikl_of_a_stretch_is_the_mean_over_the_last_updates_of_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    numbers = iter([3.0, 5.0, 1.0, 2.0, 0.5, 0.7])
    monkeypatch.setattr(trial, "excess_loss", lambda *_: torch.tensor(next(numbers)))
    pulled(training, 3 + 2 * 6)
    assert training.stretches.found.ikls.tolist() == pytest.approx([4.0, 1.5, 0.6, LARGEST_IKL])
