"""How a photo is cut up for a restorer: by its size and the settings alone, and smaller where memory runs out.

What memory happens to be free has no say, so the same settings, device and plan give the same bytes on any day. Where a
budget asks for another plan than the usual one, or memory runs out on the way, a sentence tells that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Scope, check_values, setting

TILE = 512  # px
SMALLEST = 128  # px: smaller tiles hardly need less, for what lies around them is worked on, too
COPIES = 6  # of a photo as float32: more than there are at any time, with what reading and writing need
PROGRAM = 0.7e9  # bytes: the program itself, with torch

# What libraries say of memory that they did not get.
OUT_OF_MEMORY = ("out of memory", "not enough memory", "alloc")


@dataclass(frozen=True)
class Budget:
    """What photos may need while they are restored: one, or several together that are in work at the same time.

    Raises:
        UserError: it is out of its bounds.
    """

    memory_budget: float = setting(
        16.0,
        "Memory for restoring",
        "What photos in work at the same time may need, all together; one that needs more is restored in smaller "
        "tiles, or left out.",
        scope=Scope.RUN,
        low=1.0,
        high=256.0,
        unit="GB",
    )

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True)
class Plan:
    """`tile`: px of a tile's side; `at_once`: tiles that are in work at the same time; `device`: where."""

    tile: int = TILE
    at_once: int = 1
    device: str = "cpu"

    def differences(self, usual: Plan) -> list[str]:
        """From the usual plan, in words."""
        words = []
        if self.device != usual.device:
            words.append(f"on the CPU, not on {usual.device}")
        if self.tile != usual.tile:
            words.append(f"in tiles of {self.tile} px, not {usual.tile}")
        if self.at_once != usual.at_once:
            words.append(f"{self.at_once} at once, not {usual.at_once}")
        return words


def plans(usual: Plan) -> Iterator[Plan]:
    """The usual plan, and then those that need less: fewer tiles at once, smaller ones, at last on the CPU."""
    plan = usual
    yield plan
    while plan.at_once > 1:
        plan = replace(plan, at_once=plan.at_once // 2)
        yield plan
    while plan.tile > SMALLEST:
        plan = replace(plan, tile=plan.tile // 2)
        yield plan
    if plan.device != "cpu":
        yield from plans(replace(usual, device="cpu"))


def ran_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error says that there was not enough memory: numpy's, torch's, or that of a library of a GPU."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY)


def check_size(shape: tuple[int, ...], budget: Budget, of_tiles: float = 0.0) -> None:
    """Looks whether a photo H x W x C, with tiles in work that need so many bytes, stays within the budget.

    Raises:
        UserError: it does not.
    """
    height, width, _ = shape
    needed = PROGRAM + of_photo(shape) + of_tiles
    if needed > budget.memory_budget * 1e9:
        raise UserError(
            f"A photo of {width} x {height} pixels needs {needed / 1e9:.1f} GB to be restored.",
            f"The memory for a photo (memory_budget) is {budget.memory_budget:g} GB.",
            "Allow more (--memory-budget, or in the window under File › Limits), or cut the photo into smaller ones.",
        )


def within(budget: Budget, usual: Plan, shape: tuple[int, ...], of_tiles: Callable[[int, Plan], float]) -> Plan:
    """The first plan, from the usual one on, by which a photo needs no more than the budget.

    Args:
        shape: of the photo, H x W x C.
        of_tiles: the bytes of this machine's memory that the tiles in work need, by channels and plan.

    Raises:
        UserError: there is none.
    """
    left = budget.memory_budget * 1e9 - PROGRAM - of_photo(shape)
    here = [plan for plan in plans(usual) if plan.device == usual.device]
    chosen = next((plan for plan in here if of_tiles(shape[2], plan) <= left), here[-1])
    check_size(shape, budget, of_tiles(shape[2], chosen))
    return chosen


def told(usual: Plan, planned: Plan, done: Plan) -> str:
    """How a photo was worked on, for a person to read, where that is not the usual way."""
    why = "Memory ran out" if done != planned else "The memory for a photo is limited"
    return "" if done == usual else f"{why}: restored {', '.join(done.differences(usual))}."


def of_photo(shape: tuple[int, ...]) -> float:
    """Bytes that a photo H x W x C needs, but for the program itself and the tiles in work."""
    return 4.0 * COPIES * math.prod(shape)
