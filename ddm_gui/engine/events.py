"""What a run tells the outside: frozen values that hold plain Python and read-only numpy, never torch.

A run is a generator of these events. Whoever pulls it (the command line, the window's worker thread) decides
what to show; `close()` on the generator stops the run and keeps its checkpoint.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.receipt import Receipt


class Stage(StrEnum):
    """The steps of the paper (section 3.2), by name."""

    PRETRAIN = "pretrain"  # the first part of step 1, where it begins on clean patches (B.2)
    FLOW = "flow"  # step 1: the distribution of degraded patches
    KERNELS = "kernels"  # step 2: the degradation
    RESTORE = "restore"  # step 3: photos without it
    DENOISER = "denoiser"  # by step 1's code, what clean photos look like: for plug-and-play restoration


@dataclass(frozen=True)
class Event:
    """Base of everything that a run yields."""


@dataclass(frozen=True)
class Note(Event):
    """A sentence the person should read; the run goes on."""

    text: str


@dataclass(frozen=True)
class PhotoSkipped(Event):
    """A photo was left out, and why; the run goes on without it."""

    path: str
    reason: str


@dataclass(frozen=True)
class Estimate(Event):
    """How long the run will take on this machine, measured on a few updates before it starts."""

    seconds: float


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage begins, or goes on from a checkpoint (`images_seen` > 0)."""

    stage: Stage
    images_seen: int
    images_total: int


@dataclass(frozen=True)
class FlowProgress(Event):
    """Step 1 or a denoiser (`stage`), about five times a second. `loss` is the flow-matching loss per value, the mean
    since the last event."""

    images_seen: int
    images_total: int
    loss: float
    gradient_norm: float
    seconds_left: float
    stage: Stage = Stage.FLOW


@dataclass(frozen=True)
class KernelProgress(Event):
    """Step 2, about five times a second.

    `ikl` is the estimated integrated KL divergence in nats per value, `ikl_floor` the value that 0 cannot be told
    from; both are None while the auxiliary network warms up.
    """

    images_seen: int
    images_total: int
    ikl: float | None
    ikl_floor: float | None
    noise_sigma: float
    seconds_left: float


@dataclass(frozen=True, eq=False)
class KernelSnapshot(Event):
    """Step 2, about once a second: the kernels of the moment, rows x cols x channels x k x k, centred, read-only."""

    images_seen: int
    kernels: NDArray[np.float32]
    noise_sigma: float


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """The run can be resumed from here."""

    stage: Stage
    path: str


@dataclass(frozen=True)
class StageDone(Event):
    """A stage ended by itself; `seconds` counts all its sessions."""

    stage: Stage
    seconds: float


@dataclass(frozen=True)
class PhotoStarted(Event):
    """Step 3: a photo is in work from here on, as one of `total`; several may be at the same time."""

    source: str
    total: int


@dataclass(frozen=True)
class PhotoProgress(Event):
    """Step 3: how much of the restoration of a photo is done, a share of 1; about five times a second."""

    source: str
    share: float


@dataclass(frozen=True)
class PhotoKept(Event):
    """Step 3: an earlier run has restored this photo, and its file is whole. `done` and `total` as of PhotoRestored."""

    source: str
    target: str
    done: int
    total: int


@dataclass(frozen=True)
class PhotoRestored(Event):
    """Step 3: one photo is written; `done` of `total` are through, those that were left out among them.

    `residual`: how much it differs from the photo when it is blurred again, root mean square in units of the noise
    (None at strength 0); `warning`: what to tell a person of that, '' where nothing; `plan`: how it was worked on where
    memory asked for another way than the usual one, '' where not; `receipt`: what the file holds, by reading it again.
    """

    source: str
    target: str
    done: int
    total: int
    residual: float | None = None
    warning: str = ""
    plan: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True)
class PhotoSimulated(Event):
    """A photo has its place in a simulated set: degraded, its sharp original beside it, or among the clean ones."""

    source: str
    target: str
    done: int
    total: int


@dataclass(frozen=True)
class DenoiserTried(Event):
    """A denoiser that was learned has restored a part of a clean photo that it had not seen, blurred and with noise:
    PSNR in dB of that, beside a Wiener filter's."""

    done: int
    total: int
    psnr_wiener: float
    psnr_dpir: float


@dataclass(frozen=True)
class DenoiserMeasures(Event):
    """What a denoiser is worth on parts of clean photos that it has not seen (`parts` of them), in dB: how much PSNR it
    gains on noise of 15, 25 and 50 of 255; and the PSNR of these parts blurred and with noise, restored from that by a
    Wiener filter, and by DPIR with this denoiser."""

    gain_15: float
    gain_25: float
    gain_50: float
    psnr_blurred: float
    psnr_wiener: float
    psnr_dpir: float
    parts: int

    @property
    def beats_wiener(self) -> bool:
        """Whether photos should be restored with it where nothing else is asked for."""
        return self.psnr_dpir > self.psnr_wiener


@dataclass(frozen=True)
class DenoiserResult(DenoiserMeasures):
    """The last event of a run that learns a denoiser: where it is kept, and what it is worth."""

    path: str


@dataclass(frozen=True)
class Result(Event):
    """The last event of a run: what was reached. What is not known is None.

    NCC and kernel PSNR compare with a true kernel; over the field all nodes together, `ncc_mean` and `ncc_worst` node
    by node with one common shift; `colour_shift_error` is in px. The three photo PSNRs (dB) compare the degraded
    photos, the photos restored with the learned kernel and those restored with the true kernel with the sharp
    originals. `noise_shot` and `noise_read` are the two variances of Poisson-Gaussian noise (`noise`).
    """

    ncc_start: float | None = None
    ncc: float | None = None
    ncc_mean: float | None = None
    ncc_worst: float | None = None
    kernel_psnr: float | None = None
    colour_shift_error: float | None = None
    psnr_before: float | None = None
    psnr_after: float | None = None
    psnr_true_kernel: float | None = None
    ssim_before: float | None = None
    ssim_after: float | None = None
    noise_sigma: float | None = None
    noise_shot: float | None = None
    noise_read: float | None = None
    ikl: float | None = None
    seconds: float | None = None


def event_name(event: Event) -> str:
    """'FlowProgress' -> 'flow_progress': the name under which `--json` prints an event."""
    name = type(event).__name__
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def to_json(event: Event) -> dict[str, Any]:
    """One flat dictionary per event, its name under 'event'; arrays as nested lists, a receipt as a dictionary."""
    row: dict[str, Any] = {"event": event_name(event)}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        elif isinstance(value, Receipt):
            value = {"line": str(value), **asdict(value)}
        row[field.name] = value
    return row
