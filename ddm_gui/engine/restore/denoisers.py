"""Denoisers for plug-and-play restoration from files: networks of the field, and one's own.

A file of weights is recognised by the names and shapes of its tensors, or by what it says of itself; nothing in it is
run, and it is refused with a sentence where a shape or a value is wrong. Photos and sigma: see `denoiser`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle, pixel_unshuffle

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.restore.denoiser import Denoiser
from ddm_gui.engine.restore.denoiser_files import ENDING, read_about
from ddm_gui.engine.restore.learned_denoiser import LearnedDenoiser
from ddm_gui.engine.weights import BadWeights, read_tensors


class Convolutions(nn.Module):
    """3 x 3 convolutions with ReLU between them, of the shapes that weights have."""

    def __init__(self, weights: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.kernels = nn.ParameterList(nn.Parameter(kernel, requires_grad=False) for kernel, _ in weights)
        self.biases = nn.ParameterList(nn.Parameter(bias, requires_grad=False) for _, bias in weights)

    def forward(self, x: Tensor) -> Tensor:
        """B x inputs x H x W -> B x outputs x H x W."""
        for index, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            x = conv2d(x.relu() if index else x, kernel, bias, padding=1)
        return x


class Plain(Denoiser):
    """One whose weights are those of `Convolutions`."""

    def __init__(self, weights: list[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.channels = weights[-1][0].shape[0] // self.multiple**2
        self.layers = Convolutions(weights)


class FFDNet(Plain):
    """At half size, told the noise's size as one more channel (Zhang, Zuo and Zhang, "FFDNet: Toward a fast and
    flexible solution for CNN-based image denoising", 2018)."""

    multiple = 2

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        packed = pixel_unshuffle(noisy, 2)
        result: Tensor = pixel_shuffle(self.layers(_with_level(packed, sigma)), 2)
        return result


class FDnCNN(Plain):
    """At full size, told the noise's size as one more channel: the flexible variant of DnCNN's published code."""

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        result: Tensor = self.layers(_with_level(noisy, sigma))
        return result


class DnCNN(Plain):
    """Knows noise of one size, s = 25/255, which it predicts (Zhang, Zuo, Chen, Meng and Zhang, "Beyond a Gaussian
    denoiser: Residual learning of deep CNN for image denoising", 2017).

    Photos of more noise are scaled to that. For less, sigma, what it predicts counts (sigma/s)^2: by Tweedie's formula
    it is -s^2 times the gradient of the log density of photos with noise s, which stands for that with noise sigma.
    """

    known_sigma: ClassVar[float] = 25 / 255

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        scale = min(self.known_sigma / max(sigma, 1e-6), 1.0)
        share = min(sigma / self.known_sigma, 1.0) ** 2
        result: Tensor = noisy - share / scale * self.layers(noisy * scale)
        return result


class _Residual(nn.Module):
    """x + convolution, ReLU, convolution, without bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x width x H x W, both."""
        result: Tensor = x + self.res(x)
        return result


class DRUNet(Denoiser):
    """A U-Net of residual blocks at four sizes, told the noise's size as one more channel; without any bias, so that
    it works for noise of sizes that it never saw (Zhang et al., "Plug-and-play image restoration with deep denoiser
    prior", TPAMI 2021)."""

    multiple = 8
    widths: ClassVar[tuple[int, int, int, int]] = (64, 128, 256, 512)
    blocks: ClassVar[int] = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        narrow, *_, deep = self.widths
        self.m_head = nn.Conv2d(channels + 1, narrow, 3, padding=1, bias=False)
        pairs = list(zip(self.widths[:-1], self.widths[1:], strict=True))
        self.m_down1, self.m_down2, self.m_down3 = (
            nn.Sequential(*self._blocks(fine), nn.Conv2d(fine, coarse, 2, stride=2, bias=False))
            for fine, coarse in pairs
        )
        self.m_body = nn.Sequential(*self._blocks(deep))
        self.m_up1, self.m_up2, self.m_up3 = (
            nn.Sequential(nn.ConvTranspose2d(coarse, fine, 2, stride=2, bias=False), *self._blocks(fine))
            for fine, coarse in pairs
        )
        self.m_tail = nn.Conv2d(narrow, channels, 3, padding=1, bias=False)

    def _blocks(self, width: int) -> list[_Residual]:
        return [_Residual(width) for _ in range(self.blocks)]

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        x1 = self.m_head(_with_level(noisy, sigma))
        x2 = self.m_down1(x1)
        x3 = self.m_down2(x2)
        x4 = self.m_down3(x3)
        x = self.m_body(x4)
        for up, beside in ((self.m_up3, x4), (self.m_up2, x3), (self.m_up1, x2)):
            x = up(x + beside)
        result: Tensor = self.m_tail(x + x1)
        return result


def _with_level(photos: Tensor, sigma: float) -> Tensor:
    """One more channel that says the noise's size."""
    return torch.cat([photos, photos.new_full((photos.shape[0], 1, *photos.shape[2:]), sigma)], dim=1)


# Files of weights


def load_denoiser(path: Path) -> Denoiser:
    """The denoiser whose weights a file holds (.pth or .safetensors), on the CPU, frozen.

    Raises:
        UserError: it cannot be read, is of no known network, or a shape or a value is wrong.
    """
    try:
        tensors = read_tensors(path)
    except BadWeights as error:
        raise _refused(path, str(error)) from error
    about = read_about(path) if path.suffix.lower() == ENDING else None
    if about is not None:
        return _filled(path, LearnedDenoiser.without_weights(about), tensors, "denoiser of these settings")
    if "m_head.weight" in tensors:
        return _drunet(path, tensors)
    layers = _layers(path, tensors)
    inputs, outputs = layers[0][0].shape[1], layers[-1][0].shape[0]
    if outputs in (4, 12) and inputs == outputs + 1:
        network: Denoiser = FFDNet(layers)
    elif outputs in (1, 3) and inputs == outputs + 1:
        network = FDnCNN(layers)
    elif outputs in (1, 3) and inputs == outputs:
        network = DnCNN(layers)
    else:
        raise _refused(path, f"Its network turns {inputs} channels into {outputs}: that is none of the known ones.")
    return network.eval()


def _layers(path: Path, tensors: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Kernel and bias of the convolutions of a plain network, in order ('conv3.weight', 'model.6.weight')."""
    numbers: dict[int, str] = {}
    for name in tensors:
        stem, _, kind = name.rpartition(".")
        digits = "".join(letter for letter in stem if letter.isdigit())
        if (
            kind not in ("weight", "bias")
            or not digits
            or stem.rstrip("0123456789").rstrip(".") not in ("conv", "model")
        ):
            raise _refused(path, f"A tensor called {name} belongs to none of the known networks.")
        numbers[int(digits)] = stem
    layers: list[tuple[Tensor, Tensor]] = []
    for _, stem in sorted(numbers.items()):
        kernel, bias = tensors.get(f"{stem}.weight"), tensors.get(f"{stem}.bias")
        if kernel is None or bias is None:
            raise _refused(path, f"The layer {stem} has not both a weight and a bias.")
        fits = kernel.ndim == 4 and kernel.shape[2:] == (3, 3) and bias.shape == kernel.shape[:1]
        if not fits or (layers and kernel.shape[1] != layers[-1][0].shape[0]):
            raise _refused(path, f"The layer {stem} has a weight of shape {tuple(kernel.shape)}, which does not fit.")
        layers.append((kernel, bias))
    return layers


def _drunet(path: Path, tensors: Mapping[str, Tensor]) -> Denoiser:
    """A DRUNet of grey or colour photos."""
    channels = tensors["m_tail.weight"].shape[0] if "m_tail.weight" in tensors else 0
    if channels not in (1, 3):
        raise _refused(path, "A DRUNet ends in a layer m_tail of 1 or 3 channels.")
    with torch.device("meta"):
        network = DRUNet(channels)
    return _filled(path, network, tensors, "DRUNet")


def _filled(path: Path, network: Denoiser, tensors: Mapping[str, Tensor], kind: str) -> Denoiser:
    """A network without weights, with those of a file."""
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    for name in sorted(shapes.keys() | tensors.keys()):
        there = tensors[name].shape if name in tensors else None
        if there != shapes.get(name):
            told = "is missing" if there is None else f"has the shape {tuple(there)}"
            wanted = f"'s has {tuple(shapes[name])}" if name in shapes else " has none"
            raise _refused(path, f"The tensor {name} {told}; a {kind}{wanted}.")
    network.load_state_dict(dict(tensors), assign=True)
    return network.requires_grad_(False).eval()


def _refused(path: Path, why: str) -> UserError:
    known = "FFDNet, FDnCNN, DnCNN (sigma 25) and DRUNet"
    return UserError(
        f"{path} cannot be used as a denoiser.", why, f"Choose weights of {known}, or one of your own (ddm denoiser)."
    )
