"""A denoiser of one's own: step 1's network, learned from clean photos, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import save
from torch import Tensor

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside
from ddm_gui.engine.flow.denoising import LivelyPixels, without_noise
from ddm_gui.engine.flow.velocity import VelocityModel, VelocityNet
from ddm_gui.engine.restore.denoiser import Denoiser
from ddm_gui.engine.restore.denoiser_files import DenoiserAbout


class LearnedDenoiser(Denoiser):
    """The mean of all clean photos that may be behind a noisy one, as a velocity network tells it."""

    multiple: ClassVar[int] = 4

    def __init__(self, network: VelocityModel, about: DenoiserAbout) -> None:
        super().__init__()
        self.network, self.about, self.channels = network, about, about.channels
        network.exact = True

    @classmethod
    def without_weights(cls, about: DenoiserAbout) -> LearnedDenoiser:
        """One as a file describes it; its weights have shapes, and no values."""
        blocks = (about.settings.blocks,) * 3
        with torch.device("meta"):
            return cls(VelocityNet(about.channels, about.settings.width, blocks, LivelyPixels.sigma_data), about)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """See Denoiser. More noise than it has learned is taken for the most of that."""
        return without_noise(self.network, noisy, min(sigma, self.about.settings.most_noise))

    def save(self, path: Path) -> None:
        """Writes it as a safetensors file, making the folder where it is missing.

        Raises:
            UserError: the disk does not take it.
        """
        tensors = {name: tensor.cpu().contiguous() for name, tensor in self.state_dict().items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, save(tensors, metadata={"ddm": self.about.to_json()}))
        except OSError as error:
            raise UserError(
                f"The denoiser {path} cannot be written.", f"{error}.", "Make room on the disk, or choose another file."
            ) from error
