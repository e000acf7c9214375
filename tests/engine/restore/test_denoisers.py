"""Denoisers from files of weights: they gain on a photo, and what is none is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import read
from ddm_gui.engine.restore.denoisers import DnCNN, DRUNet, FDnCNN, FFDNet, load_denoiser


def noisy(shared_data: Path, sigma: float, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A part of a photo, 1 x C x 121 x 131, without and with noise."""
    pixels = read(shared_data / "photos" / "kodak24" / "kodim19.png").pixels[300:421, 200:331]
    clean = torch.tensor(pixels).permute(2, 0, 1)[None][:, :channels]
    return clean, clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(-10 * (one - other).square().mean().log10())


@pytest.mark.parametrize(
    ("name", "kind", "sigma", "gain"),
    [
        ("ffdnet_color_converted", FFDNet, 25 / 255, 9.0),
        ("ffdnet_color_converted", FFDNet, 10 / 255, 5.0),
        ("fdncnn_color_converted", FDnCNN, 25 / 255, 9.0),
        ("dncnn_25_gray", DnCNN, 25 / 255, 7.0),
        ("dncnn_25_gray", DnCNN, 15 / 255, 2.0),
    ],
)
def test_published_weights_take_noise_out(shared_data: Path, name: str, kind: type, sigma: float, gain: float) -> None:
    network = load_denoiser(shared_data / "weights" / f"{name}.pth")
    assert isinstance(network, kind)
    clean, seen = noisy(shared_data, sigma)
    found = network.denoised(seen, sigma)
    assert found.shape == clean.shape
    assert psnr(found, clean) > psnr(seen, clean) + gain
    grey = network.denoised(seen[:, :1], sigma)
    assert grey.shape == (1, 1, *clean.shape[2:])
    assert psnr(grey, clean[:, :1]) > psnr(seen[:, :1], clean[:, :1]) + 2.0


def test_a_drunet_is_known_by_its_tensors(tmp_path: Path) -> None:
    """Of random weights, as its own code names and shapes them; without bias, so a scaled photo comes out scaled."""
    torch.manual_seed(0)
    made = DRUNet(3)
    counts = [sum(parameter.numel() for parameter in net.parameters()) for net in (DRUNet(1), made)]
    assert counts == [32_638_656, 32_640_960]
    torch.save(made.state_dict(), tmp_path / "drunet_color.pth")
    network = load_denoiser(tmp_path / "drunet_color.pth")
    assert isinstance(network, DRUNet)
    photo = torch.rand(1, 3, 37, 50)
    once, twice = network.denoised(photo, 0.1), network.denoised(2 * photo, 0.2)
    assert once.shape == photo.shape
    torch.testing.assert_close(twice, 2 * once, rtol=1e-3, atol=1e-4)


def layers(*shapes: tuple[int, int]) -> dict[str, torch.Tensor]:
    tensors = {}
    for index, (inputs, outputs) in enumerate(shapes):
        tensors[f"conv{index}.weight"] = torch.zeros(outputs, inputs, 3, 3)
        tensors[f"conv{index}.bias"] = torch.zeros(outputs)
    return tensors


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({**layers((4, 8), (8, 3)), "conv0.weight": torch.full((8, 4, 3, 3), float("nan"))}, "no numbers"),
        (layers((4, 8), (9, 3)), "does not fit"),
        (layers((7, 8), (8, 3)), "none of the known ones"),
        ({"conv0.weight": torch.zeros(8, 4, 3, 3)}, "not both"),
        ({"head.weight": torch.zeros(8, 4, 3, 3)}, "none of the known networks"),
        ({"m_head.weight": torch.zeros(64, 4, 3, 3), "m_tail.weight": torch.zeros(3, 64, 3, 3)}, "is missing"),
    ],
)
def test_what_is_no_denoiser_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], reason: str) -> None:
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=reason) as caught:
        load_denoiser(tmp_path / "weights.safetensors")
    assert "weights.safetensors" in str(caught.value)
    assert "DRUNet" in caught.value.todo


def test_files_that_are_no_tensors_are_refused_and_nothing_in_them_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "sprung"),))

    torch.save({"conv0.weight": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    np.save(tmp_path / "array.pth.npy", np.zeros(3))
    for name in ("trap.pth", "text.pth", "text.safetensors", "array.pth.npy", "missing.pth"):
        with pytest.raises(UserError):
            load_denoiser(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
