"""Colour profiles (ICC.1:2022): their names and tone curves."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from ddm_gui.engine.photos.tone_curve import Curve, Parametric, Sampled

HEADER = 128
MOST_TAGS = 200
BY_TABLE = ("A2B0", "A2B1", "A2B2", "D2B0", "D2B1", "D2B2")  # tags that convert all channels at once, and come first
OF_CHANNELS = {b"RGB ": ("rTRC", "gTRC", "bTRC"), b"GRAY": ("kTRC",)}
LARGEST_STEP = 1e-3  # of linear light, that is taken for rounding
PARAMETERS = (1, 3, 4, 5, 7)  # how many there are, by function type


def name(profile: bytes) -> str:
    """What a profile calls itself: 'Adobe RGB (1998)'; 'a profile' where it does not."""
    try:
        data = _tags(profile).get("desc", b"")
        if data[:4] == b"desc":
            text = data[12 : 12 + int.from_bytes(data[8:12], "big")].decode("latin-1")
        elif data[:4] == b"mluc":
            length, start = struct.unpack(">LL", data[20:28])
            text = data[start : start + length].decode("utf-16-be", "replace")
        else:
            text = ""
    except (ValueError, struct.error):
        text = ""
    return "".join(letter for letter in text.split("\0")[0] if letter.isprintable()).strip()[:60] or "a profile"


def curves(profile: bytes) -> tuple[Curve, ...]:
    """The tone curves of a profile of three channels, or of grey.

    Raises:
        ValueError: it is damaged, or its light is not told by curves, with the reason.
    """
    tags = _tags(profile)
    wanted = OF_CHANNELS.get(profile[16:20])
    if wanted is None:
        raise ValueError(f"its colour profile is of the colours {profile[16:20].decode('latin-1').strip()}")
    if any(tag in tags for tag in BY_TABLE):
        raise ValueError("its colour profile converts by a table (LUT) and not by curves")
    if any(tag not in tags for tag in wanted):
        raise ValueError("its colour profile holds no tone curve")
    found = tuple(_curve(tags[tag]) for tag in wanted)
    return found[:1] if len({tags[tag] for tag in wanted}) == 1 else found


def _tags(profile: bytes) -> dict[str, bytes]:
    """The content of each tag.

    Raises:
        ValueError: it is damaged.
    """
    if len(profile) < HEADER + 4 or profile[36:40] != b"acsp":
        raise ValueError("its colour profile is damaged")
    count = int.from_bytes(profile[HEADER : HEADER + 4], "big")
    found = {}
    for at in range(HEADER + 4, HEADER + 4 + 12 * min(count, MOST_TAGS), 12):
        if at + 12 > len(profile):
            raise ValueError("its colour profile is damaged")
        tag, start, size = struct.unpack(">4sLL", profile[at : at + 12])
        if start + size > len(profile):
            raise ValueError("its colour profile is damaged")
        found[tag.decode("latin-1")] = profile[start : start + size]
    return found


def _curve(data: bytes) -> Curve:
    """Of the types 'curv' and 'para' (sections 10.6 and 10.18).

    Raises:
        ValueError: it is damaged or of another type.
    """
    if data[:4] == b"curv" and len(data) >= 12:
        count = int.from_bytes(data[8:12], "big")
        if len(data) < 12 + 2 * count:
            raise ValueError("its tone curve is damaged")
        table = np.frombuffer(data, ">u2", count, 12)
        if count == 0:
            return Parametric(1.0)
        if count == 1:
            return _checked(Parametric(int(table[0]) / 256))
        return Sampled.of_table(table / 65535)
    if data[:4] == b"para" and len(data) >= 12:
        function = int.from_bytes(data[8:10], "big")
        if function >= len(PARAMETERS) or len(data) < 12 + 4 * PARAMETERS[function]:
            raise ValueError("its tone curve is damaged")
        numbers = np.frombuffer(data, ">i4", PARAMETERS[function], 12) / 65536
        return _checked(_parametric(function, *map(float, numbers)))
    raise ValueError("its tone curve is of an unknown type")


def _parametric(function: int, power: float, *others: float) -> Parametric:
    """Functions 0 to 4 of table 68 in the form of the last one."""
    if function == 0:
        return Parametric(power)
    a, b = others[:2]
    if function in (1, 2):
        level = others[2] if function == 2 else 0.0
        return Parametric(power, a, b, 0.0, -b / a if a else 0.0, level, level)
    c, d = others[2:4]
    e, f = others[4:] if function == 4 else (0.0, 0.0)
    return Parametric(power, a, b, c, d, e, f)


def _checked(curve: Parametric) -> Parametric:
    """A curve whose two parts meet: profiles round their numbers, and a step between them could not be undone."""
    if curve.power <= 0 or curve.a <= 0:
        raise ValueError("its tone curve is damaged")
    if curve.c <= 0 or curve.d <= 0:
        return curve
    knee = max(curve.a * curve.d + curve.b, 0.0) ** curve.power + curve.e
    if abs(curve.c * curve.d + curve.f - knee) > LARGEST_STEP:
        return curve
    return replace(curve, c=(knee - curve.f) / curve.d)
