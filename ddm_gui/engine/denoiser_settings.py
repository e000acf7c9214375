"""Settings of the run that learns a denoiser."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Scope, Settings, check_values, setting


def _alike(name: str, default: Any = None, help: str = "") -> Any:
    """A field that means what it means in Settings, with another default and in other words where they are given."""
    item = next(item for item in fields(Settings) if item.name == name)
    metadata = {**item.metadata, "help": help or item.metadata["help"]}
    return field(default=item.default if default is None else default, metadata=metadata)


@dataclass(frozen=True)
class DenoiserSettings:
    """What a person can choose for a run that learns a denoiser from clean photos. An instance is always valid.

    Raises:
        UserError: a value is out of its bounds, naming the setting and the bounds; or two settings do not go together.
    """

    minutes: float = setting(
        20.0,
        "Time",
        "How long to learn, by a short trial on this machine. Measuring the result takes a minute or two more.",
        scope=Scope.FLOW,
        low=0.1,
        high=100_000,
        unit="min",
        advanced=False,
    )
    images: int = setting(
        0,
        "Patches",
        "How many clean patches to learn from; 0: as many as the time allows.",
        scope=Scope.FLOW,
        low=0,
        high=10**9,
    )
    least_noise: float = setting(
        0.002,
        "Least noise",
        "Standard deviation of the least noise that it learns to take away, of a range of 1.",
        scope=Scope.FLOW,
        low=1e-4,
        high=0.5,
    )
    most_noise: float = setting(
        0.24,
        "Most noise",
        "Standard deviation of the most noise that it learns to take away, of a range of 1.",
        scope=Scope.FLOW,
        low=1e-3,
        high=2.0,
    )
    clean_region: int = _alike(
        "clean_region",
        help="Patches come from so many pixels in the middle of each photo, up, down and across; 0: all.",
    )
    clean_aperture: str = _alike("clean_aperture", help="Take photos of this f-number: any, 5.6, or a range: 4-5.6.")
    light: str = _alike(
        "light",
        help="display: photos as they are, for restoring such; linear: without their tone curve, for restoring in "
        "linear light.",
    )
    vignetting: bool = _alike("vignetting")
    memory_budget: float = _alike("memory_budget")
    patch_size: int = _alike("patch_size", 48)
    batch_size: int = _alike("batch_size", 16)
    width: int = _alike("width")
    blocks: int = _alike("blocks")
    flow_rate: float = _alike("flow_rate", help="Highest learning rate; it falls to nothing.")
    ema_relative_std: float = _alike(
        "ema_relative_std", help="Relative standard deviation of the power-function average of weights (EDM2)."
    )
    seed: int = _alike("seed")
    device: str = _alike("device")

    def __post_init__(self) -> None:
        check_values(self)
        if self.least_noise >= self.most_noise:
            raise UserError(
                f"The least noise (least_noise, {self.least_noise:g}) is not less than the most (most_noise, "
                f"{self.most_noise:g}).",
                "A denoiser learns the noises between the two.",
                "Choose less for the one, or more for the other.",
            )
        self.for_flow(1)  # refuses what step 1 would

    @classmethod
    def beside(cls, settings: Settings, minutes: float) -> DenoiserSettings:
        """Those that take and read clean photos as a project does.

        Raises:
            UserError: the time is out of its bounds.
        """
        names = ("clean_region", "clean_aperture", "light", "vignetting", "memory_budget", "seed", "device")
        return cls(minutes=minutes, **{name: getattr(settings, name) for name in names})

    def for_flow(self, images: int) -> Settings:
        """The settings of step 1's code: plain pixels, and so many patches."""
        known = {item.name for item in fields(Settings)}
        same = {item.name: getattr(self, item.name) for item in fields(self) if item.name in known}
        plain = {"procedure": "alternating", "whiten": False}  # rounds cannot do without whitened patches
        return Settings().with_changes(same | plain | {"images_flow": max(images, 64)})
