"""The paper's network: a U-Net of magnitude-preserving layers, written from the description of EDM2.

Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models (2024), section 2 and appendix B: every
layer keeps the expected size of what passes through, so no bias and no normalisation of groups is needed. Weights have
unit size whatever the optimiser does to them; sums and concatenations of two branches are divided by the size that they
would have; only the encoder's blocks normalise each pixel. With width 32, multipliers 1,2,3,4, one block and attention
at one size, as for the paper's faces, it has 4.2 million parameters
(the paper says 4, its code's network has 4.8). Clipping, which float16 needs, is left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddm_gui.engine.flow.velocity import VelocityModel

SILU_GAIN = 1 / 0.596  # over the root mean square of silu(standard normal)
RESIDUAL_SHARE = 0.3  # of a residual branch in the sum with what it is beside
SKIP_SHARE = 0.5  # of the encoder's features where they are joined to the decoder's
HEAD = 64  # channels of an attention head
NOISE_BOUND = 1e-4  # of t from its ends, for the logarithm that the embedding sees

# a + share (b - a) over its size: the factors of a and of b. The branch's convolution takes on the second.
KEPT = (1 - RESIDUAL_SHARE) / math.hypot(1 - RESIDUAL_SHARE, RESIDUAL_SHARE)
BRANCH = RESIDUAL_SHARE / math.hypot(1 - RESIDUAL_SHARE, RESIDUAL_SHARE)


def unit_pixels(x: Tensor) -> Tensor:
    """Each pixel over the root mean square of its channels, dimension 1."""
    size = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float32) / math.sqrt(x.shape[1])
    unit: Tensor = x / (size + 1e-4).to(x.dtype)
    return unit


def joined(a: Tensor, b: Tensor) -> Tensor:
    """Channels of a, then of b, the two groups weighing alike, however many channels they have; of unit size."""
    count_a, count_b = a.shape[1], b.shape[1]
    size = math.sqrt((count_a + count_b) / ((1 - SKIP_SHARE) ** 2 + SKIP_SHARE**2))
    weights = (size * (1 - SKIP_SHARE) / math.sqrt(count_a), size * SKIP_SHARE / math.sqrt(count_b))
    return torch.cat([a * weights[0], b * weights[1]], dim=1)


class ByteDropout(nn.Module):
    """Dropout by one random byte a value, drawn eight at a time: a fifth of the time of torch's own on a CPU.

    The share is that nearest to what is asked for in steps of 1/256.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.threshold = round(256 * share)

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W: while it learns, values are left out, and the others scaled up."""
        if not (self.training and self.threshold):
            return x
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        batch, channels, height, width = x.shape
        kept = words.view(torch.uint8)[: x.numel()].view(batch, height, width, channels) >= self.threshold
        return x * (kept * (256 / (256 - self.threshold))).to(x.dtype).permute(0, 3, 1, 2)


class UnitConv(nn.Module):
    """A convolution (or, of size 0, a matrix) each of whose filters has norm one, so unit size stays unit size.

    While it learns, the weights themselves are put back to unit size per value at each pass: steps of an optimiser
    then turn a filter by as much at the end of a run as at its beginning.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        shape = (outputs, inputs, size, size) if size else (outputs, inputs)
        self.weight = nn.Parameter(torch.randn(shape))
        self.size = size

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """B x inputs (x H x W) -> B x outputs (x H x W), `gain` times."""
        count = self.weight[0].numel()
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.weight.copy_(self._directions() * math.sqrt(count))
        weight = (self._directions() * gain).to(x.dtype)
        return F.conv2d(x, weight, padding=self.size // 2) if self.size else F.linear(x, weight)

    def _directions(self) -> Tensor:
        """Filters over their norms."""
        norms = self.weight.flatten(1).norm(dim=1) + 1e-4
        directions: Tensor = self.weight / norms.view(-1, *(1,) * (self.weight.ndim - 1))
        return directions


class NoiseEmbedding(nn.Module):
    """Random Fourier features of a quarter of the noise's logarithm, ln((1 - t)/t)/4 in the time of the path."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(features))
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))
        self.linear = UnitConv(features, outputs, 0)

    def forward(self, t: Tensor) -> Tensor:
        """B -> B x outputs."""
        bounded = t.clamp(NOISE_BOUND, 1 - NOISE_BOUND)
        level = ((1 - bounded) / bounded).log() / 4
        features = math.sqrt(2) * torch.cos(level[:, None] * self.frequencies + self.phases)
        return F.silu(self.linear(features)) * SILU_GAIN


class SelfAttention(nn.Module):
    """Pixels attend to each other by cosine similarity, in heads of 64 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.question = UnitConv(channels, 3 * channels, 1)
        self.answer = UnitConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W -> the same."""
        batch, channels, height, width = x.shape
        split = self.question(x).reshape(batch, 3 * self.heads, channels // self.heads, height * width)
        unit = unit_pixels(split.flatten(0, 1)).view_as(split).transpose(2, 3)
        query, key, value = unit.chunk(3, dim=1)
        attended = F.scaled_dot_product_attention(query, key, value)
        found = attended.transpose(2, 3).reshape(batch, channels, height, width)
        return torch.add(self.answer(found, BRANCH), x, alpha=KEPT)


class Block(nn.Module):
    """Two 3x3 convolutions beside the identity, the noise level between them; then attention, where asked for.

    In the encoder what comes in is normalised per pixel, after its channels have become as many as go out; in the
    decoder it is not, and they become so beside the two convolutions.
    """

    def __init__(
        self, inputs: int, outputs: int, embedding: int, *, encodes: bool, attends: bool, dropout: float
    ) -> None:
        super().__init__()
        self.encodes = encodes
        self.direct = UnitConv(inputs, outputs, 1) if inputs != outputs else None
        self.first = UnitConv(outputs if encodes else inputs, outputs, 3)
        self.level = UnitConv(embedding, outputs, 0)
        self.level_gain = nn.Parameter(torch.zeros(()))
        self.dropout = ByteDropout(dropout)
        self.second = UnitConv(outputs, outputs, 3)
        self.attention = SelfAttention(outputs) if attends else None

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """B x inputs x H x W and B x embedding -> B x outputs x H x W."""
        if self.encodes:
            x = unit_pixels(self.direct(x) if self.direct is not None else x)
        scale = (self.level(embedded, self.level_gain) + 1)[:, :, None, None]
        hidden = self.dropout(F.silu(self.first(F.silu(x), SILU_GAIN) * scale.to(x.dtype)))
        if not self.encodes and self.direct is not None:
            x = self.direct(x)
        x = torch.add(self.second(hidden, SILU_GAIN * BRANCH), x, alpha=KEPT)
        return x if self.attention is None else self.attention(x)


class UNet(VelocityModel):
    """An encoder that halves, a decoder that doubles, and skips between them.

    Args:
        channels: of the photos.
        width: channels at full size, times the first multiple.
        multiples: of `width`, one for each resolution, from full size down; each halves the size.
        blocks: of the encoder at each resolution; the decoder has one more.
        attention_level: number of the resolution at which pixels attend to each other, 0 at full size, beside the
            bottom, where they then do too; None: nowhere.
        dropout: share of values left out while it learns.
        sigma_data: standard deviation of the data.
        over_field: whether it is told where in the photo a patch lies.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        multiples: tuple[int, ...],
        blocks: int,
        attention_level: int | None,
        dropout: float,
        sigma_data: float,
        over_field: bool = False,
    ) -> None:
        super().__init__(sigma_data, over_field)
        embedding = width * max(multiples)
        self.embed = NoiseEmbedding(width, embedding)

        def block(inputs: int, outputs: int, level: int, *, encodes: bool, attends: bool | None = None) -> Block:
            here = level == attention_level if attends is None else attends
            return Block(inputs, outputs, embedding, encodes=encodes, attends=here, dropout=dropout)

        widths = [width * multiple for multiple in multiples]
        self.enter = UnitConv(channels + 2 * over_field + 1, widths[0], 3)  # one channel of ones stands for biases
        kept, last = [widths[0]], widths[0]
        self.down = nn.ModuleList()
        for level, outputs in enumerate(widths):
            stage = nn.ModuleList()
            if level > 0:  # behind the halving
                stage.append(block(last, last, level, encodes=True, attends=False))
                kept.append(last)
            for _ in range(blocks):
                stage.append(block(last, outputs, level, encodes=True))
                last = outputs
                kept.append(last)
            self.down.append(stage)
        bottom = len(widths) - 1
        self.middle = nn.ModuleList(
            block(last, last, bottom, encodes=False, attends=attends)
            for attends in (attention_level is not None, False)
        )
        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            stage = nn.ModuleList()
            if level < bottom:  # behind the doubling
                stage.append(block(last, last, level, encodes=False, attends=False))
            for _ in range(blocks + 1):
                stage.append(block(last + kept.pop(), widths[level], level, encodes=False))
                last = widths[level]
            self.up.append(stage)
        self.leave = UnitConv(last, channels, 3)
        self.leave_gain = nn.Parameter(torch.zeros(()))

    def stop_dropout(self) -> None:
        for module in self.modules():
            if isinstance(module, ByteDropout):
                module.threshold = 0

    def residual(self, x: Tensor, t: Tensor) -> Tensor:
        """See VelocityModel."""
        embedded = self.embed(t)
        ones = torch.ones_like(x[:, :1])
        x = torch.cat([x, ones], dim=1).contiguous(memory_format=torch.channels_last)
        with self.precision(x.device):
            x = self.enter(x)
            kept = [x]
            for level, stage in enumerate(self.down):
                x = self._encoded(x, embedded, level > 0, stage, kept)
            for block in self.middle:
                x = block(x, embedded)
            for depth, stage in enumerate(self.up):
                x = self._decoded(x, embedded, depth > 0, stage, kept)
            left: Tensor = self.leave(x, self.leave_gain)
            return left

    @staticmethod
    def _encoded(x: Tensor, embedded: Tensor, halves: bool, stage: nn.Module, kept: list[Tensor]) -> Tensor:
        """One resolution on the way down; what each block gives is kept."""
        if halves:
            x = F.avg_pool2d(x, 2)
        for block in stage.children():
            x = block(x, embedded)
            kept.append(x)
        return x

    @staticmethod
    def _decoded(x: Tensor, embedded: Tensor, doubles: bool, stage: nn.Module, kept: list[Tensor]) -> Tensor:
        """One resolution on the way up; each block but that behind the doubling takes what was kept last."""
        blocks = list(stage.children())
        if doubles:
            x = blocks.pop(0)(F.interpolate(x, scale_factor=2, mode="nearest"), embedded)
        for block in blocks:
            x = block(joined(x, kept.pop()), embedded)
        return x
