"""How many updates the search by rounds makes, of which kind, and how much work they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ddm_gui.engine.settings import Settings

STRETCH = 150  # updates of the phases, after which the IKL of what they led to is measured
TRIAL = 48  # updates of the auxiliary network that measure it
ROUND = 100  # updates of the auxiliary network for each step of the kernel
ROUND_WORK = 3.0  # times as long as an update of the phases takes one of a round, which trains a network
TRIAL_WORK = 1.25  # times as long as an update of a round takes one of a trial
REFINING_WORK = 25.0  # times as long as an update of a round takes one call of `DerivativeFit.refined`
LARGEST_RETRIEVED = 40  # px: of a larger kernel the spectra's window of 64 px says too little


@dataclass(frozen=True)
class Plan:
    """First the own start is measured as it is: where turning finds nothing better, it stays. Then come stretches, one
    of each start among them: updates of the phases, and a trial, the updates that measure what they led to. Last come
    rounds."""

    starts: int  # that are compared: the own one, and those that the spectra allow, each also turned about
    stretches: int
    turns: int  # updates of the phases in each
    trial_length: int
    rounds: int
    round_length: int

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        starts = 2 * settings.candidates + 1 if settings.kernel_size <= LARGEST_RETRIEVED else 1
        turns = math.ceil(settings.images_phase / settings.batch_size)
        length = min(turns, STRETCH)
        stretches = starts - 1 + round(turns / length) if turns else 0
        rounds = math.ceil(settings.images_kernel / (settings.batch_size * ROUND))
        return cls(starts, stretches, length, TRIAL, rounds, ROUND)

    @property
    def first_round(self) -> int:
        """The first update of the rounds: how many there are before them."""
        return self.trial_length + (self.turns + self.trial_length) * self.stretches if self.stretches else 0

    @property
    def updates(self) -> int:
        """All of them."""
        return self.first_round + self.rounds * self.round_length

    def place(self, update: int) -> tuple[int, int]:
        """Of an update before the rounds: the number of its stretch, from 1, and that of the update in it, from 0.

        The own start is stretch 0, which begins with its trial, as if its turns were over.
        """
        return divmod(update + self.turns, self.turns + self.trial_length)

    def work(self, updates: int) -> float:
        """How much work the first `updates` are, in updates of a round."""
        before_rounds = min(updates, self.first_round)
        done, begun = divmod(max(before_rounds - self.trial_length, 0), self.turns + self.trial_length)
        turned = done * self.turns + min(begun, self.turns)
        tried = before_rounds - turned
        retrieved = min(max(done + (begun > 0) - 1, 0), self.starts - 1)  # starts that are refined themselves
        refined = (done + (begun > self.turns) + retrieved) * REFINING_WORK
        return turned / ROUND_WORK + tried * TRIAL_WORK + refined + updates - before_rounds
