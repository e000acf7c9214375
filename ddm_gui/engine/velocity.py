"""The velocity network v(y_t, t) of conditional flow matching, written from the equations.

Path: y_t = (1 - t) y_0 + t y_1, y_0 noise, y_1 data of unit variance; the target is u = y_1 - y_0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddm_gui.engine.devices import reduced_precision

FREQUENCIES = 8  # of the Fourier features of t
SILU_GAIN = 1.68  # 1 / rms of silu(standard normal): keeps the size of what passes through


def linear_velocity(t: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (c, s) of the best linear velocity for white data of unit variance, and the size of its error.

    u = y_1 - y_0 and y_t have covariance 2t - 1 and variances 2 and q = t^2 + (1 - t)^2, so E[u | y_t] = c y_t with
    c = (2t - 1)/q, and Var(u - c y_t) = 2 - (2t - 1)^2/q = 1/q, hence s = q^(-1/2), which also scales y_t to unit size.
    """
    q = t.square() + (1 - t).square()
    return (2 * t - 1) / q, q.rsqrt()


class FilterNormConv(nn.Module):
    """Convolution whose filters are normalised one by one: direction and size of a filter are learned apart.

    It keeps activations in bounds without any normalisation layer, which cost a third of a step.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.gain = nn.Parameter(torch.ones(outputs))
        self.padding = size // 2

    def forward(self, x: Tensor) -> Tensor:
        """B x inputs x H x W -> B x outputs x H x W."""
        norm = self.direction.flatten(1).norm(dim=1) + 1e-8
        weight = self.direction * (self.gain / norm)[:, None, None, None]
        return F.conv2d(x, weight, padding=self.padding)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity; time scales and shifts between them."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.first = FilterNormConv(width, width, 3)
        self.second = FilterNormConv(width, width, 3)
        self.time = nn.Linear(embedding, 2 * width)
        self.strength = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, embedded_t: Tensor) -> Tensor:
        """B x width x H x W and B x embedding -> B x width x H x W."""
        scale, shift = self.time(embedded_t)[:, :, None, None].chunk(2, dim=1)
        hidden = self.first(F.silu(x)) * (1 + scale) + shift
        changed: Tensor = x + self.strength * self.second(F.silu(hidden) * SILU_GAIN)
        return changed


class VelocityNet(nn.Module):
    """v(y_t, t) = c(t) y_t + s(t) F(s(t) y_t, t), F residual blocks at half and quarter resolution.

    `channels` are the photo's; `width` those of the network; `blocks` counts them at half size, at quarter size, and at
    half size again. Patches must have sizes divisible by 4. It starts as the exact velocity of white noise.
    """

    def __init__(self, channels: int, width: int, blocks: tuple[int, int, int]) -> None:
        super().__init__()
        self.channels = channels
        self.embed_time = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU())
        self.enter = FilterNormConv(4 * channels, width, 3)
        self.bias = nn.Parameter(torch.zeros(width))
        self.before = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[0]))
        self.down = FilterNormConv(4 * width, width, 1)
        self.coarse = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[1]))
        self.up = FilterNormConv(width, 4 * width, 1)
        self.after = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[2]))
        self.leave = FilterNormConv(width, 4 * channels, 3)
        nn.init.zeros_(self.leave.gain)

    def forward(self, y_t: Tensor, t: Tensor) -> Tensor:
        """y_t: B x channels x H x W, t: B in [0, 1] -> velocity, as y_t, float32."""
        linear, size = (coefficient[:, None, None, None] for coefficient in linear_velocity(t))
        angles = math.pi * t[:, None] * torch.arange(1, FREQUENCIES + 1, device=t.device)
        embedded_t = self.embed_time(torch.cat([angles.cos(), angles.sin()], dim=1))
        with reduced_precision(y_t.device):
            x = F.pixel_unshuffle(y_t * size, 2).contiguous(memory_format=torch.channels_last)
            x = self.enter(x) + self.bias[:, None, None]
            for block in self.before:
                x = block(x, embedded_t)
            coarse = self.down(F.pixel_unshuffle(x, 2))
            for block in self.coarse:
                coarse = block(coarse, embedded_t)
            x = x + 0.5 * F.pixel_shuffle(self.up(coarse), 2)
            for block in self.after:
                x = block(x, embedded_t)
            x = F.pixel_shuffle(self.leave(F.silu(x)), 2)
        return linear * y_t + size * x.float()
