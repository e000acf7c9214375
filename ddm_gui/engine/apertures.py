"""F-numbers: which of them a person asks for, and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ddm_gui.engine.errors import UserError

ANY = "any"
UNKNOWN = "unknown aperture"
# Cameras write 3.5 or 3.56, 22 or 22.6 for the same stop: up to 3 %. Stops a third apart differ by 12 %.
TOLERANCE = 0.04
_ASKED = re.compile(r"(?:f/?)?(\d+(?:[.,]\d+)?)(?:\s*-\s*(?:f/?)?(\d+(?:[.,]\d+)?))?", re.IGNORECASE)


@dataclass(frozen=True)
class Apertures:
    """F-numbers from `low` to `high`, both within `TOLERANCE`; `text` is how they were asked for."""

    low: float
    high: float
    text: str

    def hold(self, aperture: float | None) -> bool:
        """Whether an f-number is among them; one that is not known is not."""
        if aperture is None:
            return False
        return self.low / (1 + TOLERANCE) <= aperture <= self.high * (1 + TOLERANCE)


def asked(text: str, name: str) -> Apertures | None:
    """What 'any' (None: all photos), '5.6', 'f/5.6' or '11-16' asks for; `name` is where it was written.

    Raises:
        UserError: it reads as none of these.
    """
    bare = text.strip()
    if bare.lower() == ANY:
        return None
    match = _ASKED.fullmatch(bare)
    numbers = [float(word.replace(",", ".")) for word in match.groups() if word] if match else []
    if not numbers or min(numbers) <= 0:
        raise UserError(
            f"The aperture '{text}' ({name}) cannot be understood.",
            "It may be 'any', an f-number such as 5.6, or a range such as 11-16.",
            "Write one of these.",
        )
    low, high = min(numbers), max(numbers)
    return Apertures(low, high, written(low) if low == high else f"{written(low)} to {written(high)}")


def written(aperture: float | None) -> str:
    """'f/5.6', 'f/16', 'unknown aperture': as exactly as photographers write them."""
    if aperture is None:
        return UNKNOWN
    return f"f/{aperture:.0f}" if aperture >= 9.95 else f"f/{aperture:.1f}".removesuffix(".0")


def counted(apertures: Iterable[float | None]) -> str:
    """'f/5.6 (12), f/16 (3), unknown aperture (1)': by f-number, those that are written alike together."""
    order = sorted(apertures, key=lambda aperture: (aperture is None, aperture or 0.0))
    return ", ".join(f"{words} ({count})" for words, count in Counter(map(written, order)).items())
