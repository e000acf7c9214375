"""Step 2 in the paper's way: who moves when, by which gradient, and that a stopped run equals one never stopped."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.train import FlowModel, build_velocity
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.matching import alternating
from ddm_gui.engine.matching.alternating import PHOTOMETRY_RATE, RATES, AlternatingTraining
from ddm_gui.engine.matching.kernels import build_kernels, sparse_prior
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.optics import gaussian

TINY = Settings(
    procedure="alternating",
    parametrisation="normalised",
    whiten=False,
    patch_size=16,
    width=8,
    blocks=1,
    batch_size=8,
    kernel_size=9,
    images_kernel=8 * 20,
    noise_sigma="learn",
)
ALONE = 2  # updates of the auxiliary network alone: a tenth of 20


class Shelf:
    """A pool of patches of random values."""

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        pixels = 0.2 + 0.6 * torch.rand(count, self.channels, size, size, generator=generator)
        return PatchBatch(pixels, *torch.zeros(2, count, 2))


def a_training(
    channels: int = 3, kernels: int = 1, noise: SimulatedNoise | float = 0.02, **changes: Any
) -> AlternatingTraining:
    settings = TINY.with_changes(changes)
    sight = PlainPixels(channels)
    velocity = build_velocity(settings, sight).eval().requires_grad_(False)
    velocity.stop_dropout()  # as step 1 leaves it
    with torch.no_grad():
        for name, parameter in velocity.named_parameters():
            if name in ("leave.gain", "leave_gain"):
                parameter.fill_(0.3)  # they start at 0, and would be in the way of every gradient
    power = 0.01 * torch.eye(channels).expand(WINDOW, WINDOW, channels, channels).to(torch.complex64)
    start = torch.from_numpy(gaussian(settings.kernel_size, 1.0))[None].repeat(kernels, 1, 1)
    shelf: PatchPool = Shelf(channels)  # type: ignore[assignment]
    model = build_kernels(settings, start, torch.full((channels,), 0.7), noise)
    return AlternatingTraining(
        FlowModel(velocity, sight, power, 0.002), shelf, Simulation(sight, 8, settings), model, settings
    )


def pulled(training: AlternatingTraining, updates: int) -> None:
    for _ in range(updates):
        training.step()
        training.update += 1


def test_the_auxiliary_network_learns_alone_at_first_then_both_move_at_each_update() -> None:
    training = a_training()
    assert (training.updates, training.first) == (20, ALONE)
    start, noise = training.model.kernels().detach().clone(), training.noise_sigma()
    weights = training.auxiliary.get_parameter("bias").detach().clone()
    pulled(training, ALONE)
    assert not torch.equal(training.auxiliary.get_parameter("bias"), weights)
    assert torch.equal(training.model.kernels(), start)
    assert training.noise_sigma() == noise
    assert training.progress(0.0).ikl is None
    for _ in range(3):
        before, weights = training.model.kernels().detach().clone(), training.auxiliary.get_parameter("bias").clone()
        pulled(training, 1)
        assert not torch.equal(training.model.kernels(), before)
        assert not torch.equal(training.auxiliary.get_parameter("bias"), weights)
    assert training.noise_sigma() != noise
    assert training.progress(0.0).ikl is not None
    assert not training.flow.velocity.get_parameter("bias").any()  # step 1's network is left alone


@pytest.mark.parametrize("free", [False, True])
def test_the_gain_is_one_and_stays_unless_it_is_free(free: bool) -> None:
    training = a_training(free_gain=free)
    expected = 0.7 if free else 1.0
    torch.testing.assert_close(training.model.log_gain.detach().exp(), torch.full((3,), expected))
    pulled(training, 5)
    assert torch.equal(training.model.log_gain.detach().exp(), torch.full((3,), expected)) is not free


@pytest.mark.parametrize("sigma", ["learn", 0.05])
def test_noise_that_is_given_stays(sigma: float | str) -> None:
    training = a_training(noise_sigma=sigma)
    before = training.noise_sigma()
    pulled(training, 5)
    assert (training.noise_sigma() == before) is (sigma != "learn")


def test_both_variances_of_photon_noise_move_and_come_back() -> None:
    noise = PhotonNoise(0.01, 1e-4)
    training = a_training(noise=SimulatedNoise.of(noise, 0.4))
    assert training.model.noise().photon.shot == pytest.approx(noise.shot, rel=1e-4)
    pulled(training, 20)
    found = training.photon_noise()
    assert found is not None
    assert found.shot != pytest.approx(noise.shot, rel=1e-4)
    assert found.read != pytest.approx(noise.read, rel=1e-4)
    assert training.average_share not in (0.0, 1.0)
    again = a_training(noise=SimulatedNoise.of(PhotonNoise(0.1, 1e-3), 0.4))
    again.load(training.tensors(), training.numbers())
    assert again.photon_noise() == found
    assert again.model.noise().photon == training.model.noise().photon
    assert a_training().photon_noise() is None


def test_the_gradient_is_the_data_term_plus_the_priors() -> None:
    """As if the networks agreed: then only the prior is left, and Adam's first step has the size of the rate."""
    training = a_training(sparse_weight=1.0, alternating_rate=1e-3, schedule="inverse-sqrt", ramp_up=0)
    with torch.no_grad():
        training.model.shape()[0].sub_(0.02)  # some are negative: else the prior has no gradient
    before = training.model.shape()[0].detach().clone()
    (expected,) = torch.autograd.grad(sparse_prior(training.model.kernels()), training.model.shape())
    simulated, _ = training._simulated(torch.Generator().manual_seed(0))
    training._move((torch.zeros_like(simulated) * simulated).mean())
    torch.testing.assert_close(training.model.shape()[0].grad, expected)
    moved = before - training.model.shape()[0].detach()
    torch.testing.assert_close(moved, 1e-3 * expected.sign(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("parametrisation", list(RATES))
def test_rates_are_those_of_the_settings(parametrisation: str) -> None:
    automatic = a_training(parametrisation=parametrisation)
    assert [group["peak"] for group in automatic.descent.param_groups] == [RATES[parametrisation], PHOTOMETRY_RATE]
    given = a_training(parametrisation=parametrisation, alternating_rate=3e-3, auxiliary_rate=7e-4)
    assert given.descent.param_groups[0]["peak"] == 3e-3
    assert given.optimiser.param_groups[0]["peak"] == 7e-4


@pytest.mark.parametrize(("share", "count"), [(0.0, 1), (0.5, 9), (1.0, 18)])
def test_the_kernel_is_averaged_over_its_last_part(share: float, count: int) -> None:
    training = a_training(averaged_share=share)
    seen = []
    for _ in range(training.updates):
        pulled(training, 1)
        seen.append(training.model.kernels().detach().clone())
    assert training.averaged == pytest.approx(count, abs=1)
    torch.testing.assert_close(training.average, torch.stack(seen[-training.averaged :]).mean(dim=0))


@pytest.mark.parametrize(
    ("stop", "parametrisation", "kernels", "network"),
    [
        (0, "normalised", 1, "compact"),
        (ALONE, "softmax", 1, "compact"),
        (5, "normalised", 3, "compact"),
        (1, "deep-linear", 3, "compact"),
        (5, "deep-linear", 1, "compact"),
        (5, "normalised", 1, "unet"),
    ],
)
def test_its_state_comes_back_bit_for_bit(stop: int, parametrisation: str, kernels: int, network: str) -> None:
    choice = {"parametrisation": parametrisation, "network": network, "attention": 0, "multipliers": "1,2"}
    training = a_training(3, kernels, dropout=0.2, **choice)
    pulled(training, stop)
    tensors = {name: tensor.detach().clone() for name, tensor in training.tensors().items()}
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    copy = a_training(3, kernels, dropout=0.2, **choice)
    copy.load(tensors, training.numbers())
    copy.update = training.update
    for each in (training, copy):
        pulled(each, 7 - stop)
    first, second = training.tensors(), copy.tensors()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(second[name], tensor), name
    assert copy.numbers() == training.numbers()


def test_an_absurd_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternating, "CATCHING_UP", 0)
    training = a_training(auxiliary_rate=1.0, schedule="inverse-sqrt", ramp_up=0, images_kernel=8 * 400)
    training.watch.state["least"] = torch.tensor(0.3)  # what step 1 has reached
    pulled(training, 60)
    with pytest.raises(UserError, match="stopped"):
        training.progress(0.0)
