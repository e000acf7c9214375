"""Every tunable of the program, once: its default, its bounds, its unit, and the words that explain it.

The command line makes an option of each field, the window a form row, `project.ddm` a JSON entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from importlib.util import find_spec
from typing import Any, Literal

from ddm_gui.engine.apertures import ANY, asked
from ddm_gui.engine.errors import UserError

NoiseSigma = float | Literal["learn"]
Rate = float | Literal["auto"]


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


# What settings do something, beside the others.


def _in_rounds(settings: Settings) -> bool:
    return settings.procedure == "rounds"


def _alternating(settings: Settings) -> bool:
    return settings.procedure == "alternating"


def _over_field(settings: Settings) -> bool:
    return settings.over_field


def _alternating_over_field(settings: Settings) -> bool:
    return _alternating(settings) and settings.over_field


def _moves_pixels(settings: Settings) -> bool:
    """Over the field rounds turn phases only, and leave the pixels of kernels alone."""
    return _alternating(settings) or not settings.over_field


def _in_rounds_of_one(settings: Settings) -> bool:
    return _in_rounds(settings) and not settings.over_field


def _has_unet(settings: Settings) -> bool:
    return settings.network == "unet"


def _decays_by_root(settings: Settings) -> bool:
    return settings.schedule == "inverse-sqrt"


def _can_be_sparse(settings: Settings) -> bool:
    return _moves_pixels(settings) and settings.parametrisation != "softmax"


def _has_free_sum(settings: Settings) -> bool:
    return settings.parametrisation == "deep-linear"


def _in_linear_light(settings: Settings) -> bool:
    return settings.light == "linear"


def _knows_lenses(_settings: Settings) -> bool:
    return find_spec("lensfunpy") is not None


@dataclass(frozen=True)
class Settings:
    """What a person can choose for a run. An instance is always valid: a value out of bounds is refused.

    Raises:
        UserError: a value is out of its bounds, naming the setting and the bounds; or two settings do not go together.
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
    rows: int = setting(
        1,
        "Rows",
        "Rows of the grid of kernels over the field; 1 and 1 column: one blur for the whole photo.",
        scope=Scope.FLOW,
        low=1,
        high=64,
        advanced=False,
    )
    cols: int = setting(
        1,
        "Columns",
        "Columns of the grid of kernels over the field.",
        scope=Scope.FLOW,
        low=1,
        high=64,
        advanced=False,
    )
    any_size: bool = setting(
        False,
        "Photos of any size",
        "Over the field, take degraded photos of another size than most, too: they may be crops, which have lost their "
        "place in the field.",
        scope=Scope.FLOW,
        applies=_over_field,
    )
    misplaced_share: float = setting(
        0.2,
        "Misplaced patches",
        "Over the field, the share of degraded patches that step 1 is told a random place of: what is usual there in "
        "photos is not taken for what the lens does.",
        scope=Scope.FLOW,
        low=0.0,
        high=0.9,
        applies=_over_field,
    )
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
    parametrisation: str = setting(
        "softmax",
        "Kernel made of",
        "softmax: never negative; normalised: pixels over their sum; deep-linear: the layers of a linear network.",
        scope=Scope.KERNELS,
        choices=("softmax", "normalised", "deep-linear"),
        applies=_alternating,
    )
    free_gain: bool = setting(
        False,
        "Free contrast",
        "Learn how the contrast of the two folders differs; rounds always do.",
        scope=Scope.KERNELS,
        applies=_alternating,
    )

    # Which photos, and how they are read
    clean_region: int = setting(
        0,
        "Clean region",
        "Clean patches come from so many pixels in the middle of each clean photo, where a lens is sharpest, up, down "
        "and across; 0: from all of it. Degraded patches come from everywhere, also where one folder serves as both.",
        scope=Scope.KERNELS,
        low=0,
        high=100_000,
        unit="px",
    )
    clean_aperture: str = setting(
        ANY,
        "Clean aperture",
        "Of the clean photos take those of this f-number: any, 5.6, or a range such as 4-5.6. With an aperture for "
        "each, one folder may serve as both.",
        scope=Scope.KERNELS,
    )
    degraded_aperture: str = setting(
        ANY,
        "Degraded aperture",
        "Of the degraded photos take those of this f-number: any, 16, or a range such as 11-16.",
        scope=Scope.FLOW,
    )
    light: str = setting(
        "display",
        "Light",
        "display: photos as they are, RAW with sRGB's tone curve; linear: without one, RAW or told by a profile.",
        scope=Scope.FLOW,
        choices=("display", "linear"),
    )
    noise_model: str = setting(
        "gaussian",
        "Noise model",
        "gaussian: as strong everywhere; poisson-gaussian: photon noise, whose variance grows with the light, is "
        "learned as well; 'Noise' is its root mean square then. In linear light only.",
        scope=Scope.KERNELS,
        choices=("gaussian", "poisson-gaussian"),
        applies=_in_linear_light,
    )
    vignetting: bool = setting(
        True,
        "Divide out vignetting",
        "Of RAW photos from lenses that lensfun knows, before patches are drawn; needs lensfunpy.",
        scope=Scope.FLOW,
        applies=_knows_lenses,
    )

    # Patches
    patch_size: int = setting(
        32,
        "Patch size",
        "Width and height of the patches that the networks see.",
        scope=Scope.FLOW,
        low=16,
        high=256,
        unit="px",
    )
    whiten: bool = setting(
        True,
        "Whitened patches",
        "The networks see whitened luminance of unit contrast; without: plain pixels in all colours, as in the paper.",
        scope=Scope.FLOW,
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

    # Procedure and effort
    procedure: str = setting(
        "rounds",
        "Procedure of step 2",
        "rounds: phases first, then one large step a round; alternating: the paper's, a small step at each update.",
        scope=Scope.KERNELS,
        choices=("rounds", "alternating"),
    )
    images_pretrain: int = setting(
        0,
        "Clean patches for step 1",
        "How many patches of the clean folder step 1 learns from before the degraded ones; 0: none.",
        scope=Scope.FLOW,
        low=0,
        high=10**9,
    )
    images_flow: int = setting(
        96_000,
        "Patches for step 1",
        "How many degraded patches step 1 learns from: more is finer, and slower.",
        scope=Scope.FLOW,
        low=64,
        high=10**9,
    )
    candidates: int = setting(
        2,
        "Starts tried",
        "How many kernels that the power spectra allow are tried as starts, each also turned about; 0: none.",
        scope=Scope.KERNELS,
        low=0,
        high=16,
        applies=_in_rounds_of_one,
    )
    images_phase: int = setting(
        14_400,
        "Patches for the phases",
        "How many simulated patches step 2 looks at first, to find in which direction the blur is lopsided; for each "
        "further start up to 4,800 more.",
        scope=Scope.KERNELS,
        low=0,
        high=10**9,
        applies=_in_rounds,
    )
    images_kernel: int = setting(
        9_600,
        "Patches for step 2",
        "How many simulated patches step 2 compares by two networks, to settle the kernel.",
        scope=Scope.KERNELS,
        low=64,
        high=10**9,
    )
    batch_size: int = setting(32, "Batch", "Patches per update.", scope=Scope.FLOW, low=1, high=4096)
    accumulate: int = setting(
        1,
        "Batches per update",
        "In step 1, batches whose gradients are added up for one update: a larger batch in the same memory.",
        scope=Scope.FLOW,
        low=1,
        high=1024,
    )

    # The networks
    network: str = setting(
        "compact",
        "Network",
        "compact: ours, made for small whitened patches; unet: the paper's, of EDM2's magnitude-preserving layers.",
        scope=Scope.FLOW,
        choices=("compact", "unet"),
    )
    width: int = setting(64, "Network width", "Channels of the velocity network.", scope=Scope.FLOW, low=8, high=512)
    blocks: int = setting(
        3, "Network blocks", "Residual blocks at each resolution of the network.", scope=Scope.FLOW, low=1, high=16
    )
    multipliers: str = setting(
        "1,2,3,4",
        "Width by resolution",
        "Channels of the U-Net at full, half, quarter size and so on, in multiples of its width.",
        scope=Scope.FLOW,
        choices=("1,2", "1,2,2", "1,2,3", "1,2,3,4"),
        applies=_has_unet,
    )
    attention: int = setting(
        8,
        "Self-attention at",
        "Size of the U-Net's feature map at which pixels attend to each other; 0: nowhere.",
        scope=Scope.FLOW,
        low=0,
        high=256,
        unit="px",
        applies=_has_unet,
    )
    dropout: float = setting(
        0.0,
        "Dropout",
        "Share of the U-Net's values that are left out at each update of step 1.",
        scope=Scope.FLOW,
        low=0.0,
        high=0.9,
        applies=_has_unet,
    )

    # Their rates
    flow_rate: float = setting(
        0.03, "Rate of step 1", "Highest learning rate of step 1.", scope=Scope.FLOW, low=1e-6, high=1.0
    )
    schedule: str = setting(
        "cosine",
        "Schedule",
        "How learning rates fall. cosine: to nothing at the end; inverse-sqrt: as the root of patches grows (EDM2).",
        scope=Scope.FLOW,
        choices=("cosine", "inverse-sqrt"),
    )
    ramp_up: int = setting(
        3_200,
        "Ramp-up",
        "Patches over which the learning rates of a step rise.",
        scope=Scope.FLOW,
        low=0,
        high=10**9,
        applies=_decays_by_root,
    )
    decay_from: int = setting(
        32_000,
        "Decay from",
        "Patches after which the learning rates of a step fall.",
        scope=Scope.FLOW,
        low=1,
        high=10**9,
        applies=_decays_by_root,
    )
    ema_relative_std: float = setting(
        0.05,
        "Average of weights",
        "Relative standard deviation of the power-function average of step 1's weights, a share of the run (EDM2).",
        scope=Scope.FLOW,
        low=0.005,
        high=0.25,
    )
    kernel_rate: float = setting(
        0.03,
        "Step of the kernel",
        "How much the most moved pixel of the kernel changes in the first step, as a natural logarithm.",
        scope=Scope.KERNELS,
        low=1e-3,
        high=5.0,
        applies=_in_rounds_of_one,
    )
    alternating_rate: Rate = setting(
        "auto",
        "Rate of the kernel",
        "Adam's learning rate of the kernel; 'auto' by what the kernel is made of: 0.02, 2e-4 or 4e-4.",
        scope=Scope.KERNELS,
        low=1e-7,
        high=1.0,
        choices=("auto",),
        applies=_alternating,
    )
    auxiliary_rate: float = setting(
        2e-3,
        "Rate of the auxiliary network",
        "Learning rate of the network that follows the simulated patches.",
        scope=Scope.KERNELS,
        low=1e-7,
        high=1.0,
    )
    averaged_share: float = setting(
        0.4,
        "Averaged share",
        "The kernel is averaged over this last part of step 2; 0: it is the last one.",
        scope=Scope.KERNELS,
        low=0.0,
        high=1.0,
        applies=_moves_pixels,
    )

    # Priors on the kernel
    centre_weight: float = setting(
        0.0,
        "Centre prior",
        "Weight of the squared distance of the kernel's centroid from its middle, in pixels.",
        scope=Scope.KERNELS,
        low=0.0,
        high=10.0,
        applies=_moves_pixels,
    )
    sparse_weight: float = setting(
        0.0,
        "Sparse prior",
        "Weight of the mean absolute value of the kernel.",
        scope=Scope.KERNELS,
        low=0.0,
        high=10.0,
        applies=_can_be_sparse,
    )
    gaussian_weight: float = setting(
        0.0,
        "Gaussian prior",
        "Weight of how far the kernel's light lies from its centroid: mean of value times squared distance.",
        scope=Scope.KERNELS,
        low=0.0,
        high=10.0,
        applies=_moves_pixels,
    )
    sum_weight: float = setting(
        0.0,
        "Sum-to-one prior",
        "Weight of how far the kernel's sum is from one.",
        scope=Scope.KERNELS,
        low=0.0,
        high=10.0,
        applies=_has_free_sum,
    )
    smooth_weight: float = setting(
        0.0,
        "Smoothness prior",
        "Over the field, weight of how much neighbouring kernels of the grid differ.",
        scope=Scope.KERNELS,
        low=0.0,
        high=1000.0,
        applies=_alternating_over_field,
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
        check_values(self)
        _check_together(self)

    @property
    def over_field(self) -> bool:
        """Whether kernels are looked for that change over the field, and the networks are told where patches lie."""
        return (self.rows, self.cols) != (1, 1)

    @property
    def photon_noise(self) -> bool:
        """Whether it is learned how noise grows with light."""
        return self.noise_model == "poisson-gaussian"

    @property
    def multiples(self) -> tuple[int, ...]:
        """`multipliers` as numbers."""
        return tuple(int(word) for word in self.multipliers.split(","))

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


def check_values(of: Any) -> None:
    """Refuses a dataclass of `setting` fields of which a value is neither one of the choices nor a number in bounds.

    Raises:
        UserError: naming the setting and what it may be.
    """
    for item in fields(of):
        _check_value(item, getattr(of, item.name))


def _check_value(item: Field[Any], value: Any) -> None:
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


SMALLEST_DEEP = 9  # px: layers of 5, 5, 1 and a first one of at least 1 pixel make a kernel of 9


def _check_together(settings: Settings) -> None:
    """Refuses values that are right alone and do nothing, or nothing right, beside each other."""
    made_of = settings.parametrisation
    if settings.over_field:
        _check_over_field(settings)
    if settings.procedure == "rounds":
        if made_of != "softmax":
            raise UserError(
                f"The procedure 'rounds' cannot learn a {made_of} kernel (parametrisation).",
                "It moves the logarithms of pixels, which must not be negative.",
                "Choose parametrisation softmax, or procedure alternating.",
            )
        if not settings.whiten:
            raise UserError(
                "The procedure 'rounds' cannot do without whitened patches (whiten).",
                "It turns phases on white patches of unit contrast.",
                "Choose whiten, or procedure alternating.",
            )
    if made_of == "deep-linear" and settings.kernel_size < SMALLEST_DEEP:
        raise UserError(
            f"A deep-linear kernel cannot be {settings.kernel_size} px wide (kernel_size).",
            f"Its layers of 5, 5 and 1 px and a first one make {SMALLEST_DEEP} px at least.",
            "Choose a larger kernel size, or parametrisation softmax or normalised.",
        )
    if settings.sparse_weight > 0 and made_of == "softmax":
        raise UserError(
            "The sparse prior (sparse_weight) does nothing for a softmax kernel.",
            "Its pixels are not negative and sum to one, so the mean of their absolute values never changes.",
            "Set sparse_weight to 0, or choose parametrisation normalised or deep-linear.",
        )
    if settings.smooth_weight > 0 and not settings.over_field:
        raise UserError(
            "The smoothness prior (smooth_weight) does nothing for one kernel.",
            "It weighs how neighbouring kernels of a grid differ.",
            "Set smooth_weight to 0, or rows and cols to what you look for.",
        )
    if settings.sum_weight > 0 and not _has_free_sum(settings):
        raise UserError(
            f"The sum-to-one prior (sum_weight) does nothing for a {made_of} kernel.",
            "It sums to one as it is.",
            "Set sum_weight to 0, or choose parametrisation deep-linear.",
        )
    if settings.photon_noise and settings.light != "linear":
        raise UserError(
            "Poisson-Gaussian noise (noise_model) goes with linear light only (light).",
            "Its variance grows in proportion to the light; a tone curve makes noise large in the shadows instead.",
            "Choose light linear, which needs RAW or photos that tell their tone curve, or noise_model gaussian.",
        )
    _check_patch_size(settings)
    for name in ("clean_aperture", "degraded_aperture"):
        asked(getattr(settings, name), name)


def _check_over_field(settings: Settings) -> None:
    """Refuses what cannot be done with a grid of kernels, or does nothing for one."""
    if settings.procedure != "rounds":
        return
    if settings.start != "spectral":
        raise UserError(
            f"The procedure 'rounds' cannot learn a grid of kernels from a {settings.start} start (start).",
            "Its magnitudes are read from power spectra, and only its phases are searched for.",
            "Choose start spectral, or procedure alternating.",
        )
    for name in ("centre_weight", "gaussian_weight", "smooth_weight"):
        if getattr(settings, name) > 0:
            raise UserError(
                f"The procedure 'rounds' does not weigh priors on a grid of kernels ({name}).",
                "Its kernels are centred, and smooth over the field, as they are made.",
                f"Set {name} to 0, or choose procedure alternating.",
            )


def _check_patch_size(settings: Settings) -> None:
    """Refuses patches that the network cannot halve as often as it does, and attention at a size that it has not."""
    deepest = 2 ** (len(settings.multiples) - 1) if settings.network == "unet" else 4
    if settings.patch_size % deepest:
        raise UserError(
            f"Patches of {settings.patch_size} px (patch_size) do not fit the {settings.network} network.",
            f"Its smallest feature map has 1/{deepest} of their size, which must be whole.",
            f"Choose a multiple of {deepest}.",
        )
    sizes = [settings.patch_size // 2**level for level in range(len(settings.multiples))]
    if settings.network == "unet" and settings.attention not in (0, *sizes):
        raise UserError(
            f"There is no feature map of {settings.attention} px for self-attention (attention).",
            f"With patches of {settings.patch_size} px and multipliers {settings.multipliers} there are: "
            f"{', '.join(map(str, sizes))}.",
            "Choose one of them, or 0 for none.",
        )
