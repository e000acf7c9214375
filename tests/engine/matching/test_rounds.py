"""Step 2 by rounds: who moves when, what stretches lead to, and that a stopped search equals one never stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.train import Velocity, sample_path
from ddm_gui.engine.matching import plan, rounds
from ddm_gui.engine.matching.blend import blended, without_haze
from ddm_gui.engine.matching.colour import ColourMatch, apart
from ddm_gui.engine.matching.descent import KernelDescent
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.matching.phase import UNKNOWN
from ddm_gui.engine.matching.rounds import KernelTraining
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.simulate.optics import gaussian

from .conftest import DIFFERENCES, LOPSIDED, TINY, KnownEdges, KnownNoise, a_training, one_kernel, pulled

# The loop's own parts


@pytest.mark.usefixtures("short_rounds")
def test_the_kernel_moves_once_a_round_and_gain_and_noise_while_it_is_listened_to() -> None:
    training = a_training(TINY.with_changes({"images_kernel": 8 * 8}))
    assert (training.first, training.updates) == (0, 8)
    before = training.model.kernels().detach().clone()
    noise, gain = training.noise_sigma(), training.model.log_gain.detach().clone()
    weights = training.auxiliary.leave.gain.detach().clone()
    pulled(training, 2)
    assert not torch.equal(training.auxiliary.leave.gain, weights)
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


# The phases, in stretches


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
    assert 0.0 != float(training.ikls[0]) < rounds.LARGEST_IKL
    for stretch in (1, 2):
        weights = training.auxiliary.leave.gain.detach().clone()
        for _ in range(3):
            before = one_kernel(training)
            pulled(training, 1)
            assert not torch.equal(one_kernel(training), before)
        assert torch.equal(training.auxiliary.leave.gain, weights)
        pulled(training, 1)
        measured = one_kernel(training)
        assert not torch.equal(training.auxiliary.leave.gain, weights)
        pulled(training, 1)
        assert torch.equal(one_kernel(training), measured)
        pulled(training, 1)
        assert 0.0 != float(training.ikls[stretch]) < rounds.LARGEST_IKL
        assert training.progress(0.0).ikl is None
    settled = one_kernel(training)
    pulled(training, 3)
    assert torch.equal(one_kernel(training), settled)
    assert training.progress(0.0).ikl is not None
    pulled(training, 1)
    assert not torch.equal(one_kernel(training), settled)


def retrieved(monkeypatch: pytest.MonkeyPatch, training: KernelTraining) -> list[Tensor]:
    """What each retrieval finds from now on, another one each time; its phases are taken over as they are."""
    found: list[Tensor] = []

    def find(_magnitude: Tensor, _visible: Tensor, size: int, generator: torch.Generator) -> Tensor:
        kernel = torch.rand(size, size, generator=generator)
        found.append(kernel / kernel.sum())
        return found[-1]

    def take(kernel: Tensor, gains: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        assert torch.equal(kernel, training.spectral)  # whichever the start is
        return other, 2 * gains

    monkeypatch.setattr(rounds, "retrieve", find)
    monkeypatch.setattr(training.phase, "with_phases_of", take)
    return found


def test_the_own_start_is_followed_by_candidates_as_they_are_and_turned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 2}), channels=3)
    found = retrieved(monkeypatch, training)
    training.own = LOPSIDED  # as after a flat start has contracted
    begun, gains = [], []
    for stretch in range(1, 7):
        training._begin_stretch(stretch)
        begun.append(training.kernel)
        kernels = training.model.kernels().detach()
        torch.testing.assert_close(kernels, begun[-1].expand_as(kernels), rtol=0.0, atol=1e-5)
        gains.append(float(training.model.log_gain.detach().exp()[0]))
        unknown = UNKNOWN if stretch == 1 else rounds.ROUGHLY_KNOWN
        torch.testing.assert_close(training.phase.state["variance"].sqrt(), torch.full((WINDOW, WINDOW), unknown))
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
    training._begin_stretch(4)
    kept = training._retrieved(1)
    assert len(found) == 1
    again.load({name: tensor.clone() for name, tensor in training.tensors().items()}, training.numbers())
    assert torch.equal(again._retrieved(1), kept)
    assert len(found) == 2


def test_a_stretch_is_measured_at_the_mean_of_its_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    for turns, averaged in ((1, [0]), (2, [1]), (3, [1, 2]), (6, [3, 4, 5])):
        monkeypatch.setattr(plan, "STRETCH", turns)
        training = a_training(TINY.with_changes({"images_phase": 8 * turns}))
        turned = [kernel / kernel.sum() for kernel in torch.rand(turns, 5, 5) + 0.1]
        there = iter(turned)
        monkeypatch.setattr(training, "_turn_phases", lambda *_, t=training, there=there: t._set_kernel(next(there)))
        monkeypatch.setattr(training, "_measure", lambda *_: None)
        pulled(training, training.plan.trial_length + turns)
        torch.testing.assert_close(one_kernel(training), turned[-1])
        pulled(training, 1)
        torch.testing.assert_close(one_kernel(training), torch.stack([turned[index] for index in averaged]).mean(dim=0))


def test_what_a_stretch_began_with_and_ends_with_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The own start is measured, and begun with, as it is. Where the end surprises more than the beginning, that is
    what was found."""
    worse = iter([0.0, 1.0, 0.2, 0.1, 0.3, 0.4])  # own; the end; beginning, end; beginning, end
    edges = KnownEdges(lambda _: next(worse))
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 1}), edges=edges)
    found = retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.5, 0.4, 0.3, 0.2])
    own = one_kernel(training)
    turned = torch.rand(5, 5)
    turned /= turned.sum()
    monkeypatch.setattr(training, "_turn_phases", lambda *_: training._set_kernel(turned))
    pulled(training, training.first)
    measured = [kernel for kernel, *_ in seen.measured]
    expected = [own, turned.roll(1, dims=1), turned.roll(1, dims=1), found[0].flip(0, 1).roll(1, dims=1)]
    for kernel, right in zip(measured, expected, strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    for kernel, right in zip(seen.begun, [own, found[0].roll(1, dims=1), expected[3]], strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    assert training.surprises.tolist() == pytest.approx([0.0, 1.0, 0.1, 0.3])


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_kernels_of_one_ikl_that_is_believed_with_which_photos_surprise_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surprises = iter([0.0, -0.9, 0.0, 0.0, 0.0, 0.0])
    edges = KnownEdges(lambda _: next(surprises))
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True, edges=edges)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.0, 0.0, 0.0, 0.0])
    pulled(training, training.first)
    torch.testing.assert_close(one_kernel(training), without_haze(seen.measured[1][0]), rtol=0.0, atol=1e-5)


@dataclass
class Stretches:
    """The kernels with which stretches began, and those that were measured, with the gain and what is known."""

    begun: list[Tensor]
    measured: list[tuple[Tensor, Tensor, dict[str, Tensor]]]


def measuring(monkeypatch: pytest.MonkeyPatch, training: KernelTraining, ikl: list[float]) -> Stretches:
    """Makes these the numbers of the own start and of the stretches."""
    seen = Stretches([], [])
    begin = training._begin_stretch

    def begin_and_keep(stretch: int) -> None:
        begin(stretch)
        seen.begun.append(one_kernel(training))

    def measure(stretch: int, update: int) -> None:
        if update == 0:
            training.ikls[stretch] = ikl[stretch]
            seen.measured.append(
                (one_kernel(training), training.model.log_gain.detach().clone(), dict(training.phase.tensors()))
            )

    monkeypatch.setattr(training, "_begin_stretch", begin_and_keep)
    monkeypatch.setattr(training, "_measure", measure)
    return seen


@pytest.mark.parametrize("best", range(6))
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_rounds_begin_with_what_the_best_stretch_led_to(monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    """Three starts, of which the best goes on for two stretches more, where one is better by far than all others: the
    own start as it is, too. But for haze.
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
        expected = without_haze(seen.measured[int(np.argmin(ikl[:stretch]))][0])
        torch.testing.assert_close(seen.begun[stretch - 1], expected, rtol=0.0, atol=1e-5)
    kernel, log_gain, known = seen.measured[best]
    torch.testing.assert_close(one_kernel(training), without_haze(kernel), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(training.model.log_gain.detach(), log_gain)
    for name, tensor in training.phase.tensors().items():
        assert torch.equal(tensor, known[name]), name
    for one, other in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        assert float((seen.measured[one][0] - seen.measured[other][0]).abs().max()) > 1e-3


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
    for name, tensor in training.phase.tensors().items():
        assert torch.equal(tensor, seen.measured[4][2][name]), name


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_a_kernel_and_itself_turned_about_the_one_that_leads_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the other one's IKL is a little less."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [3e-3, 2e-3, 8e-4, 7e-4])
    leads = torch.tensor([0.0, 0.0, 1e-3, -1e-3])
    monkeypatch.setattr(training, "leads", leads)
    pulled(training, training.first)
    assert len(seen.measured) == 4
    torch.testing.assert_close(one_kernel(training), without_haze(seen.measured[2][0]), rtol=0.0, atol=1e-4)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_lead_is_that_of_the_kernel_over_itself_turned_about() -> None:
    """The opposite of a kernel's is its own turned about; a symmetric one has none."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}), knows=True)

    def lead(kernel: Tensor) -> float:
        training.leads[0] = 0.0
        training._set_kernel(kernel)
        for update in range(training.plan.trial_length):
            training._measure(0, update)
        return float(training.leads[0])

    right = lead(LOPSIDED)
    assert right != 0.0
    assert lead(LOPSIDED.flip(0, 1)) == pytest.approx(-right, rel=1e-4)
    assert lead(torch.full((5, 5), 1 / 25)) == 0.0


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_stretch_that_was_not_measured_yet_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the IKL of the only one that was."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    training.own = training.mean = LOPSIDED
    seen = measuring(monkeypatch, training, [1e3])
    pulled(training, 3)
    torch.testing.assert_close(seen.measured[0][0], LOPSIDED, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(one_kernel(training), without_haze(LOPSIDED), rtol=0.0, atol=1e-5)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_measurement_is_that_of_the_kernel_alone() -> None:
    """A network of its own that begins as step 1's, and the same patches: the same kernel gives the same number."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))

    def measured(kernel: Tensor, stretch: int) -> float:
        training._set_kernel(kernel)
        for update in range(training.plan.trial_length):
            training._measure(stretch, update)
        assert torch.equal(training.flow.velocity.leave.gain, weights)
        return float(training.ikls[stretch])

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
    monkeypatch.setattr(rounds, "excess_loss", lambda *_: torch.tensor(next(numbers)))
    pulled(training, 3 + 2 * 6)
    assert training.ikls.tolist() == pytest.approx([4.0, 1.5, 0.6, rounds.LARGEST_IKL])


@pytest.mark.parametrize("last", [2, 8], ids=["own start", "first stretch"])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_an_ikl_that_is_not_finite_is_told_before_the_kernel_is_chosen_by_it(
    monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """At the last update of the trial."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    monkeypatch.setattr(rounds, "excess_loss", lambda *_: torch.tensor(math.nan if training.update == last else 0.1))
    pulled(training, last)
    before = one_kernel(training)
    with pytest.raises(UserError, match="not finite"):
        training.step()
    assert torch.equal(one_kernel(training), before)


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_while_phases_are_turned_the_kernels_of_the_colours_are_made_of_one(
    monkeypatch: pytest.MonkeyPatch, channels: int, kernels: int
) -> None:
    """And those are what the power spectra are compared with."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), channels, kernels)
    monkeypatch.setattr(training.colour, "differences", lambda *_: DIFFERENCES)
    move, turned = training.phase.move, []

    def moved(kernel: Tensor, colours: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        assert torch.equal(kernel, training.kernel)
        torch.testing.assert_close(colours, training.model.with_gain())
        turned.append(training.update)
        return move(kernel, colours, gradient)

    monkeypatch.setattr(training.phase, "move", moved)
    for _ in range(training.first):
        pulled(training, 1)
        colours = training.model.kernels().detach()
        assert colours.shape == (kernels, 5, 5)
        expected = apart(training.kernel, DIFFERENCES) if kernels > 1 else training.kernel[None]
        torch.testing.assert_close(colours, expected, rtol=0.0, atol=1e-5)
        assert kernels == 1 or float((colours[0] - colours[2]).abs().max()) > 0.01
    assert len(turned) == 3 * 3


def test_a_flat_kernel_contracts_to_the_right_size_before_its_phases_are_turned() -> None:
    """NCC .4 at the start, above .95 after: photos whose spectrum falls as 1/f^2, blurred by 1 px."""
    settings = TINY.with_changes({"images_phase": 8, "start": "flat", "kernel_size": 9})
    truth = torch.from_numpy(gaussian(9, 1.0))
    frequency = torch.fft.fftfreq(WINDOW)
    clean = 1e-3 / (frequency[:, None].square() + frequency.square() + 1 / WINDOW**2)
    degraded = clean * torch.fft.fft2(truth, s=(WINDOW, WINDOW)).abs().square() + 0.02**2
    colour = ColourMatch(*(power[..., None, None].to(torch.complex64) for power in (degraded, clean)))
    training = a_training(settings)
    training.colour, training.descent = colour, KernelDescent(truth[None])
    training.model = SoftmaxKernels(torch.full((1, 9, 9), 1 / 81), torch.ones(1), 0.02)
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) < 0.5
    training._contract()
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) > 0.95
    for kernel in (training.own, training.mean, training.kernel):  # what is measured, and the first stretch begins with
        torch.testing.assert_close(kernel, one_kernel(training))


def test_a_flat_kernel_whose_phases_are_not_turned_is_left_to_the_rounds() -> None:
    training = a_training(TINY.with_changes({"images_phase": 0, "start": "flat"}))
    before = one_kernel(training)
    training._contract()
    assert torch.equal(one_kernel(training), before)


# Rounds


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
    learned = training.auxiliary.leave.gain.detach().clone()
    fresh = a_training(training.settings)
    fresh.model.load_state_dict(training.model.state_dict())
    fresh.update = 4
    for each in (training, fresh):
        pulled(each, 1)
    assert not torch.equal(training.auxiliary.leave.gain, learned)
    for name in ("auxiliary", "followed", "optimiser"):
        ours = {key: value for key, value in training.tensors().items() if key.startswith(name)}
        theirs = {key: value for key, value in fresh.tensors().items() if key.startswith(name)}
        assert ours.keys() == theirs.keys()
        assert ours
        for key, tensor in theirs.items():
            assert torch.equal(ours[key], tensor), key


def test_the_auxiliary_network_learns_and_is_looked_through_its_average() -> None:
    training = a_training(TINY.with_changes({"auxiliary_rate": 0.01}))
    generator = torch.Generator().manual_seed(0)
    sample = sample_path(torch.randn(16, 1, 1, 16, generator=generator).expand(-1, -1, 16, -1), generator)  # stripes

    def loss(velocity: Velocity) -> float:
        with torch.no_grad():
            return float((velocity(sample.y_t, sample.t) - sample.target).square().mean())

    before = loss(training.flow.velocity)
    assert before == loss(training.followed) == loss(training.auxiliary)
    names = [name for name, _ in training.followed.named_parameters()]
    expected = {name: training.followed.get_parameter(name).clone() for name in names}
    for update in range(60):
        training.update = update
        training._follow(sample, update, update)
        share = max(1 - rounds.FOLLOWED_MEMORY, 9 / (update + 10))
        for name in names:
            expected[name].lerp_(training.auxiliary.get_parameter(name).detach(), share)
    for name in names:
        torch.testing.assert_close(training.followed.get_parameter(name), expected[name])
    assert loss(training.followed) < 0.9 * before
    assert loss(training.flow.velocity) == before


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
    training.rounds, training.updates = number, 2 * number
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
    assert float(first["ikls"].max()) < rounds.LARGEST_IKL


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

    monkeypatch.setattr(training.colour, "loss", refuse)
    before = training.model.kernels().detach().clone()
    pulled(training, 4)
    assert not torch.equal(training.model.kernels(), before)
    assert training.model.with_gain().shape == (3, 5, 5)


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
        expected = apart(training.kernel, DIFFERENCES / len(given))
        torch.testing.assert_close(training.model.kernels().detach(), expected, rtol=0.0, atol=1e-5)

    monkeypatch.setattr(training.colour, "differences", differences)
    own = training.kernel
    pulled(training, 1)
    assert_apart()
    pulled(training, max(training.first - 1, 0))
    before = training.kernel
    pulled(training, training.first + 1 - training.update)
    assert_apart()
    pulled(training, 11)
    assert [update for update, _ in given] == sorted({0, training.first})
    torch.testing.assert_close(given[0][1], own)
    torch.testing.assert_close(given[-1][1], before)


@pytest.mark.parametrize("start", ["spectral", "flat", "random"])
def test_the_push_from_the_outskirts_belongs_to_starts_that_know_nothing(start: str) -> None:
    training = a_training(TINY.with_changes({"start": start}))
    pushes = [training._push(done) for done in (0.0, 0.25, 0.5, 0.75)]
    if start == "spectral":
        assert all(float(push) == 0.0 for push in pushes)
        return
    first = pushes[0]
    assert float(first[2, 2]) == 0.0
    assert float(first[0, 0]) == float(first.max()) == pytest.approx(rounds.SPREAD_WEIGHT * 2 * (2 / 2.5) ** 2)
    torch.testing.assert_close(pushes[1], first / 2)
    assert float(pushes[2].abs().max()) == float(pushes[3].abs().max()) == 0.0
