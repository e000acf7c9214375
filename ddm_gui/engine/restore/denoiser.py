"""What all denoisers for plug-and-play restoration have in common. Photos are B x C x H x W in [0, 1], sigma is the
noise's standard deviation in the same range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class Denoiser(nn.Module, ABC):
    """A network that takes white Gaussian noise of a known size out of photos.

    `channels` are those of the photos it knows; sizes must be multiples of `multiple`, which `denoised` sees to.
    """

    multiple: ClassVar[int] = 1
    channels: int

    @abstractmethod
    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """The photos without the noise."""

    @torch.no_grad()
    def denoised(self, noisy: Tensor, sigma: float) -> Tensor:
        """`forward` for photos of any size and number of channels.

        In float32: bf16, whose steps are 1/256, made a photo done in tiles differ from one done whole by 3 of 255. One
        that knows grey photos takes the colours one by one; one that knows colours takes grey for three alike.
        """
        height, width = noisy.shape[-2:]
        beyond = (-width % self.multiple, -height % self.multiple)
        whole = pad(noisy, (0, beyond[0], 0, beyond[1]), mode="replicate")
        channels = noisy.shape[1]
        if self.channels == 1:
            whole = whole.reshape(-1, 1, *whole.shape[-2:])
        elif channels == 1:
            whole = whole.expand(-1, self.channels, -1, -1)
        clean = self(whole.contiguous(memory_format=torch.channels_last), sigma)
        if self.channels == 1:
            clean = clean.reshape(-1, channels, *clean.shape[-2:])
        elif channels == 1:
            clean = clean.mean(dim=1, keepdim=True)
        cropped: Tensor = clean[..., :height, :width].contiguous()
        return cropped
