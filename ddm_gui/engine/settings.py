"""Every tunable of the program, once: its default, its bounds, its unit, and the words that explain it.

The command line makes an option of each field, the window a form row, `project.ddm` a JSON entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal

from ddm_gui.engine.errors import UserError

NoiseSigma = float | Literal["learn"]


class Scope(StrEnum):
    """What has to be computed again when a setting changes."""

    FLOW = "flow"  # step 1, hence everything
    KERNELS = "kernels"  # step 2
    RUN = "run"  # nothing: where and how a run is computed


def setting(
    default: Any,
    label: str,
    help: str,
    *,
    scope: Scope,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    choices: tuple[Any, ...] = (),
    advanced: bool = True,
    applies: Callable[[Settings], bool] | None = None,
) -> Any:
    """A dataclass field that carries what the command line and the window say about it.

    `low` and `high` are inclusive. `choices`, where given, are the only values allowed beside numbers in bounds.
    `applies` says under which other settings this one has an effect (None: always); the window shows it only then.
    """
    metadata = {
        "label": label,
        "help": help,
        "scope": scope,
        "low": low,
        "high": high,
        "unit": unit,
        "choices": choices,
        "advanced": advanced,
        "applies": applies,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """What a person can choose for a run. An instance is always valid: a value out of bounds is refused.

    Raises:
        UserError: a value is out of its bounds, naming the setting and the bounds.
    """

    # The degradation that is looked for
    kernel_size: int = setting(
        25,
        "Kernel size",
        "Width and height of the blur kernel; it should hold the whole blur.",
        scope=Scope.KERNELS,
        low=3,
        high=63,
        unit="px",
        advanced=False,
    )
    channels: int | None = setting(
        None,
        "Colours",
        "1: one blur for all colours; 3: one per colour; not given: as the photos are.",
        scope=Scope.KERNELS,
        choices=(None, 1, 3),
        advanced=False,
    )
    rows: int = setting(1, "Rows", "Rows of the kernel grid over the field.", scope=Scope.KERNELS, low=1, high=64)
    cols: int = setting(1, "Columns", "Columns of the kernel grid over the field.", scope=Scope.KERNELS, low=1, high=64)
    noise_sigma: NoiseSigma = setting(
        "learn",
        "Noise",
        "Standard deviation of the noise by which degraded photos exceed clean ones, of a range of 1; or 'learn'.",
        scope=Scope.KERNELS,
        low=0.0,
        high=0.5,
        choices=("learn",),
        advanced=False,
    )
    start: str = setting(
        "spectral",
        "Start",
        "Where step 2 starts: from the ratio of the folders' power spectra, a flat kernel, or the paper's random one.",
        scope=Scope.KERNELS,
        choices=("spectral", "flat", "random"),
        advanced=False,
    )

    # Patches and photos
    patch_size: int = setting(
        32,
        "Patch size",
        "Width and height of the patches that the networks see.",
        scope=Scope.FLOW,
        low=16,
        high=256,
        unit="px",
    )
    memory_budget: float = setting(
        2.0,
        "Memory for photos",
        "Photos beyond this are represented by one random crop each.",
        scope=Scope.FLOW,
        low=0.1,
        high=256.0,
        unit="GB",
    )
    mirror_clean: bool = setting(
        True,
        "Mirror clean patches",
        "Half of the clean patches are mirrored left-right before they are blurred.",
        scope=Scope.KERNELS,
    )
    seed: int = setting(
        0,
        "Seed",
        "The same seed on the same machine gives the same result, bit for bit on a CPU.",
        scope=Scope.FLOW,
        low=0,
        high=2**31 - 1,
    )

    # Effort
    images_flow: int = setting(
        96_000,
        "Patches for step 1",
        "How many degraded patches step 1 learns from: more is finer, and slower.",
        scope=Scope.FLOW,
        low=64,
        high=10**9,
    )
    images_phase: int = setting(
        28_800,
        "Patches for the phases",
        "How many simulated patches step 2 looks at first, to find in which direction the blur is lopsided.",
        scope=Scope.KERNELS,
        low=0,
        high=10**9,
    )
    images_kernel: int = setting(
        19_200,
        "Patches for step 2",
        "How many simulated patches step 2 compares by two networks, to settle the kernel.",
        scope=Scope.KERNELS,
        low=64,
        high=10**9,
    )
    batch_size: int = setting(32, "Batch", "Patches per update.", scope=Scope.FLOW, low=1, high=4096)

    # The networks and their rates
    width: int = setting(64, "Network width", "Channels of the velocity network.", scope=Scope.FLOW, low=8, high=512)
    blocks: int = setting(
        3, "Network blocks", "Residual blocks at each of the network's three stages.", scope=Scope.FLOW, low=1, high=16
    )
    flow_rate: float = setting(
        0.03, "Rate of step 1", "Highest learning rate of step 1.", scope=Scope.FLOW, low=1e-6, high=1.0
    )
    kernel_rate: float = setting(
        0.1,
        "Step of the kernel",
        "How much the most moved pixel of the kernel changes in the first step, as a natural logarithm.",
        scope=Scope.KERNELS,
        low=1e-3,
        high=5.0,
    )
    auxiliary_rate: float = setting(
        2e-3,
        "Rate of the auxiliary network",
        "Learning rate of the network that follows the simulated patches.",
        scope=Scope.KERNELS,
        low=1e-7,
        high=1.0,
    )
    centre_weight: float = setting(
        0.0,
        "Centre prior",
        "Weight of the squared distance of the kernel's centroid from its middle.",
        scope=Scope.KERNELS,
        low=0.0,
        high=10.0,
    )

    # The machine
    device: str = setting(
        "auto",
        "Device",
        "'auto' takes a sound GPU when there is one; 'cpu' always works; 'cuda:0' and so on by name.",
        scope=Scope.RUN,
        advanced=False,
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            check_value(item, getattr(self, item.name))

    def with_changes(self, changes: Mapping[str, Any]) -> Settings:
        """A copy with other values.

        Raises:
            UserError: a name that is no setting (it is never ignored), or a value out of bounds.
        """
        known = {item.name for item in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise UserError(
                f"There is no setting called '{unknown[0]}'.",
                "An unknown setting is never ignored, since a misspelt one would do nothing.",
                f"The settings are: {', '.join(sorted(known))}.",
            )
        return replace(self, **changes)

    def differences(self, other: Settings, scopes: Iterable[Scope]) -> list[str]:
        """Names of the settings of these scopes in which the two differ."""
        wanted = set(scopes)
        return [
            item.name
            for item in fields(self)
            if item.metadata["scope"] in wanted and getattr(self, item.name) != getattr(other, item.name)
        ]


def check_value(item: Field[Any], value: Any) -> None:
    """Refuses a value of a `setting` field that is neither one of the choices nor a number in bounds.

    Raises:
        UserError: naming the setting and what it may be.
    """
    meta = item.metadata
    if value in meta["choices"] and not isinstance(value, bool):
        return
    whole = isinstance(item.default, int)
    kinds = int if whole else (int, float)
    numeric = meta["low"] is not None and isinstance(value, kinds) and not isinstance(value, bool)
    if numeric and meta["low"] <= value <= meta["high"]:
        return
    if not meta["choices"] and meta["low"] is None and isinstance(value, type(item.default)):
        return
    words = [str(choice) for choice in meta["choices"] if choice is not None]
    if meta["low"] is not None:
        words.append(f"a {'whole ' if whole else ''}number from {meta['low']:g} to {meta['high']:g}")
    allowed = " or ".join(words) or f"a {type(item.default).__name__}"
    raise UserError(f"{meta['label']} ({item.name}) cannot be {value!r}.", f"It may be {allowed}.")


PRESETS: dict[str, dict[str, Any]] = {
    # Meant for at most ten minutes on two CPU cores for folders such as Kodak and CBSD68.
    "quick": {},
    # The whole way in three minutes on two CPU cores, for a first look, and for the demo.
    "glance": {"images_flow": 32_000, "images_phase": 12_800, "images_kernel": 9_600},
}


def preset(name: str) -> Settings:
    """The settings of a preset.

    Raises:
        UserError: there is no such preset.
    """
    if name not in PRESETS:
        raise UserError(f"There is no preset called '{name}'.", "", f"The presets are: {', '.join(PRESETS)}.")
    return Settings().with_changes(PRESETS[name])


# What presets decide; a preset leaves all other settings as they are.
EFFORT = sorted({name for values in PRESETS.values() for name in values})


def with_preset(settings: Settings, name: str) -> Settings:
    """Settings whose effort is that of a preset.

    Raises:
        UserError: there is no such preset.
    """
    wanted = preset(name)
    return settings.with_changes({field: getattr(wanted, field) for field in EFFORT})


def preset_of(settings: Settings) -> str | None:
    """The preset whose effort these settings make, None where it is no preset's."""
    return next((name for name in PRESETS if with_preset(settings, name) == settings), None)
