"""The stretches: what they begin with, how phases are turned and measured, and what they lead to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching import plan, trial
from ddm_gui.engine.matching.found import LARGEST_IKL
from ddm_gui.engine.matching.phase import UNKNOWN
from ddm_gui.engine.matching.stretches import ROUGHLY_KNOWN

from .conftest import LOPSIDED, TINY, KnownEdges, a_training, measuring, one_kernel, pulled, retrieved


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_phases_are_turned_then_a_kernel_that_stands_still_is_measured() -> None:
    """The own start first, as it is. Then come rounds. What is reported as IKL is that of rounds alone."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 6}))
    assert (training.first, training.updates) == (3 + 2 * 6, 3 + 2 * 6 + 8)
    own = one_kernel(training)
    for _ in range(2):
        pulled(training, 1)
        torch.testing.assert_close(one_kernel(training), own)
    pulled(training, 1)
    assert 0.0 != float(training.stretches.found.ikls[0]) < LARGEST_IKL
    for stretch in (1, 2):
        weights = training.auxiliary.network.leave.gain.detach().clone()
        for _ in range(3):
            before = one_kernel(training)
            pulled(training, 1)
            assert not torch.equal(one_kernel(training), before)
        assert torch.equal(training.auxiliary.network.leave.gain, weights)
        pulled(training, 1)
        measured = one_kernel(training)
        assert not torch.equal(training.auxiliary.network.leave.gain, weights)
        pulled(training, 1)
        assert torch.equal(one_kernel(training), measured)
        pulled(training, 1)
        assert 0.0 != float(training.stretches.found.ikls[stretch]) < LARGEST_IKL
        assert training.progress(0.0).ikl is None
    settled = one_kernel(training)
    pulled(training, 3)
    assert torch.equal(one_kernel(training), settled)
    assert training.progress(0.0).ikl is not None
    pulled(training, 1)
    assert not torch.equal(one_kernel(training), settled)


def test_the_own_start_is_followed_by_candidates_as_they_are_and_turned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 2}), channels=3)
    found = retrieved(monkeypatch, training)
    training.stretches.own = LOPSIDED  # as after a flat start has contracted
    begun, gains = [], []
    for stretch in range(1, 7):
        training.stretches._begin_stretch(stretch)
        begun.append(training.common.pixels)
        kernels = training.model.kernels().detach()
        torch.testing.assert_close(kernels, begun[-1].expand_as(kernels), rtol=0.0, atol=1e-5)
        gains.append(float(training.model.log_gain.detach().exp()[0]))
        unknown = UNKNOWN if stretch == 1 else ROUGHLY_KNOWN
        doubt = training.stretches.phase.state["variance"].sqrt()
        torch.testing.assert_close(doubt, torch.full((WINDOW, WINDOW), unknown))
    assert len(found) == 2  # each is kept, for the other way about
    assert not torch.equal(found[0], found[1])
    expected = [LOPSIDED, found[0], found[0].flip(0, 1), found[1], found[1].flip(0, 1)]
    for kernel, right in zip(begun, expected, strict=False):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    assert torch.equal(begun[5], begun[4])  # it goes on from what is there
    assert gains == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])


def test_a_candidate_whose_keeping_was_stopped_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not saved: found again it is the same one, whatever the gain and kernel of the moment."""
    settings = TINY.with_changes({"images_phase": 8, "candidates": 2})
    training, again = a_training(settings), a_training(settings)
    found = retrieved(monkeypatch, training)
    training.stretches._begin_stretch(4)
    kept = training.stretches._retrieved(1)
    assert len(found) == 1
    again.load({name: tensor.clone() for name, tensor in training.tensors().items()}, training.numbers())
    assert torch.equal(again.stretches._retrieved(1), kept)
    assert len(found) == 2


def test_a_stretch_is_measured_at_the_mean_of_its_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    for turns, averaged in ((1, [0]), (2, [1]), (3, [1, 2]), (6, [3, 4, 5])):
        monkeypatch.setattr(plan, "STRETCH", turns)
        training = a_training(TINY.with_changes({"images_phase": 8 * turns}))
        turned = [kernel / kernel.sum() for kernel in torch.rand(turns, 5, 5) + 0.1]
        there = iter(turned)
        monkeypatch.setattr(
            training.stretches, "_turn_phases", lambda *_, t=training, there=there: t.common.set(next(there))
        )
        monkeypatch.setattr(training.stretches.trial, "measure", lambda *_: None)
        pulled(training, training.plan.trial_length + turns)
        torch.testing.assert_close(one_kernel(training), turned[-1])
        pulled(training, 1)
        torch.testing.assert_close(one_kernel(training), torch.stack([turned[index] for index in averaged]).mean(dim=0))


def test_what_a_stretch_began_with_and_ends_with_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The own start is measured, and begun with, as it is. Where the end surprises more than the beginning, that is
    what was found."""
    worse = iter([1.0, 0.2, 0.1, 0.3, 0.4])  # the end; beginning, end; beginning, end
    edges = KnownEdges(lambda _: next(worse))
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 1}), edges=edges)
    found = retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.5, 0.4, 0.3, 0.2])
    own = one_kernel(training)
    turned = torch.rand(5, 5)
    turned /= turned.sum()
    monkeypatch.setattr(training.stretches, "_turn_phases", lambda *_: training.common.set(turned))
    pulled(training, training.first)
    measured = [kernel for kernel, *_ in seen.measured]
    expected = [own, turned.roll(1, dims=1), turned.roll(1, dims=1), found[0].flip(0, 1).roll(1, dims=1)]
    for kernel, right in zip(measured, expected, strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    for kernel, right in zip(seen.begun, [own, found[0].roll(1, dims=1), expected[3]], strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    assert training.stretches.found.surprises[1:].tolist() == pytest.approx([1.0, 0.1, 0.3])


@pytest.mark.parametrize("best", range(6))
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_rounds_begin_with_what_the_best_stretch_led_to(monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    """Three starts, of which the best goes on for two stretches more, where one is better by far than all others: the
    own start as it is, too.
    """
    training = a_training(TINY.with_changes({"images_phase": 8 * 9, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    ikl = [0.8, 0.5, 0.4, 0.6, 0.7, 0.3]
    ikl[best] = -0.1
    own = one_kernel(training)
    seen = measuring(monkeypatch, training, ikl)
    pulled(training, training.first)
    assert (len(seen.begun), len(seen.measured)) == (5, 6)
    torch.testing.assert_close(seen.measured[0][0], own)
    torch.testing.assert_close(seen.begun[0], own)
    for stretch in (4, 5):
        expected = seen.measured[int(np.argmin(ikl[:stretch]))][0]
        torch.testing.assert_close(seen.begun[stretch - 1], expected, rtol=0.0, atol=1e-5)
    kernel, log_gain, known = seen.measured[best]
    torch.testing.assert_close(one_kernel(training), kernel, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(training.model.log_gain.detach(), log_gain)
    for name, tensor in training.stretches.phase.tensors().items():
        assert torch.equal(tensor, known[name]), name
    for one, other in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        assert float((seen.measured[one][0] - seen.measured[other][0]).abs().max()) > 1e-3


@pytest.mark.parametrize("last", [2, 8], ids=["own start", "first stretch"])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_an_ikl_that_is_not_finite_is_told_before_the_kernel_is_chosen_by_it(
    monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """At the last update of the trial."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    monkeypatch.setattr(trial, "excess_loss", lambda *_: torch.tensor(math.nan if training.update == last else 0.1))
    pulled(training, last)
    before = one_kernel(training)
    with pytest.raises(UserError, match="not finite"):
        training.step()
    assert torch.equal(one_kernel(training), before)
