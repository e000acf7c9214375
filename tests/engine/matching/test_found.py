"""Which of the kernels that were found is believed, as the stretches find them."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine.matching.blend import blended
from ddm_gui.engine.matching.found import FoundKernels

from .conftest import LOPSIDED, TINY, KnownEdges, a_training, measuring, one_kernel, pulled, retrieved


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_kernels_of_one_ikl_that_is_believed_with_which_photos_surprise_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surprises = iter([-0.9, 0.0, 0.0, 0.0, 0.0])
    edges = KnownEdges(lambda _: next(surprises))
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True, edges=edges)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.5, 0.0, 0.0, 0.0])
    pulled(training, training.first)
    torch.testing.assert_close(one_kernel(training), seen.measured[1][0], rtol=0.0, atol=1e-5)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_stretches_that_are_as_good_as_each_other_are_blended(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their measured IKL, all of them; gain and phases' doubt are the best one's."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    ikls = [0.9, 0.5, 4e-4, 2e-4, 0.0, 4e-4]
    seen = measuring(monkeypatch, training, ikls)
    pulled(training, training.first)
    kernels = torch.stack([kernel for kernel, *_ in seen.measured])
    torch.testing.assert_close(one_kernel(training), blended(kernels, torch.tensor(ikls)), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(training.model.log_gain.detach(), seen.measured[4][1])
    for name, tensor in training.stretches.phase.tensors().items():
        assert torch.equal(tensor, seen.measured[4][2][name]), name


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_a_kernel_and_itself_turned_about_the_one_that_leads_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the other one's IKL is a little less."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [3e-3, 2e-3, 8e-4, 7e-4])
    leads = torch.tensor([0.0, 0.0, 1e-3, -1e-3])
    monkeypatch.setattr(training.stretches.found, "leads", leads)
    pulled(training, training.first)
    assert len(seen.measured) == 4
    torch.testing.assert_close(one_kernel(training), seen.measured[2][0], rtol=0.0, atol=1e-4)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_stretch_that_was_not_measured_yet_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the IKL of the only one that was."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    training.stretches.start_from(LOPSIDED)
    seen = measuring(monkeypatch, training, [1e3])
    pulled(training, 3)
    torch.testing.assert_close(seen.measured[0][0], LOPSIDED, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(one_kernel(training), LOPSIDED, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(("surprise", "best"), [(-7.855, 1), (-7.80, 2)])
def test_a_little_less_surprise_is_chance_and_the_own_start_needs_none(surprise: float, best: int) -> None:
    """Kernel 1 has the smaller IKL; kernel 0 is the own start."""
    found = FoundKernels(4, 5, torch.device("cpu"))
    found.ikls[:3] = torch.tensor([9e-4, 1e-4, 3e-4])
    found.surprises[1:3] = torch.tensor([surprise, -7.865])
    assert found.best() == best
    found.ikls[0] = 5e-5
    assert found.best() == 0
