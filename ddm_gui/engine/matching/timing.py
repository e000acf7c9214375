"""How long an update of each step takes here: timed on a few passes of the network, before a run and without photos."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from ddm_gui.engine.flow.train import build_velocity
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.matching.plan import ROUND
from ddm_gui.engine.matching.rounds import LISTENING
from ddm_gui.engine.settings import Settings

SHORT_PASS = 0.4  # s: a longer pass of the network is not timed with more patches
# The settings on which `seconds_per_update` depends.
TIMED = (
    "patch_size",
    "batch_size",
    "accumulate",
    "procedure",
    "whiten",
    "over_field",
    "network",
    "width",
    "blocks",
    "multiples",
    "attention",
    "dropout",
)


def seconds_per_update(settings: Settings, device: torch.device) -> tuple[float, float]:
    """Seconds that an update of step 1 and one of step 2 (in a round) take here, timed on a few passes of the network.

    Of a batch that is slow here only a part is passed through it, and the rest is taken to be as slow: a network meant
    for GPUs would be timed for minutes on a processor. Plain pixels are taken to be in colour.
    """
    sight = PlainPixels(1 if settings.whiten else 3)
    network = build_velocity(settings, sight).to(device)
    patches = torch.zeros(1, sight.channels, settings.patch_size, settings.patch_size, device=device)
    t = torch.full((1,), 0.5, device=device)

    def velocity() -> Tensor:
        places = patches.new_full((len(t), 2, *patches.shape[2:]), 0.5) if settings.over_field else None
        result: Tensor = network(patches, t, places)
        return result

    def forward() -> float:
        with torch.no_grad():
            return float(velocity().square().mean())

    def both_ways() -> float:
        loss = velocity().square().mean()
        torch.autograd.backward(loss)
        return float(loss.detach())  # waits for the device

    both_ways()  # the first call is slow
    while len(patches) < settings.batch_size and _seconds(both_ways) < SHORT_PASS:
        count = min(2 * len(patches), settings.batch_size)
        patches, t = patches[:1].repeat(count, 1, 1, 1), t[:1].repeat(count)
    batch = settings.batch_size / len(patches)
    forward_seconds, training_seconds = batch * _least_seconds(forward), batch * _least_seconds(both_ways)
    looks = 1.0 if settings.procedure == "alternating" else 2 * LISTENING / ROUND
    # Beside the network: drawing, whitening and the optimiser, and in step 2 blurring.
    return 1.3 * training_seconds * settings.accumulate, 1.5 * training_seconds + looks * forward_seconds


def _least_seconds(action: Callable[[], float]) -> float:
    """Least of three calls after one that is not counted: other work on the machine only makes a call longer."""
    action()
    return min(_seconds(action) for _ in range(3))


def _seconds(action: Callable[[], float]) -> float:
    before = time.perf_counter()
    action()
    return time.perf_counter() - before
