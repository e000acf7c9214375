"""What photos may ask of this machine, whatever the project: kept among the person's own choices."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QSettings

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import SizeLimit
from ddm_gui.engine.restore.plan import Budget

_MEMORY, _SIZE = "memory_budget", "largest_photo"


@dataclass(frozen=True)
class Limits:
    """How much memory photos may need while they are restored, and how large any photo may be."""

    budget: Budget = field(default_factory=Budget)
    size: SizeLimit = field(default_factory=SizeLimit)


def kept_limits() -> Limits:
    """The person's last choice; what is not kept, or cannot be, is as usual."""
    limits: dict[str, Any] = {}
    with suppress(UserError):
        limits["budget"] = Budget(_kept(_MEMORY, Budget.memory_budget))
    with suppress(UserError):
        limits["size"] = SizeLimit(_kept(_SIZE, SizeLimit.largest_photo))
    return Limits(**limits)


def keep_limits(limits: Limits) -> None:
    """For the next time, too."""
    _store().setValue(_MEMORY, str(limits.budget.memory_budget))
    _store().setValue(_SIZE, str(limits.size.largest_photo))


def _kept(name: str, usual: float) -> float:
    """A number that is kept; the usual one where there is none, or no number."""
    try:
        return float(str(_store().value(name, usual)))
    except ValueError:
        return usual


def _store() -> QSettings:
    return QSettings("ddm_gui", "ddm_gui")
