"""LPIPS: how different two photos look, by what a network that learned to name things sees in them.

    d = sum over layers l of the mean over pixels of  sum over channels c of w_lc (y_lc - z_lc)^2

y and z are the layer's features of the two photos, at each pixel scaled to length one over their channels, and w are
the heads, fitted to what people said of pairs of photos (Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable
effectiveness of deep features as a perceptual metric", CVPR 2018, eq. 1, whose w is the root of this one). This is
version 0.1, with AlexNet: its five convolutions, each behind its ReLU (Krizhevsky, "One weird trick for parallelizing
convolutional neural networks", 2014).

No weights come with the program: both files are those that a person has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.weights import BadWeights, read_tensors

Pixels = NDArray[np.floating[Any]]

# Mean and standard deviation of ImageNet's photos, R, G, B: what the backbone has learned to expect.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEAST = 31  # px, of a photo's width and height: less leaves the deeper layers nothing
TINY = 1e-10  # where a pixel has no features at all


class Convolution(NamedTuple):
    """One of the backbone's: its name in torchvision's file, the shape of its weight, and how it is applied; `pooled`:
    after the largest of 3 x 3, every second pixel."""

    name: str
    shape: tuple[int, int, int, int]
    stride: int
    padding: int
    pooled: bool


ALEXNET = (
    Convolution("features.0", (64, 3, 11, 11), 4, 2, False),
    Convolution("features.3", (192, 64, 5, 5), 1, 2, True),
    Convolution("features.6", (384, 192, 3, 3), 1, 1, True),
    Convolution("features.8", (256, 384, 3, 3), 1, 1, False),
    Convolution("features.10", (256, 256, 3, 3), 1, 1, False),
)


@dataclass(frozen=True, eq=False)
class Lpips:
    """`weights`, `biases`: of the convolutions of ALEXNET; `heads`: of each, 1 x C x 1 x 1, none below 0."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]

    @classmethod
    def load(cls, backbone: Path, heads: Path) -> Lpips:
        """From the two files, recognised by their tensors.

        Args:
            backbone: torchvision's AlexNet; what it names things with ('classifier') is not needed.
            heads: the linear heads of version 0.1 for AlexNet.

        Raises:
            UserError: a file cannot be read, or is of something else.
        """
        try:
            tensors = read_tensors(backbone)
            weights = tuple(_taken(tensors, f"{layer.name}.weight", layer.shape) for layer in ALEXNET)
            biases = tuple(_taken(tensors, f"{layer.name}.bias", layer.shape[:1]) for layer in ALEXNET)
        except BadWeights as error:
            raise UserError(
                f"{backbone} cannot be used as the backbone of LPIPS.", str(error), "Choose torchvision's AlexNet."
            ) from error
        try:
            tensors = read_tensors(heads)
            found = tuple(_head(tensors, index) for index in range(len(ALEXNET)))
        except BadWeights as error:
            raise UserError(
                f"{heads} cannot be used as the heads of LPIPS.", str(error), "Choose alex.pth of LPIPS 0.1."
            ) from error
        return cls(weights, biases, found)

    @torch.inference_mode()
    def distance(self, one: Pixels, other: Pixels) -> float:
        """How different two photos look, >= 0; 0 for the same, and the same either way round.

        Args:
            one, other: H x W x C in [0, 1], C being 1 or 3; at least LEAST px wide and high.

        Raises:
            ValueError: the sizes differ, or are too small.
        """
        if one.shape != other.shape:
            raise ValueError(f"the photos have different sizes, {one.shape} and {other.shape}")
        if min(one.shape[:2]) < LEAST:
            raise ValueError(f"photos of {one.shape[0]} x {one.shape[1]} are smaller than {LEAST} x {LEAST}")
        x = torch.cat([_seen(one), _seen(other)])
        total = 0.0
        for layer, weight, bias, head in zip(ALEXNET, self.weights, self.biases, self.heads, strict=True):
            if layer.pooled:
                x = max_pool2d(x, 3, stride=2)
            x = conv2d(x, weight, bias, stride=layer.stride, padding=layer.padding).relu()
            directions = x / (x.square().sum(dim=1, keepdim=True).sqrt() + TINY)
            difference = (head * (directions[:1] - directions[1:]).square()).sum(dim=1)
            total += float(difference.mean())
        return total


def _seen(photo: Pixels) -> Tensor:
    """H x W x C in [0, 1] as the backbone sees it, 1 x 3 x H x W; grey is three colours alike."""
    pixels = np.broadcast_to(photo, (*photo.shape[:2], 3))
    scaled = (pixels - np.array(MEAN)) / np.array(DEVIATION)
    return torch.tensor(scaled, dtype=torch.float32).permute(2, 0, 1)[None].contiguous()


def _taken(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of this name and shape."""
    if name not in tensors:
        raise BadWeights(f"It holds no tensor called {name}.")
    if tensors[name].shape != shape:
        raise BadWeights(f"The tensor {name} has the shape {tuple(tensors[name].shape)}, not {shape}.")
    return tensors[name]


def _head(tensors: Mapping[str, Tensor], index: int) -> Tensor:
    """The head of a layer."""
    name = f"lin{index}.model.1.weight"
    head = _taken(tensors, name, (1, ALEXNET[index].shape[0], 1, 1))
    if bool((head < 0).any()):
        raise BadWeights(f"The tensor {name} holds values below 0, so a difference could be less than none.")
    return head
