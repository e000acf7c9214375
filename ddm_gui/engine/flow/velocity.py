"""The velocity network v(y_t, t) of conditional flow matching, written from the equations.

Path: y_t = (1 - t) y_0 + t y_1, y_0 noise, y_1 data of a known variance; the target is u = y_1 - y_0.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddm_gui.engine.devices import reduced_precision

FREQUENCIES = 8  # of the Fourier features of t
SILU_GAIN = 1.68  # 1 / rms of silu(standard normal): keeps the size of what passes through


def linear_velocity(t: Tensor, sigma_data: float = 1.0) -> tuple[Tensor, Tensor]:
    """Coefficients (c, s) of the best linear velocity for white data of standard deviation d = `sigma_data`.

    u = y_1 - y_0 and y_t have covariance t d^2 - (1 - t) and variances 1 + d^2 and q = t^2 d^2 + (1 - t)^2. So
    E[u | y_t] = c y_t with c = (t d^2 - (1 - t))/q, and Var(u - c y_t) = 1 + d^2 - c^2 q = d^2/q. Hence s = q^(-1/2)
    scales y_t to unit size, and d s is the size of the error.
    """
    q = (t * sigma_data).square() + (1 - t).square()
    return (t * sigma_data**2 - (1 - t)) / q, q.rsqrt()


class VelocityModel(nn.Module, ABC):
    """v(y_t, t) = c(t) y_t + d s(t) F(s(t) y_t, t): a subclass gives F, whose input and target have unit size.

    c and s are those of `linear_velocity`, d the standard deviation of the data. Where F is 0 it is the exact velocity
    of white noise of that size.
    """

    def __init__(self, sigma_data: float = 1.0, over_field: bool = False) -> None:
        """`over_field`: the velocity depends on where in the photo a patch lies (section 3.3 of the paper)."""
        super().__init__()
        self.sigma_data, self.over_field = sigma_data, over_field
        self.exact = False  # float32 throughout, also where the device is quicker in bf16

    def precision(self, device: torch.device) -> AbstractContextManager[None]:
        """In which the layers compute."""
        return nullcontext() if self.exact else reduced_precision(device)

    @abstractmethod
    def residual(self, x: Tensor, t: Tensor) -> Tensor:
        """F: B x channels x H x W (with two more channels, the positions in [-1, 1], over the field) and t: B ->
        B x channels x H x W, in any precision."""

    def stop_dropout(self) -> None:
        """From now on nothing is left out, whatever the mode."""
        return

    def forward(self, y_t: Tensor, t: Tensor, places: Tensor | None = None) -> Tensor:
        """y_t: B x channels x H x W, t: B in [0, 1], places: B x 2 x H x W in [0, 1], row and col of each pixel in the
        field, for a network that is told them -> velocity, as y_t, float32.

        Raises:
            ValueError: the network is to be told the places and was not, or the other way round.
        """
        if (places is not None) != self.over_field:
            raise ValueError("a network over the field is told where its patches lie, and no other is")
        linear, size = (coefficient[:, None, None, None] for coefficient in linear_velocity(t, self.sigma_data))
        x = y_t * size
        if places is not None:
            x = torch.cat([x, 2 * places - 1], dim=1)
        return linear * y_t + self.sigma_data * size * self.residual(x, t).float()


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


class VelocityNet(VelocityModel):
    """The compact network: residual blocks at half and quarter resolution.

    `channels` are the photo's; `width` those of the network; `blocks` counts them at half size, at quarter size, and at
    half size again. Patches must have sizes divisible by 4. It starts as the exact velocity of white noise.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        blocks: tuple[int, int, int],
        sigma_data: float = 1.0,
        over_field: bool = False,
    ) -> None:
        super().__init__(sigma_data, over_field)
        self.embed_time = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU())
        self.enter = FilterNormConv(4 * (channels + 2 * over_field), width, 3)
        self.bias = nn.Parameter(torch.zeros(width))
        self.before = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[0]))
        self.down = FilterNormConv(4 * width, width, 1)
        self.coarse = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[1]))
        self.up = FilterNormConv(width, 4 * width, 1)
        self.after = nn.ModuleList(ResidualBlock(width, width) for _ in range(blocks[2]))
        self.leave = FilterNormConv(width, 4 * channels, 3)
        nn.init.zeros_(self.leave.gain)

    def residual(self, x: Tensor, t: Tensor) -> Tensor:
        """See VelocityModel."""
        angles = math.pi * t[:, None] * torch.arange(1, FREQUENCIES + 1, device=t.device)
        embedded_t = self.embed_time(torch.cat([angles.cos(), angles.sin()], dim=1))
        with self.precision(x.device):
            x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
            x = self.enter(x) + self.bias[:, None, None]
            for block in self.before:
                x = block(x, embedded_t)
            coarse = self.down(F.pixel_unshuffle(x, 2))
            for block in self.coarse:
                coarse = block(coarse, embedded_t)
            x = x + 0.5 * F.pixel_shuffle(self.up(coarse), 2)
            for block in self.after:
                x = block(x, embedded_t)
            return F.pixel_shuffle(self.leave(F.silu(x)), 2)
