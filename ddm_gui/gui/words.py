"""Numbers and reasons as a person says them."""

from __future__ import annotations

import math
from pathlib import Path

from ddm_gui.engine.blur.kernel_numbers import ROUND, KernelNumbers

_ARROWS = "→↘↓↙←↖↑↗"  # from the right on, as directions in a picture turn


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


def denoiser_words(restorer: str, denoiser: str) -> str:
    """'Plug and play (DPIR): ffdnet_color', or the restorer alone where it has none."""
    return f"{restorer}: {Path(denoiser).stem}" if denoiser else restorer


def residual_words(rms: float, warning: str) -> str:
    """'residual 0.98 × noise, as it should be', or the warning."""
    return f"residual {rms:.2f} × noise{'. ' + warning if warning else ', as it should be'}"


def progress_words(share: float, seconds: float) -> str:
    """'25 %, 12 s, about 36 s left'; no share where it is not known."""
    if share <= 0.0:
        return f"{seconds:.0f} s"
    return f"{100 * share:.0f} %, {seconds:.0f} s, about {duration(seconds * (1 - share) / share)} left"


def unbroken(text: str) -> str:
    """The same words, which a label breaks into lines between them only: not in 'f/5.6', nor before '(3)'."""
    return text.replace("/", "/\u2060").replace(" (", "\u00a0(")


def left_out(path: Path, reason: str) -> str:
    """'b.png: It is damaged.': a line of a list."""
    return f"{path.name}: {reason_alone(path, reason)}"


def reason_alone(path: Path, reason: str) -> str:
    """'It is damaged.': beside the name of the file the reason need not name it and its folder again."""
    return reason.removeprefix(f"{path} cannot be read. ")


def widths(numbers: KernelNumbers) -> str:
    """'4.1 × 3.0': full widths at half maximum, long × short; a dash where a kernel goes on beyond its picture."""
    both = (numbers.fwhm_long, numbers.fwhm_short)
    return " × ".join(f"{width:.1f}" if math.isfinite(width) else "—" for width in both)


def ellipse(numbers: KernelNumbers) -> str:
    """'0.27 at 31°', or 'round'."""
    if numbers.ellipticity < ROUND:
        return "round"
    return f"{numbers.ellipticity:.2f} at {round(numbers.direction) % 180}°"


def shift(place: tuple[float, float]) -> str:
    """'↘ 0.71 px': a way in a picture, (down, right) in px; '0.00 px' where there is none to speak of."""
    down, right = place
    length = math.hypot(down, right)
    if length < 0.005:
        return "0.00 px"
    octant = round(math.degrees(math.atan2(down, right)) / 45) % 8
    return f"{_ARROWS[octant]} {length:.2f} px"
