"""The kernel of luminance, which is what the networks of both steps see, and those of the colours, made of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ddm_gui.engine.matching.colour import ColourMatch, apart
from ddm_gui.engine.matching.descent import set_kernels
from ddm_gui.engine.matching.kernels import SoftmaxKernels


class CommonKernel:
    """One kernel k x k, `pixels`, of which a model's kernels C' x k x k are made."""

    def __init__(self, model: SoftmaxKernels, colour: ColourMatch) -> None:
        self.model, self.colour = model, colour
        self.pixels = self.mean_of_colours()
        self.differences = torch.zeros(model.logits.shape[0], 5, device=model.device)  # of the colours from it

    def mean_of_colours(self) -> Tensor:
        """Of the model's kernels, as they are."""
        return self.model.kernels().detach().mean(dim=0)

    def set(self, kernel: Tensor) -> None:
        """Another kernel k x k, and with it those of the colours."""
        self.pixels = kernel
        colours = apart(kernel, self.differences) if len(self.differences) > 1 else kernel[None]
        set_kernels(self.model.logits, colours)

    def separate_colours(self) -> None:
        """What sets the colours apart, by the photos' cross-spectra; nothing to find out for one kernel."""
        model = self.model
        if model.logits.shape[0] > 1:
            gains, sigma = model.log_gain.detach().exp(), model.sigma().detach()
            self.differences = self.colour.differences(self.pixels, gains, sigma)
        self.set(self.pixels)

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return {"kernel": self.pixels, "differences": self.differences}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave; the model has a state of its own."""
        device = self.model.device
        self.pixels, self.differences = tensors["kernel"].to(device), tensors["differences"].to(device)
