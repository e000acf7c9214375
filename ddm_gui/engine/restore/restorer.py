"""What all restorers have in common: a name, a citation, settings with units, and one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.photo import Photo
from ddm_gui.engine.psf import PsfGrid
from ddm_gui.engine.restore.measurements import measured_noise, passed_power
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.settings import Scope, check_value, setting

Pixels = NDArray[np.float32]
Known = NDArray[np.bool_]


def number(default: float | None, label: str, help: str, low: float, high: float, unit: str = "") -> Any:
    """A field of a restorer that is a number in bounds, or None where that is its default."""
    choices = (None,) if default is None else ()
    return setting(default, label, help, scope=Scope.RUN, low=low, high=high, unit=unit, choices=choices)


@dataclass(frozen=True)
class Restorer(ABC):
    """A way to take a known blur out of photos. An instance is always valid.

    Raises:
        UserError: a setting is out of its bounds, naming it and the bounds.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    copies: ClassVar[int]  # float32 copies of a tile, with all that lies around it, that are held at once, at most

    noise_sigma: float | None = number(
        None, "Noise of the photo", "Standard deviation, of a range of 1; not given: measured in each photo.", 0.0, 0.5
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            check_value(item, getattr(self, item.name))

    def check(self) -> None:
        """Looks whether all that is needed is there, before a folder of photos is begun.

        Raises:
            UserError: it is not.
        """
        return

    @abstractmethod
    def pixels(
        self,
        photo: Photo,
        psf: PsfGrid,
        noises: Sequence[float],
        unclipped: Known | None,
        device: str,
        plan: Plan | None = None,
    ) -> Pixels:
        """H x W x C without the blur, not clipped.

        Args:
            photo: of 1 or 3 channels, any size.
            psf: of one channel or of as many as the photo has.
            noises: of the photo, see `noises`.
            unclipped: H x W x C, false where the camera was clipped, which is not what light was there; None: nowhere.
            device: 'cpu' or 'cuda:0' and so on.
            plan: how it is cut up; None: as `usual_plan` says.
        """

    def usual_plan(self, device: str) -> Plan:
        """How a photo is cut up, where memory asks for nothing else."""
        return Plan(device=device)

    @abstractmethod
    def halo(self, psf: PsfGrid) -> int:
        """How many px around a part of a photo have a say in what becomes of it."""

    def bytes_of_tiles(self, psf: PsfGrid, channels: int, plan: Plan) -> float:
        """What the tiles in work need of this machine's memory."""
        side = plan.tile + 2 * self.halo(psf) + 4 * psf.size
        return 4.0 * self.copies * channels * side**2 if plan.device == "cpu" else 0.0

    def noises(self, photo: Photo, psf: PsfGrid) -> list[float]:
        """The noise of each channel: as said, or else measured, never less than the PSF's own; and a file's own
        rounding, which is noise too and keeps a design finite where a kernel passes nothing."""
        rounding = 1.0 / (2**photo.depth - 1) / np.sqrt(12.0)
        found = []
        for channel in range(photo.pixels.shape[2]):
            noise = self.noise_sigma
            if noise is None:
                kernels = psf.kernels[:, :, channel if psf.channels > 1 else 0]
                noise = max(measured_noise(photo.pixels[..., channel], passed_power(kernels)), psf.noise_sigma or 0.0)
            found.append(float(np.hypot(noise, rounding)))
        return found
