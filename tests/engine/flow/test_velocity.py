"""The velocity network: where it starts, what it takes, and what its normalisation means."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ddm_gui.engine.flow.velocity import FilterNormConv, VelocityNet, linear_velocity


def network(channels: int = 3, width: int = 8, blocks: int = 1, seed: int = 0) -> VelocityNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VelocityNet(channels, width, (blocks, blocks, blocks))


def awake(channels: int = 3) -> VelocityNet:
    """A network whose last layer, which starts at 0, lets everything through."""
    made = network(channels)
    nn.init.ones_(made.leave.gain)
    return made


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma_data", [0.5, 1.0])
@pytest.mark.parametrize("moment", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_the_linear_velocity_is_the_best_one_for_white_data(moment: float, sigma_data: float) -> None:
    """c y_t is the regression of u on y_t, and (d s)^2 the mean square of what it leaves."""
    y_0, y_1 = normal(2, 200_000, seed=1) * torch.tensor([[1.0], [sigma_data]])
    y_t, target = (1 - moment) * y_0 + moment * y_1, y_1 - y_0
    c, s = linear_velocity(torch.tensor(moment), sigma_data)
    assert float((target * y_t).mean() / y_t.square().mean()) == pytest.approx(float(c), abs=0.01)
    assert float((target - c * y_t).square().mean()) == pytest.approx((sigma_data * float(s)) ** 2, rel=0.01)
    assert float((s * y_t).square().mean()) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20])
def test_it_starts_as_the_exact_velocity_of_white_noise(channels: int, size: int) -> None:
    y_t, t = normal(5, channels, size, size), torch.tensor([0.0, 0.1, 0.5, 0.7, 1.0])
    velocity = network(channels)(y_t, t)
    weight = t[:, None, None, None]
    exact = (weight - (1 - weight)) / (weight**2 + (1 - weight) ** 2) * y_t
    assert velocity.dtype == torch.float32
    torch.testing.assert_close(velocity, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_velocity_for_each_value(channels: int) -> None:
    y_t = normal(2, channels, 16, 24)
    velocity = awake(channels)(y_t, torch.tensor([0.3, 0.6]))
    assert velocity.shape == y_t.shape
    assert velocity.dtype == torch.float32
    assert velocity.isfinite().all()


def test_scaling_the_direction_of_a_filter_changes_nothing() -> None:
    layer = FilterNormConv(4, 6, 3)
    x = normal(2, 4, 8, 8)
    before = layer(x)
    with torch.no_grad():
        layer.direction *= torch.tensor([0.1, 1.0, 2.0, 7.0, 30.0, 500.0])[:, None, None, None]
    torch.testing.assert_close(layer(x), before, rtol=1e-4, atol=1e-5)


def test_the_gain_is_the_size_of_a_filter() -> None:
    layer = FilterNormConv(4, 2, 1)
    with torch.no_grad():
        layer.gain.copy_(torch.tensor([3.0, 0.5]))
    response = layer(torch.eye(4)[:, :, None, None])[:, :, 0, 0]  # 4 inputs x 2 filters
    torch.testing.assert_close(response.norm(dim=0), torch.tensor([3.0, 0.5]), rtol=1e-4, atol=1e-5)


def test_it_holds_no_normalisation_layer() -> None:
    """Group norm cost a third of a step; any that looks at a batch would let patches see one another."""
    names = {type(module).__name__ for module in network().modules()}
    assert not [name for name in names if "Norm" in name and name != "FilterNormConv"]


def test_a_patch_does_not_see_the_others_of_its_batch() -> None:
    model, y_t, t = awake(), normal(4, 3, 16, 16), torch.tensor([0.2, 0.4, 0.6, 0.8])
    other = torch.cat([y_t[:2], 5 * normal(2, 3, 16, 16, seed=9)])
    torch.testing.assert_close(model(other, t)[:2], model(y_t, t)[:2], rtol=1e-3, atol=1e-3)


def test_time_and_input_matter_once_it_is_awake() -> None:
    model, y_t = awake(), normal(1, 3, 16, 16).repeat(2, 1, 1, 1)
    t = torch.tensor([0.3, 0.7])
    c, s = linear_velocity(t)
    learned = (model(y_t, t) - c[:, None, None, None] * y_t) / s[:, None, None, None]
    assert not torch.allclose(learned[0], learned[1], atol=0.05)
    assert learned.std() > 0.1


def test_every_parameter_gets_a_gradient() -> None:
    model = awake()
    torch.autograd.backward(model(normal(2, 3, 16, 16), torch.tensor([0.3, 0.7])).square().mean())
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []
