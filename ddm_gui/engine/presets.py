"""Settings by name: presets of our own, and the paper's numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ddm_gui.engine.apertures import ANY
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Settings

# Settings under which every photo of both folders serves, as it is displayed.
EVERY_PHOTO: dict[str, Any] = {
    "clean_region": 0,
    "clean_aperture": ANY,
    "degraded_aperture": ANY,
    "light": "display",
    "noise_model": "gaussian",
}

# The paper's experiment on faces (B.1): motion blur and Gaussian blur were learned with the same numbers. The ramp-up
# and the decay of the rates are not published; no average of the kernel is described.
_PAPER_FFHQ: dict[str, Any] = {
    "kernel_size": 28,
    "channels": 1,
    "rows": 1,
    "cols": 1,
    "noise_sigma": 0.02,
    "start": "random",
    "parametrisation": "normalised",
    "patch_size": 256,
    "whiten": False,
    "procedure": "alternating",
    "images_flow": 5 * 2**20,
    "images_kernel": 2**20,
    "batch_size": 32,
    "accumulate": 8,
    "network": "unet",
    "width": 32,
    "blocks": 1,
    "multipliers": "1,2,3,4",
    "attention": 32,
    "dropout": 0.2,
    "flow_rate": 1e-2,
    "schedule": "inverse-sqrt",
    "ramp_up": 2**16,
    "decay_from": 2**19,
    "ema_relative_std": 0.05,
    "alternating_rate": 4e-5,
    "auxiliary_rate": 1e-5,
    "averaged_share": 0.0,
    "images_pretrain": 0,
    "free_gain": False,
    "centre_weight": 0.0,
    "sparse_weight": 1.0,
    "gaussian_weight": 0.0,
    "sum_weight": 0.0,
}

# A lens of the paper over photographs (4.2, B.2), with the numbers of the published code where they differ: step 1 from
# scratch, on 64 px. Its 512 patches, of which two were accumulated, are here 128 times 8: step 2 takes 128.
_PAPER_LENS: dict[str, Any] = {
    **_PAPER_FFHQ,
    "kernel_size": 27,
    "rows": 8,
    "cols": 8,
    "misplaced_share": 0.2,
    "noise_sigma": 0.01,
    "patch_size": 64,
    "images_flow": 33 * 2**20,
    "images_kernel": 3 * 2**20,
    "batch_size": 128,
    "width": 64,
    "blocks": 2,
    "attention": 8,
    "dropout": 0.0,
    "centre_weight": 0.01,
    "sparse_weight": 0.1,
    "gaussian_weight": 0.01,
}

# The paper's own lens at f/16 against the middle of photos at f/5.6 (4.3, B.3).
_PAPER_PARKING_LOT: dict[str, Any] = {
    **_PAPER_LENS,
    "kernel_size": 13,
    "channels": 3,
    "noise_sigma": "learn",
    "clean_region": 768,
    "images_flow": 17 * 2**20,
    "images_kernel": 8 * 2**20,
    "width": 32,
    "blocks": 1,
    "dropout": 0.2,
    "sparse_weight": 0.01,
    "gaussian_weight": 0.1,
}

PRESETS: dict[str, dict[str, Any]] = {
    # Meant for at most ten minutes on two CPU cores for folders such as Kodak and CBSD68.
    "quick": {},
    # The whole way in three minutes on two CPU cores, for a first look, and for the demo.
    "glance": {"images_flow": 32_000, "candidates": 0, "images_phase": 9_600, "images_kernel": 6_400},
    # Meant for at most twenty minutes on two CPU cores.
    "thorough": {"images_flow": 168_000, "candidates": 4, "images_phase": 28_800, "images_kernel": 12_800},
    # A lens over the field: a grid of kernels in colour, meant for at most thirty minutes on two CPU cores.
    "lens": {
        "rows": 8,
        "cols": 8,
        "start": "spectral",
        "images_flow": 64_000,
        "images_phase": 9_600,
        "images_kernel": 32_000,
    },
    "paper-ffhq-motion": _PAPER_FFHQ,
    "paper-ffhq-gaussian": _PAPER_FFHQ,
    "paper-lens": _PAPER_LENS,
    "paper-parking-lot": _PAPER_PARKING_LOT,
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


def _decided_by(name: str) -> set[str]:
    """Of what is looked for (what is not `advanced`) and in which photos a preset decides only what it names itself;
    else all of EFFORT."""
    persons = {item.name for item in fields(Settings) if not item.metadata["advanced"]} | set(EVERY_PHOTO)
    return (set(EFFORT) - persons) | set(PRESETS[name])


def with_preset(settings: Settings, name: str) -> Settings:
    """Settings whose effort is that of a preset; what only the preset of before had set is put back.

    Raises:
        UserError: there is no such preset.
    """
    wanted, before = preset(name), preset_of(settings)
    decided = _decided_by(name) | set(PRESETS[before] if before is not None else ())
    return settings.with_changes({field: getattr(wanted, field) for field in decided})


def preset_of(settings: Settings) -> str | None:
    """The preset whose numbers these settings are (the first of several), None where they are no preset's."""
    for name in PRESETS:
        wanted = preset(name)
        if all(getattr(settings, field) == getattr(wanted, field) for field in _decided_by(name)):
            return name
    return None
