"""What both training steps share: the loop that runs, reports and saves; draws; rates; averages; checkpoints."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import CheckpointSaved, Event, Note, Stage, StageDone, StageStarted
from ddm_gui.engine.files import previous, write_aside
from ddm_gui.engine.settings import Settings

CHECKPOINT_SECONDS = 120.0
REPORT_SECONDS = 0.2
SNAPSHOT_SECONDS = 1.0
WARM_UP_UPDATES = 100
_GLOBAL_RANDOM = Lock()
WATCHED_UPDATES = 50  # over which the loss that is watched is averaged
OPTIMISER_STATE = {"step", "exp_avg", "exp_avg_sq"}  # of each parameter; Adam has none before its first update
STAGE_NAMES = {
    Stage.PRETRAIN: "What clean photos look like",
    Stage.FLOW: "Step 1",
    Stage.KERNELS: "Step 2",
    Stage.DENOISER: "The denoiser",
}


def draws(seed: int, purpose: int, update: int) -> torch.Generator:
    """The random stream of one update. Each update has its own, so a resumed run needs no random state to be saved."""
    return torch.Generator().manual_seed((seed * 1_000_003 + purpose * 10_007 + update * 2_654_435_761) % (2**63))


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None, None, None]:
    """For what takes torch's global random numbers (initial weights, dropout): seeds them, and then gives them back.

    All threads share them, so one waits for another: the window times networks while a run may begin.
    """
    with _GLOBAL_RANDOM, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def cosine_decay(update: int, total: int) -> float:
    """From 1 at the first update to 0 at the last, with a linear warm-up of at most 100 updates."""
    warm_up = min(1.0, (update + 1) / min(WARM_UP_UPDATES, max(1, total // 10)))
    return warm_up * 0.5 * (1 + math.cos(math.pi * update / total))


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Sets each group's learning rate to `factor` times its own highest rate, kept as 'peak'."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


def adam(groups: Iterable[tuple[Iterable[Tensor], float]]) -> torch.optim.Adam:
    """Adam with the betas of both steps; each group is (parameters, highest learning rate)."""
    described = [{"params": list(parameters), "lr": peak, "peak": peak} for parameters, peak in groups]
    return torch.optim.Adam(described, betas=(0.9, 0.99))


def root_decay(images: int, ramp_up: int, decay_from: int) -> float:
    """EDM2's schedule: a linear rise over `ramp_up` images, then 1/sqrt of the images seen, from `decay_from` on."""
    return min(1.0, images / max(ramp_up, 1)) / math.sqrt(max(images / decay_from, 1.0))


def rate_factor(settings: Settings, update: int, updates: int, images_per_update: int) -> float:
    """What the rates of an update (from 0) are multiplied by, by the setting `schedule`."""
    if settings.schedule == "cosine":
        return cosine_decay(update, updates)
    return root_decay((update + 1) * images_per_update, settings.ramp_up, settings.decay_from)


def power_of(relative_std: float) -> float:
    """gamma of EDM2's power-function average, t^gamma over a run's time t, from its standard deviation over the run's
    length: sqrt(gamma + 1) / ((gamma + 2) sqrt(gamma + 3)), that of the beta distribution (gamma + 1, 1).

    By bisection: it falls for gamma >= 0, from 0.289.
    """
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        spread = math.sqrt(middle + 1) / ((middle + 2) * math.sqrt(middle + 3))
        low, high = (middle, high) if spread > relative_std else (low, middle)
    return low


class WeightAverage:
    """EDM2's power-function average of a network's weights: at update n it weighs those of update m by (m/n)^gamma.

    Its width is the same share of the run however long that was, and what the network was at first goes by itself.
    """

    def __init__(self, network: nn.Module, relative_std: float) -> None:
        self.exponent = power_of(relative_std) + 1
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, update: int) -> None:
        """Moves the average towards the weights of the moment; `update` counts from 0."""
        decay = (1 - 1 / (update + 1)) ** self.exponent
        for name, value in network.state_dict().items():
            self.weights[name].lerp_(value, 1 - decay)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Puts back averaged weights, on the device where they are."""
        for name, value in weights.items():
            self.weights[name].copy_(value)


class Watch:
    """Sees when a loss runs away: when its running mean is `limit` times the least that it was.

    It looks at every update, and waits for the device only in `check`.
    """

    def __init__(self, device: torch.device, limit: float) -> None:
        self.limit = limit
        largest = torch.finfo(torch.float32).max  # finite, as all of a checkpoint is
        self.state = {"mean": torch.zeros((), device=device), "least": torch.full((), largest, device=device)}

    @torch.no_grad()
    def see(self, loss: Tensor, update: int) -> None:
        """The loss of an update, counted from 0."""
        mean = self.state["mean"].lerp(loss.detach().float(), max(1 / WATCHED_UPDATES, 1 / (update + 1)))
        least = self.state["least"]
        self.state = {"mean": mean, "least": least.minimum(mean) if update + 1 >= WATCHED_UPDATES else least}

    def check(self, stage: Stage) -> None:
        """Looks at what was seen so far.

        Raises:
            UserError: the loss is not finite any more, or has run away.
        """
        grown = float(self.state["mean"] / self.state["least"])
        if not math.isfinite(grown):
            raise diverged(stage)
        if grown > self.limit:
            raise UserError(
                f"Step '{stage}' stopped: its loss has grown to {grown:.1f} times what it was.",
                "Training diverged; the last good checkpoint is kept.",
                "Choose a lower learning rate, and start again.",
            )

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return dict(self.state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        self.state = {name: tensors[name].to(value.device) for name, value in self.state.items()}


class Training(ABC):
    """One step's training: what `run` pulls update by update, and its whole state as tensors and JSON.

    `update` counts finished updates; everything that is random in update n comes from `draws(seed, purpose, n)`, so
    the state holds no random numbers, and a resumed run equals one that never stopped.
    """

    stage: Stage
    updates: int
    batch_size: int
    update: int = 0

    @abstractmethod
    def step(self) -> None:
        """Update number `self.update`; the loop counts."""

    @abstractmethod
    def progress(self, seconds_left: float) -> Event:
        """What to report now, since the last report.

        Raises:
            UserError: training has diverged.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The state that is tensors."""

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """The state that is JSON."""

    @abstractmethod
    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Puts back what `tensors` and `numbers` gave."""

    def check(self) -> None:
        """Whether the state is worth keeping; asked before it is saved.

        Raises:
            UserError: training has diverged.
        """
        return

    def work(self, updates: int) -> float:
        """How much work the first `updates` are, in any unit: what is left takes time in proportion to it."""
        return float(updates)

    def snapshot(self) -> Event | None:
        """A picture of the moment, about once a second; None where there is nothing to see."""
        return None


def run(training: Training, checkpoint: Path, fingerprint: Mapping[str, Any]) -> Generator[Event, None, None]:
    """Runs a step to its end, resuming from `checkpoint` by itself; closing the generator saves.

    `fingerprint` is written into the checkpoint: what its result depends on. One that does not fit (see `fits`) is not
    gone on from, which is said; it stays until the first new one is saved, and then as the one before.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint. The last good one is kept.
    """
    seconds_before = 0.0
    saved = load_checkpoint(checkpoint)
    if saved is not None and not fits(training, *saved):
        name = STAGE_NAMES[training.stage]
        yield Note(f"{name} begins anew: another version of this program made the checkpoint that is there.")
    elif saved is not None:
        tensors, about = saved
        training.load(tensors, about["numbers"])
        training.update, seconds_before = about["update"], about["seconds"]
    first, started = training.update, time.monotonic()

    def save() -> CheckpointSaved:
        training.check()
        tensors = training.tensors()
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise diverged(training.stage)
        about = {
            "stage": training.stage,
            "update": training.update,
            "updates": training.updates,
            "seconds": seconds_before + time.monotonic() - started,
            "numbers": training.numbers(),
            "fingerprint": dict(fingerprint),
        }
        save_checkpoint(checkpoint, tensors, about)
        return CheckpointSaved(training.stage, str(checkpoint))

    report, picture, backup = Pace(REPORT_SECONDS), Pace(SNAPSHOT_SECONDS), Pace(CHECKPOINT_SECONDS)
    try:
        yield StageStarted(training.stage, first * training.batch_size, training.updates * training.batch_size)
        while training.update < training.updates:
            training.step()
            training.update += 1
            last = training.update == training.updates
            if report.due() or last:
                done = training.work(training.update)
                seconds = (time.monotonic() - started) / (done - training.work(first))
                yield training.progress(seconds * (training.work(training.updates) - done))
            if (picture.due() or last) and (seen := training.snapshot()) is not None:
                yield seen
            if backup.due() and not last:
                yield save()
    except GeneratorExit:
        save()
        raise
    if training.update > first:
        yield save()
    yield StageDone(training.stage, seconds_before + time.monotonic() - started)


def fits(training: Training, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bool:
    """Whether a training that has not begun can go on from what a checkpoint holds: the same tensors and numbers, and
    as many updates. One of another version of the program may hold others."""
    held = {name: tensor.shape for name, tensor in tensors.items()}
    needed = {name: tensor.shape for name, tensor in training.tensors().items()}
    return (
        needed.items() <= held.items()
        and all(name.rpartition(".")[2] in OPTIMISER_STATE for name in held.keys() - needed.keys())
        and about["numbers"].keys() == training.numbers().keys()
        and about["updates"] == training.updates
    )


def diverged(stage: Stage) -> UserError:
    """What a person is told when a loss or a weight is not a finite number."""
    return UserError(
        f"Step '{stage}' stopped: its numbers are not finite any more.",
        "Training diverged; the last good checkpoint is kept.",
        "Start again to go on from it, or choose another seed.",
    )


class Pace:
    """Says when something that repeats is due: every so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        """Whether the time is over; asking starts the next period when it is."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


# Checkpoints: tensors under dotted names, and JSON.


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes a checkpoint aside and moves it into place; the one before is kept.

    Raises:
        UserError: the disk does not take it.
    """
    flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    content = safetensors_bytes(flat, metadata={"ddm": json.dumps(dict(about))})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, content, keep_previous=True)
    except OSError as error:
        raise UserError(
            f"The checkpoint {path} cannot be written.",
            f"{error}.",
            "Make room on the disk or choose another project folder; the checkpoint before it is kept.",
        ) from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint that can be read, this one or the one before it; None where there is none.

    Raises:
        UserError: there are files, but none can be read.
    """
    reasons = []
    for candidate in (path, previous(path)):
        if not candidate.is_file():
            continue
        try:
            with safe_open(candidate, framework="pt") as file:
                about = json.loads((file.metadata() or {})["ddm"])
                return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError) as error:
            reasons.append(f"{candidate.name}: {error}")
    if reasons:
        raise UserError(
            f"The checkpoint {path} is damaged.", "; ".join(reasons) + ".", "Delete it to start this step again."
        )
    return None


def discard_checkpoint(path: Path) -> None:
    """Removes a checkpoint and the one before it."""
    for each in (path, previous(path)):
        each.unlink(missing_ok=True)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names under a common prefix, as they stand in a checkpoint."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `with_prefix`."""
    start = prefix + "."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as tensors named '<parameter index>.<what>'."""
    state = optimiser.state_dict()["state"]
    return {f"{index}.{name}": torch.as_tensor(value) for index, row in state.items() for name, value in row.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `optimiser_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
