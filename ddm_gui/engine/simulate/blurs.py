"""The kinds of blur that can be simulated, by name: their numbers with defaults, bounds, units and words.

Plain values; `simulated_psf` makes kernels of them. The command line makes an option of each field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Scope, check_values, setting

KERNEL_SIZE = 25  # px
NOISE_SIGMA, LARGEST_NOISE = 0.02, 0.5  # of a range of 1
LARGEST_SHOT = 0.25  # by which the variance of photon noise grows from black to white


def _number(default: float | None, help: str, low: float, high: float, unit: str = "", *, label: str) -> Any:
    """A field that is a number in bounds, or None where that is its default."""
    choices = (None,) if default is None else ()
    return setting(default, label, help, scope=Scope.RUN, low=low, high=high, unit=unit, choices=choices)


def _angle(default: float, of: str) -> Any:
    return _number(default, f"direction of {of}: 0 to the right, 90 downwards", -360.0, 360.0, "degrees", label="Angle")


def _diffraction() -> Any:
    return _number(0.8, "wavelength times f-number", 0.3, 5.0, "px", label="Diffraction")


def _softness() -> Any:
    what = "sigma of a Gaussian that stands for the sensor's low-pass filter"
    return _number(0.5, what, 0.0, 5.0, "px", label="Softness")


@dataclass(frozen=True)
class Blur:
    """Base of all kinds. An instance is always valid.

    Raises:
        UserError: a number is out of its bounds, naming it and the bounds.
    """

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def reach(self) -> float:
        """How far from its middle most of the blur certainly lies, in px: half of a kernel must hold it."""
        return 0.0


@dataclass(frozen=True)
class GaussianBlur(Blur):
    """Round, or longer in one direction."""

    sigma: float = _number(1.0, "width of the Gaussian, along its angle", 0.1, 15.0, "px", label="Sigma")
    sigma_across: float | None = _number(
        None, "its width across the angle; not given: as along", 0.1, 15.0, "px", label="Sigma across"
    )
    angle: float = _angle(0.0, "sigma")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.angle and self.sigma_across is None:
            raise UserError(
                "A round Gaussian has no angle.", "", "Give its width across the angle (sigma_across) as well."
            )

    @property
    def reach(self) -> float:
        return 2.0 * max(self.sigma, self.sigma_across or 0.0)


@dataclass(frozen=True)
class DiscBlur(Blur):
    """Plain defocus."""

    radius: float = _number(3.0, "radius of the disc", 0.5, 31.0, "px", label="Radius")

    @property
    def reach(self) -> float:
        return self.radius


@dataclass(frozen=True)
class ComaBlur(Blur):
    """A lens by its aberrations, as `simulate.Lens`. By default coma that trefoil parts into two arms."""

    coma: float = _number(0.3, "coma", -2.0, 2.0, "waves rms", label="Coma")
    trefoil: float = _number(
        -0.2, "trefoil; against the sign of coma it parts its tail into arms", -2.0, 2.0, "waves rms", label="Trefoil"
    )
    defocus: float = _number(0.0, "defocus", -2.0, 2.0, "waves rms", label="Defocus")
    astigmatism: float = _number(0.0, "astigmatism", -2.0, 2.0, "waves rms", label="Astigmatism")
    angle: float = _angle(35.0, "the tail of coma, and of lateral")
    lateral: float = _number(1.0, "lateral colour: how far red lies from blue", -10.0, 10.0, "px", label="Lateral")
    axial: float = _number(
        0.0, "axial colour: defocus that red has more, and blue less, than green", -1.0, 1.0, "waves rms", label="Axial"
    )
    diffraction: float = _diffraction()
    softness: float = _softness()

    @property
    def reach(self) -> float:
        return abs(self.lateral) / 2.0 + 2.0 * self.softness


@dataclass(frozen=True)
class ShakeBlur(Blur):
    """Camera shake, drawn at random; it fills the kernel's size at most."""

    intensity: float = _number(0.5, "from 0, a straight line, to 1, long and crooked", 0.0, 1.0, label="Intensity")


@dataclass(frozen=True)
class LensBlur(Blur):
    """A lens over the field, best in the middle: what it does wrong grows outwards to what is said of the corners.

    Coma and lateral colour grow with the distance from the middle, all else with its square (Seidel's third order).
    """

    rows: int = setting(8, "Rows", "rows of kernels over the field", scope=Scope.RUN, low=2, high=64)
    cols: int = setting(8, "Columns", "columns of kernels over the field", scope=Scope.RUN, low=2, high=64)
    aspect: float = _number(1.5, "width of the field over its height", 0.1, 10.0, label="Aspect")
    defocus: float = _number(0.05, "defocus everywhere", -2.0, 2.0, "waves rms", label="Defocus")
    curvature: float = _number(
        0.25, "field curvature: defocus that a corner has more", -2.0, 2.0, "waves rms", label="Curvature"
    )
    astigmatism: float = _number(0.15, "astigmatism in a corner", -2.0, 2.0, "waves rms", label="Astigmatism")
    coma: float = _number(0.3, "coma in a corner, its tail outwards", -2.0, 2.0, "waves rms", label="Coma")
    lateral: float = _number(
        2.0, "lateral colour: how far outside of blue red lies in a corner", -10.0, 10.0, "px", label="Lateral"
    )
    axial: float = _number(
        0.05,
        "axial colour: defocus that red has more, and blue less, in a corner",
        -1.0,
        1.0,
        "waves rms",
        label="Axial",
    )
    diffraction: float = _diffraction()
    softness: float = _softness()

    @property
    def reach(self) -> float:
        return abs(self.lateral) / 2.0 + 2.0 * self.softness


BLURS: dict[str, type[Blur]] = {
    "gaussian": GaussianBlur,
    "disc": DiscBlur,
    "coma": ComaBlur,
    "shake": ShakeBlur,
    "lens": LensBlur,
}


def check_shot(shot: float) -> None:
    """Refuses what is no amount of photon noise.

    Raises:
        UserError: naming the bounds.
    """
    if not 0.0 <= shot <= LARGEST_SHOT:
        raise UserError(
            f"Photon noise (photon_noise) cannot be {shot:g}.", f"It may be a number from 0 to {LARGEST_SHOT:g}."
        )


def check_noise(noise_sigma: float) -> None:
    """Refuses what is no amount of noise.

    Raises:
        UserError: naming the bounds.
    """
    if not 0.0 <= noise_sigma <= LARGEST_NOISE:
        raise UserError(
            f"Noise (noise_sigma) cannot be {noise_sigma:g}.", f"It may be a number from 0 to {LARGEST_NOISE:g}."
        )
