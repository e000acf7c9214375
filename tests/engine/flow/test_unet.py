"""The paper's network: every layer keeps unit size, and the whole starts as the exact velocity of white noise."""

from __future__ import annotations

import math

import pytest
import torch

from ddm_gui.engine.flow.train import build_velocity
from ddm_gui.engine.flow.unet import Block, ByteDropout, SelfAttention, UNet, UnitConv, joined
from ddm_gui.engine.flow.velocity import linear_velocity
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.presets import preset
from ddm_gui.engine.settings import Settings


def network(channels: int = 3, dropout: float = 0.0) -> UNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UNet(channels, 8, (1, 2, 2), 1, 1, dropout, 0.5)


def awake(channels: int = 3, dropout: float = 0.0) -> UNet:
    """A network whose last layer, which starts at 0, lets everything through."""
    made = network(channels, dropout)
    torch.nn.init.ones_(made.leave_gain)
    return made


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def size(x: torch.Tensor) -> float:
    return float(x.detach().square().mean().sqrt())


@pytest.mark.parametrize("channels", [1, 3])
def test_it_starts_as_the_exact_velocity_of_white_noise_of_its_size(channels: int) -> None:
    y_t, t = normal(4, channels, 16, 16), torch.tensor([0.0, 0.3, 0.7, 1.0])
    linear, _ = linear_velocity(t, 0.5)
    velocity = network(channels)(y_t, t)
    assert velocity.dtype == torch.float32
    torch.testing.assert_close(velocity, linear[:, None, None, None] * y_t)


@pytest.mark.parametrize(
    "layer", [UnitConv(32, 64, 3), UnitConv(32, 64, 1), SelfAttention(32)], ids=["3x3", "1x1", "attention"]
)
def test_layers_keep_unit_size(layer: torch.nn.Module) -> None:
    assert size(layer(normal(8, 32, 16, 16))) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("encodes", [True, False])
def test_blocks_and_the_whole_keep_about_unit_size(encodes: bool) -> None:
    block = Block(32, 64, 16, encodes=encodes, attends=True, dropout=0.0)
    assert size(block(normal(8, 32, 16, 16), normal(8, 16))) == pytest.approx(1.0, abs=0.2)
    x = normal(8, 3, 16, 16)
    assert size(awake().residual(x, torch.rand(8)).float()) == pytest.approx(1.0, abs=0.4)


def test_joined_groups_weigh_alike_whatever_their_width() -> None:
    a, b = normal(4, 8, 8, 8), normal(4, 56, 8, 8, seed=1)
    both = joined(a, b)
    assert size(both) == pytest.approx(1.0, abs=0.02)
    assert float(both[:, :8].square().sum() / both[:, 8:].square().sum()) == pytest.approx(1.0, abs=0.1)


def test_the_size_of_a_weight_changes_nothing_and_is_put_back_while_it_learns() -> None:
    layer = UnitConv(8, 16, 3).eval()
    x = normal(2, 8, 8, 8)
    before = layer(x)
    with torch.no_grad():
        layer.weight *= 7.0
    torch.testing.assert_close(layer(x), before, rtol=1e-3, atol=1e-4)
    assert size(layer.weight) > 5.0
    layer.train()(x)
    assert size(layer.weight) == pytest.approx(1.0, rel=1e-3)


def test_dropout_leaves_out_its_share_while_it_learns() -> None:
    layer, x = ByteDropout(0.2), torch.ones(8, 16, 32, 32)
    torch.manual_seed(0)
    dropped = layer(x)
    assert float((dropped == 0).float().mean()) == pytest.approx(51 / 256, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert not torch.equal(layer(x), dropped)
    assert torch.equal(layer.eval()(x), x)


def test_a_network_without_dropout_is_the_same_in_both_modes() -> None:
    model, y_t, t = awake(dropout=0.5), normal(2, 3, 16, 16), torch.tensor([0.2, 0.8])
    assert not torch.equal(model(y_t, t), model(y_t, t))
    model.stop_dropout()
    learning = model(y_t, t)
    torch.testing.assert_close(model.eval()(y_t, t), learning, rtol=1e-2, atol=1e-2)


def test_every_parameter_gets_a_gradient() -> None:
    model = awake()
    for module in model.modules():
        if isinstance(module, Block):
            torch.nn.init.ones_(module.level_gain)
    torch.autograd.backward(model(normal(2, 3, 16, 16), torch.tensor([0.3, 0.7])).square().mean())
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_the_papers_network_has_about_as_many_parameters_as_the_paper_says() -> None:
    model = build_velocity(preset("paper-ffhq-motion"), PlainPixels(3))
    assert isinstance(model, UNet)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_192_245
    attending = [name for name, module in model.named_modules() if isinstance(module, SelfAttention)]
    assert attending == [
        "down.3.1.attention",
        "middle.0.attention",
        "up.0.0.attention",
        "up.0.1.attention",
    ]


@pytest.mark.parametrize(("patch", "attention"), [(32, 8), (16, 0)])
def test_small_patches_do_too(patch: int, attention: int) -> None:
    settings = Settings(network="unet", width=8, blocks=1, patch_size=patch, attention=attention)
    model = build_velocity(settings, PlainPixels(1))
    assert model(normal(2, 1, patch, patch), torch.tensor([0.1, 0.9])).shape == (2, 1, patch, patch)
    found = sum(isinstance(module, SelfAttention) for module in model.modules())
    assert found == (4 if attention else 0)
    assert math.isfinite(size(model(normal(2, 1, patch, patch), torch.tensor([0.0, 1.0]))))
