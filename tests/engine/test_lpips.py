"""LPIPS: its definition followed step by step, a number that can be worked out by hand, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.lpips import ALEXNET, LEAST, Lpips
from ddm_gui.engine.photos.photo import read

SHAPES = {layer.name: layer.shape for layer in ALEXNET}


def alexnet(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights, as torchvision names and shapes them."""
    random = torch.Generator().manual_seed(seed)
    tensors = {"classifier.6.bias": torch.zeros(1000)}
    for name, shape in SHAPES.items():
        tensors[f"{name}.weight"] = torch.randn(shape, generator=random) / (shape[1] * shape[2] * shape[3]) ** 0.5
        tensors[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=random)
    return tensors


def linear_heads(seed: int = 1) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = [(1, shape[0], 1, 1) for shape in SHAPES.values()]
    return {f"lin{index}.model.1.weight": torch.rand(shape, generator=random) for index, shape in enumerate(shapes)}


def loaded(folder: Path, backbone: dict[str, torch.Tensor], heads: dict[str, torch.Tensor]) -> Lpips:
    torch.save(backbone, folder / "alexnet.pth")
    save_file(heads, folder / "heads.safetensors")
    return Lpips.load(folder / "alexnet.pth", folder / "heads.safetensors")


def photos(height: int = 70, width: int = 55, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    one = rng.random((height, width, channels))
    return one, np.clip(one + 0.1 * rng.standard_normal(one.shape), 0, 1)


def by_the_paper(backbone: dict[str, torch.Tensor], heads: dict[str, torch.Tensor], pair: list[np.ndarray]) -> float:
    """Equation 1, with torch's own layers in torchvision's order, pixel by pixel and in float64."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )
    features.load_state_dict(
        {name.removeprefix("features."): tensor for name, tensor in backbone.items() if "features" in name}
    )
    features.double()
    seen = []
    for photo in pair:
        x = (torch.tensor(photo).permute(2, 0, 1)[None] - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / (
            torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        )
        layers = []
        for index, layer in enumerate(features):
            x = layer(x)
            if index in (1, 4, 7, 9, 11):
                layers.append(x[0].detach().numpy())
        seen.append(layers)
    total = 0.0
    for index, (y, z) in enumerate(zip(*seen, strict=True)):
        weights = heads[f"lin{index}.model.1.weight"].ravel().double().numpy()
        each = [
            weights @ (y[:, r, c] / np.linalg.norm(y[:, r, c]) - z[:, r, c] / np.linalg.norm(z[:, r, c])) ** 2
            for r, c in np.ndindex(y.shape[1:])
        ]
        total += float(np.mean(each))
    return total


def test_it_is_the_papers_equation(tmp_path: Path) -> None:
    backbone, heads = alexnet(), linear_heads()
    measured = loaded(tmp_path, backbone, heads)
    one, other = photos()
    expected = by_the_paper(backbone, heads, [one, other])
    assert expected > 0.01
    assert measured.distance(one, other) == pytest.approx(expected, rel=1e-4)


def test_the_same_is_no_difference_and_there_is_no_first_and_second(tmp_path: Path) -> None:
    measured = loaded(tmp_path, alexnet(), linear_heads())
    one, other = photos()
    assert measured.distance(one, one) == 0.0
    assert measured.distance(one, other) == pytest.approx(measured.distance(other, one), rel=1e-6)
    small = one + 0.1 * (other - one)
    assert 0.0 < measured.distance(one, small) < measured.distance(one, other)


def test_a_number_that_can_be_worked_out_by_hand(tmp_path: Path) -> None:
    """All weights are 0 but a few of layer 1, so that the other layers see nothing.

    Channel 0 is the sum of one pixel's colours, less their means and over their deviations, channel 1 is 1: black gives
    the direction (0, 1), white (w, 1) / sqrt(w^2 + 1). The heads count channel 0 twice and channel 1 once.
    """
    backbone = {name: torch.zeros_like(tensor) for name, tensor in alexnet().items()}
    backbone["features.0.weight"][0, :, 5, 5] = 1.0
    backbone["features.0.bias"][1] = 1.0
    heads = {name: torch.zeros_like(tensor) for name, tensor in linear_heads().items()}
    heads["lin0.model.1.weight"][0, :2, 0, 0] = torch.tensor([2.0, 1.0])
    measured = loaded(tmp_path, backbone, heads)
    black, white = np.zeros((63, 63, 1)), np.ones((63, 63, 1))
    w = sum((1 - mean) / deviation for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))
    length = np.sqrt(w**2 + 1)
    by_hand = 2 * (w / length) ** 2 + (1 - 1 / length) ** 2
    assert measured.distance(black, white) == pytest.approx(by_hand, rel=1e-5)


def test_grey_is_three_colours_alike(tmp_path: Path) -> None:
    measured = loaded(tmp_path, alexnet(), linear_heads())
    one, other = photos(channels=1)
    assert measured.distance(one, other) == measured.distance(one.repeat(3, axis=2), other.repeat(3, axis=2))


def test_sizes_that_cannot_be_compared(tmp_path: Path) -> None:
    measured = loaded(tmp_path, alexnet(), linear_heads())
    one, other = photos(LEAST, LEAST)
    assert measured.distance(one, other) > 0.0
    with pytest.raises(ValueError, match="different sizes"):
        measured.distance(one, other[1:])
    with pytest.raises(ValueError, match="smaller than 31"):
        measured.distance(one[1:], other[1:])


def test_published_heads_are_taken_and_more_blur_is_more_difference(shared_data: Path, tmp_path: Path) -> None:
    torch.save(alexnet(), tmp_path / "alexnet.pth")
    measured = Lpips.load(tmp_path / "alexnet.pth", shared_data / "weights" / "lpips_lin_v0.1" / "alex.pth")
    sharp = read(shared_data / "photos" / "kodak24" / "kodim19.png").pixels[200:300, 200:300]
    little, much = ((sharp + np.roll(sharp, shift, axis=1)) / 2 for shift in (1, 4))
    assert 0.0 < measured.distance(little, sharp) < measured.distance(much, sharp)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"features.3.weight": torch.zeros(192, 64, 3, 3)}, r"has the shape \(192, 64, 3, 3\), not \(192, 64, 5, 5\)"),
        ({"features.6.bias": None}, "no tensor called features.6.bias"),
        ({"features.8.bias": torch.full((256,), float("inf"))}, "no numbers"),
        ({"lin2.model.1.weight": torch.full((1, 384, 1, 1), -1.0)}, "below 0"),
        ({"lin4.model.1.weight": None}, "no tensor called lin4.model.1.weight"),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, change: dict[str, torch.Tensor | None], reason: str) -> None:
    files = []
    for made in (alexnet(), linear_heads()):
        for name in made.keys() & change.keys():
            made[name] = change[name]
        files.append({name: tensor for name, tensor in made.items() if tensor is not None})
    with pytest.raises(UserError, match=reason) as caught:
        loaded(tmp_path, *files)
    which = "heads.safetensors" if "lin" in next(iter(change)) else "alexnet.pth"
    assert which in str(caught.value)
    assert caught.value.todo
