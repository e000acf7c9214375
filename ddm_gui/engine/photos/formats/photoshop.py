"""Image resources of Photoshop (its file format specification), in which JPEG keeps IPTC (IIM 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable

MARK, IPTC = b"8BIM", 0x0404
RECORD = 0x1C


def resources(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Number, name (as stored, with its length) and content of each resource; what is damaged ends the list."""
    found = []
    at = 0
    while data[at : at + 4] == MARK and at + 12 <= len(data):
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        named = 1 + data[at + 6]
        named += named % 2
        start = at + 6 + named + 4
        size = int.from_bytes(data[start - 4 : start], "big")
        if start + size > len(data):
            break
        found.append((number, data[at + 6 : at + 6 + named], data[start : start + size]))
        at = start + size + size % 2
    return found


def packed(found: list[tuple[int, bytes, bytes]]) -> bytes:
    """What `resources` was given."""
    return b"".join(
        MARK + struct.pack(">H", number) + name + struct.pack(">L", len(content)) + content + b"\0" * (len(content) % 2)
        for number, name, content in found
    )


def iptc(data: bytes) -> bytes | None:
    """The IPTC records among resources."""
    return next((content for number, _, content in resources(data) if number == IPTC), None)


def of_iptc(records: bytes) -> bytes:
    """Resources that hold IPTC records only."""
    return packed([(IPTC, b"\0\0", records)])


def datasets(records: bytes) -> list[tuple[tuple[int, int], bytes]]:
    """Record and number of each IPTC dataset, and its bytes, header included; what is damaged ends the list."""
    found = []
    at = 0
    while at + 5 <= len(records) and records[at] == RECORD:
        size = int.from_bytes(records[at + 3 : at + 5], "big")
        if size & 0x8000 or at + 5 + size > len(records):  # longer than 32 kB: of which IPTC has none
            break
        found.append(((records[at + 1], records[at + 2]), records[at : at + 5 + size]))
        at += 5 + size
    return found


def without_datasets(data: bytes, unwanted: Callable[[tuple[int, int]], bool]) -> bytes:
    """Resources less some datasets of their IPTC records."""
    result = []
    for number, name, content in resources(data):
        if number == IPTC:
            content = b"".join(whole for key, whole in datasets(content) if not unwanted(key))
        result.append((number, name, content))
    return packed(result)
