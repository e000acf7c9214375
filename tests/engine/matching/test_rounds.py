"""Step 2 by rounds: who moves when, by how much, and that a stopped search equals one never stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.matching import plan, rounds
from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.found import LARGEST_IKL

from .conftest import DIFFERENCES, TINY, KnownNoise, a_training, pulled


@pytest.mark.usefixtures("short_rounds")
def test_the_kernel_moves_once_a_round_and_gain_and_noise_while_it_is_listened_to() -> None:
    training = a_training(TINY.with_changes({"images_kernel": 8 * 8}))
    assert (training.first, training.updates) == (0, 8)
    before = training.model.kernels().detach().clone()
    noise, gain = training.noise_sigma(), training.model.log_gain.detach().clone()
    weights = training.auxiliary.network.leave.gain.detach().clone()
    pulled(training, 2)
    assert not torch.equal(training.auxiliary.network.leave.gain, weights)
    assert torch.equal(training.model.log_gain, gain)
    assert training.noise_sigma() == noise
    assert float(training.gradient.abs().max()) == 0.0
    report = training.progress(0.0)
    assert (report.ikl, report.ikl_floor) == (None, None)
    pulled(training, 1)
    assert torch.equal(training.model.kernels(), before)
    assert not torch.equal(training.model.log_gain, gain)
    assert training.noise_sigma() != noise
    assert float(training.gradient.abs().max()) > 0.0
    report = training.progress(0.0)
    assert report.ikl is not None
    assert report.ikl_floor == 0.002
    pulled(training, 1)
    moved = training.model.kernels().detach().clone()
    assert not torch.equal(moved, before)
    assert float(training.gradient.abs().max()) == 0.0
    pulled(training, 3)
    assert torch.equal(training.model.kernels(), moved)
    pulled(training, 1)
    assert not torch.equal(training.model.kernels(), moved)
    assert torch.equal(training.flow.velocity.leave.gain, weights)  # step 1's network is left alone


@pytest.mark.parametrize(("images", "rounds"), [(64, 2), (8 * 4 * 3, 3), (8 * 4 * 3 + 1, 4)])
@pytest.mark.usefixtures("short_rounds")
def test_all_rounds_are_whole(images: int, rounds: int) -> None:
    training = a_training(TINY.with_changes({"images_kernel": images}))
    assert training.updates == 4 * rounds


def test_photon_noise_is_fitted_before_each_round_and_stands_still_meanwhile(short_rounds: None) -> None:
    fit = KnownNoise()
    training = a_training(TINY, noise_fit=fit)
    begun = training.first
    training.update = begun
    pulled(training, 1)
    assert len(fit.asked) == 1
    pulled(training, training.plan.round_length - 1)
    assert training.model.noise().photon.shot == pytest.approx(0.01, rel=1e-4)  # nothing else moved it
    assert len(fit.asked) == 1
    pulled(training, 1)
    assert training.model.noise().photon.shot == pytest.approx(0.02, rel=1e-4)
    assert training.photon_noise() == PhotonNoise(0.03, 1e-4)  # fitted again to what was found
    assert not torch.equal(fit.asked[0], fit.asked[1])
    assert a_training().photon_noise() is None


@pytest.mark.usefixtures("short_rounds")
def test_each_round_starts_from_the_network_of_step_1() -> None:
    """Weights, average and optimiser: the update after a joint is that of a training that has just begun."""
    training = a_training(TINY.with_changes({"images_kernel": 8 * 8}))
    pulled(training, 4)
    learned = training.auxiliary.network.leave.gain.detach().clone()
    fresh = a_training(training.settings)
    fresh.model.load_state_dict(training.model.state_dict())
    fresh.update = 4
    for each in (training, fresh):
        pulled(each, 1)
    assert not torch.equal(training.auxiliary.network.leave.gain, learned)
    for name in ("auxiliary", "followed", "optimiser"):
        ours = {key: value for key, value in training.tensors().items() if key.startswith(name)}
        theirs = {key: value for key, value in fresh.tensors().items() if key.startswith(name)}
        assert ours.keys() == theirs.keys()
        assert ours
        for key, tensor in theirs.items():
            assert torch.equal(ours[key], tensor), key


@pytest.mark.usefixtures("short_rounds")
def test_the_gradients_of_a_round_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training()
    given: list[tuple[Tensor, float]] = []

    def keep(_logits: Tensor, gradient: Tensor, _push: Tensor, size: float) -> None:
        given.append((gradient.clone(), size))

    monkeypatch.setattr(training.descent, "move_shape", keep)
    pulled(training, 3)
    first = training.gradient.clone()
    pulled(training, 1)
    second = given[0][0] - first
    assert float(first.abs().max()) > 0.0
    assert float(second.abs().max()) > 0.0
    assert not torch.equal(first, second)


@pytest.mark.usefixtures("short_rounds")
def test_a_gradient_that_is_not_finite_is_told_before_the_kernel_moves() -> None:
    training = a_training()
    pulled(training, 3)
    before = training.model.kernels().detach().clone()
    training.gradient[0, 1, 1] = math.nan
    with pytest.raises(UserError, match="not finite"):
        training.step()
    assert torch.equal(training.model.kernels(), before)


@pytest.mark.usefixtures("short_rounds")
def test_steps_get_smaller_from_the_rate_down_to_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_kernel": 8 * 4 * 20, "kernel_rate": 0.5}))
    sizes: list[float] = []
    monkeypatch.setattr(training.descent, "move_shape", lambda *given: sizes.append(given[-1]))
    pulled(training, training.updates)
    assert len(sizes) == 20
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(0.5, rel=0.05)
    assert sizes[-1] == pytest.approx(0.5 * rounds.SMALLEST_STEP, rel=0.05)


@pytest.mark.parametrize("sigma", ["learn", 0.05])
@pytest.mark.usefixtures("short_rounds")
def test_noise_is_learned_only_when_asked_for(sigma: str | float) -> None:
    training = a_training(TINY.with_changes({"noise_sigma": sigma}))
    before = training.noise_sigma()
    pulled(training, 4)
    assert (training.noise_sigma() == before) is (sigma != "learn")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 10])
def test_the_result_is_the_mean_over_the_last_rounds(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "ROUND", 2)
    monkeypatch.setattr(rounds, "LISTENING", 1)
    training = a_training(TINY.with_changes({"images_kernel": max(64, 16 * number)}))
    training.updates = 2 * number
    seen, sigmas = [], []
    while training.update < training.updates:
        pulled(training, 2)
        seen.append(training.model.kernels().detach().clone())
        sigmas.append(training.noise_sigma())
    count = training.averaged
    assert 1 <= count <= TINY.averaged_share * number + 1
    assert count >= TINY.averaged_share * number - 1
    torch.testing.assert_close(training.average, torch.stack(seen[-count:]).mean(dim=0))
    torch.testing.assert_close(training.average.sum(dim=(1, 2)), torch.ones(1))
    assert float(training.average_sigma) == pytest.approx(np.mean(sigmas[-count:]), rel=1e-5)


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.parametrize("start", ["spectral", "flat"])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_step_2_stays_finite_and_its_state_comes_back_at_any_update(
    monkeypatch: pytest.MonkeyPatch, start: str, channels: int, kernels: int
) -> None:
    """Wherever it is stopped, the update after is the same: hence all that follow are.

    The own start, five stretches, the second and third from a candidate, and nearly three rounds.
    """
    monkeypatch.setattr(ColourMatch, "differences", lambda *_: DIFFERENCES)
    changes = {"images_phase": 8 * 9, "candidates": 1, "images_kernel": 8 * 12, "start": start}
    settings = TINY.with_changes(changes)
    training = a_training(settings, channels, kernels, knows=True)
    assert (training.first, training.updates) == (3 + 5 * 6, 3 + 5 * 6 + 12)
    filled: set[str] = set()  # what was not zero at some update
    for _ in range(training.updates - 1):
        tensors = {name: tensor.detach().clone() for name, tensor in training.tensors().items()}
        assert all(tensor.isfinite().all() for tensor in tensors.values())
        copy = a_training(settings, channels, kernels, knows=True)
        copy.load(tensors, training.numbers())
        copy.update = training.update
        loaded = copy.tensors()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
        pulled(training, 1)
        pulled(copy, 1)
        first, second = training.tensors(), copy.tensors()
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert torch.equal(second[name], tensor), f"{name} after update {training.update}"
        assert copy.numbers() == training.numbers()
        filled |= {name for name, tensor in first.items() if bool(tensor.any())}
    for part in (
        "kernels.logits",
        "auxiliary.bias",
        "followed.bias",
        "optimiser.0.exp_avg_sq",
        "photometry.0.exp_avg",  # of the gain
        "photometry.1.exp_avg",  # of the noise
        "gradient",
        "average",
        "ikl",
        "ikls",
        "leads",
        "surprises",
        "begun",
        "begun surprise",
        "found",
        "mean",
        "own",
        "kernel",
        *(("differences",) if kernels > 1 else ()),
        "best.kernel",
        "best.variance",
        "phase.noise",
        "phase.updates",
    ):
        assert part in filled, part
    assert float(first["ikls"].max()) < LARGEST_IKL


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_stretch_or_round_in_the_middle_of_which_it_is_stopped_is_gone_on_with() -> None:
    """To the end, from a stop while the own start is measured, one while a candidate's phases turn, one in the trial of
    itself turned about and one in a round.
    """
    settings = TINY.with_changes({"images_phase": 8 * 6, "candidates": 1, "images_kernel": 8 * 12})
    straight = a_training(settings, knows=True)
    pulled(straight, straight.updates)
    stopped = a_training(settings, knows=True)
    for stop in (2, 11, 20, 29, straight.updates):
        pulled(stopped, stop - stopped.update)
        again = a_training(settings, knows=True)
        again.load({name: tensor.clone() for name, tensor in stopped.tensors().items()}, stopped.numbers())
        again.update, stopped = stopped.update, again
    assert torch.equal(stopped.average, straight.average)
    assert float(stopped.average.sum()) == pytest.approx(1.0, abs=1e-5)
    assert stopped.numbers() == straight.numbers()


@pytest.mark.usefixtures("short_rounds")
def test_one_kernel_for_all_colours_is_moved_by_the_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(channels=3, kernels=1)

    def refuse(*_: Tensor) -> Tensor:
        raise AssertionError("one kernel has no differences between colours")

    monkeypatch.setattr(training.common.colour, "loss", refuse)
    before = training.model.kernels().detach().clone()
    pulled(training, 4)
    assert not torch.equal(training.model.kernels(), before)
    assert training.model.with_gain().shape == (3, 5, 5)
