"""Numbers and reasons as a person says them."""

from __future__ import annotations

import math
from pathlib import Path


def duration(seconds: float) -> str:
    """'40 s', '3 min', '2 h 10 min', '14 h', '3 days'; no finer than anybody needs. Empty where it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 10 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def photos(count: int) -> str:
    """'1 photo', '24 photos'."""
    return "1 photo" if count == 1 else f"{count:,} photos"


def unbroken(text: str) -> str:
    """The same words, which a label breaks into lines between them only: not in 'f/5.6', nor before '(3)'."""
    return text.replace("/", "/\u2060").replace(" (", "\u00a0(")


def left_out(path: Path, reason: str) -> str:
    """'b.png: It is damaged.': a line of a list; the reason need not name the file and its folder again."""
    return f"{path.name}: {reason.removeprefix(f'{path} cannot be read. ')}"
