"""What all restorers have in common: a name, a citation, settings with units, and one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.measurements import measured_noise, passed_power
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.settings import Scope, check_values, setting

Pixels = NDArray[np.float32]
Known = NDArray[np.bool_]
Weights = NDArray[np.bool_] | NDArray[np.float32]
Answer = TypeVar("Answer")
Steps = Generator[float, None, Answer]  # yields how much is done, a share of 1; closed, it ends where it is

FLOAT_BITS = 24  # of a float32 value's fraction
SURROUNDINGS = 1.5  # px: sigma of the Gaussian by which a pixel's noise-free value is guessed


def number(default: float | None, label: str, help: str, low: float, high: float, unit: str = "") -> Any:
    """A field of a restorer that is a number in bounds, or None where that is its default."""
    choices = (None,) if default is None else ()
    return setting(default, label, help, scope=Scope.RUN, low=low, high=high, unit=unit, choices=choices)


def drained(steps: Steps[Answer]) -> Answer:
    """What steps come to, when nobody looks at them on the way."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


@dataclass(frozen=True, eq=False)
class Blurred:
    """What is to be restored.

    `photo`: of 1 or 3 channels, any size; `psf`: of one channel or of as many; `noises`: of the photo, of each channel.
    `weights`: H x W x C, how much each pixel counts, for restorers that can weigh what they fit: 0 (false) where the
    camera was clipped, which is not what light was there, else (see `pixel_weights`) 1, or the more the less noise it
    has; None: 1 everywhere.
    """

    photo: Photo
    psf: PsfGrid
    noises: Sequence[float]
    weights: Weights | None


@dataclass(frozen=True)
class Restorer(ABC):
    """A way to take a known blur out of photos. An instance is always valid.

    Raises:
        UserError: a setting is out of its bounds, naming it and the bounds.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    weighs_pixels: ClassVar[bool] = True  # in what it fits to the photo
    photos_at_once: ClassVar[int] = 1  # more would take turns: torch has all cores at work, or a whole GPU
    copies: ClassVar[int]  # float32 copies of a tile, with all that lies around it, that are held at once, at most

    noise_sigma: float | None = number(
        None, "Noise of the photo", "Standard deviation, of a range of 1; not given: measured in each photo.", 0.0, 0.5
    )

    def __post_init__(self) -> None:
        check_values(self)

    def check(self) -> None:
        """Looks whether all that is needed is there, before a folder of photos is begun.

        Raises:
            UserError: it is not.
        """
        return

    @abstractmethod
    def restoring(self, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        """H x W x C without the blur, not clipped; step by step, so that it can be followed, and stopped between two.
        `plan` says how it is cut up, and where it runs."""

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

    def variance(self, photo: Photo, psf: PsfGrid) -> Pixels | None:
        """Of the noise of each pixel, H x W x C, where the PSF knows how noise grows with light and nobody says another
        noise; None: it is as strong everywhere, see `noises`.

        The noise-free value of a pixel is that of its surroundings. Where a channel has more noise than the photos that
        the PSF was learned from (a higher ISO), its variance is so many times as large.
        """
        if psf.photon_noise is None or self.noise_sigma is not None:
            return None
        smooth = gaussian_filter(photo.pixels, (SURROUNDINGS, SURROUNDINGS, 0), mode="nearest")
        variance = psf.photon_noise.variance(smooth).astype(np.float32) + np.float32(_rounding(photo) ** 2)
        for channel in range(variance.shape[2]):
            # Divided by its own standard deviation the noise is as strong everywhere, which is what can be measured.
            mean = variance[..., channel].mean()
            even = photo.pixels[..., channel] / np.sqrt(variance[..., channel] / mean)
            measured = measured_noise(even, passed_power(_of_channel(psf, channel)))
            variance[..., channel] *= max(1.0, measured**2 / float(mean))
        return variance

    def overall_noises(self, variance: Pixels) -> list[float]:
        """The noise of each channel, where it is not as strong everywhere: its root mean square, or for restorers that
        weigh pixels that of the harmonic mean, which leaves places of little noise their detail."""
        mean = variance.mean(axis=(0, 1), dtype=np.float64)
        if self.weighs_pixels:
            mean = 1.0 / (1.0 / variance).mean(axis=(0, 1), dtype=np.float64)
        return [float(sigma) for sigma in np.sqrt(mean)]

    def noises(self, photo: Photo, psf: PsfGrid) -> list[float]:
        """The noise of each channel where it is as strong everywhere: as said, or else measured, never less than the
        PSF's own; and a file's own rounding, which is noise too and keeps a design finite where a kernel passes
        nothing."""
        found = []
        for channel in range(photo.pixels.shape[2]):
            noise = self.noise_sigma
            if noise is None:
                passed = passed_power(_of_channel(psf, channel))
                noise = max(measured_noise(photo.pixels[..., channel], passed), psf.noise_sigma or 0.0)
            found.append(float(np.hypot(noise, _rounding(photo))))
        return found


def pixel_weights(unclipped: Known | None, variance: Pixels | None, sigma: float) -> Weights | None:
    """How much each pixel of a photo counts, H x W x C: sigma over the standard deviation of its noise, 0 where it was
    clipped; None: all alike. sigma is what a restorer takes for the noise of the whole photo.

    The inverse variance, which is right for the data alone, leaves too much noise in the dark: there photos in linear
    light have less contrast, too, which restorers that know one smoothness for all of a photo cannot know. (Of
    Kodak's fifth photo at a quarter of its light, shot .004, read 2e-5: in the darkest third total variation with the
    inverse variance lost .6 dB against one noise for all, with this .1; in the brightest third it gained .8 dB.)
    """
    if variance is None:
        return unclipped
    weights = (sigma / np.sqrt(variance)).astype(np.float32)
    return weights if unclipped is None else weights * unclipped


def _of_channel(psf: PsfGrid, channel: int) -> Pixels:
    """The kernels that blur a channel of a photo."""
    return psf.kernels[:, :, channel if psf.channels > 1 else 0]


def _rounding(photo: Photo) -> float:
    """Standard deviation of what rounding to the depth of its file adds to a photo."""
    return float(1.0 / (2 ** min(photo.depth, FLOAT_BITS) - 1) / np.sqrt(12.0))
