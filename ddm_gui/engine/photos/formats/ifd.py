"""Directories of TIFF (6.0, section 2; BigTIFF too), of which EXIF is made: read and written to the last byte.

Values are never interpreted, so private tags and odd ones come through as they are. What lies outside of the file, or
points back to where the reader has been, is left out. A maker note, in which there may be offsets of its own, is
written where it lay in the file that it was read from.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes that an order turns
LONG, LONG8 = 4, 16

SUB_PICTURES, EXIF, GPS, INTEROPERABILITY = 330, 34665, 34853, 40965
POINTERS = (SUB_PICTURES, EXIF, GPS, INTEROPERABILITY)  # tags whose values are directories
MAKER_NOTE = 37500
BLOCKS = {273: 279, 324: 325, 513: 514}  # tags that say where strips, tiles and a thumbnail lie: and how long they are

DEEPEST = 4
MOST_DIRECTORIES = 10_000
MOST_ENTRIES = 4_096  # of one directory; cameras write some hundred at most
LARGEST_VALUE = 1 << 28  # bytes
FARTHEST = 1 << 16  # bytes into a file: a maker note that lay behind is written elsewhere, or the file would be padded
CLASSIC_LIMIT = (1 << 32) - 1  # bytes that TIFF's offsets reach


@dataclass(frozen=True)
class Entry:
    """One tag: its type, how many values, and these in the structure's byte order.

    A pointer holds `directories` instead, and a tag of BLOCKS the `blocks` of bytes that it points to. `place` is where
    in its file a maker note lay; None: nowhere yet.
    """

    tag: int
    kind: int
    count: int
    data: bytes = b""
    directories: tuple[Directory, ...] = ()
    blocks: tuple[bytes, ...] = ()
    place: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Directory:
    """The entries of one directory."""

    entries: tuple[Entry, ...]

    def get(self, tag: int) -> Entry | None:
        """The entry of this tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)

    def without(self, tags: Iterable[int]) -> Directory:
        """Less these."""
        gone = frozenset(tags)
        return Directory(tuple(entry for entry in self.entries if entry.tag not in gone))

    def with_entries(self, entries: Iterable[Entry]) -> Directory:
        """With these as well, in the place of those of the same tags."""
        added = {entry.tag: entry for entry in entries}
        kept = self.without(added).entries
        return Directory(tuple(sorted((*kept, *added.values()), key=lambda entry: entry.tag)))

    def inside(self, tag: int) -> Directory:
        """The directory that a pointer holds; an empty one where there is none."""
        entry = self.get(tag)
        return entry.directories[0] if entry is not None and entry.directories else Directory(())


@dataclass(frozen=True)
class Structure:
    """A chain of directories and their byte order, '<' or '>'."""

    order: str
    directories: tuple[Directory, ...]

    @property
    def first(self) -> Directory:
        """The first directory; an empty one where there is none."""
        return self.directories[0] if self.directories else Directory(())

    def with_first(self, first: Directory) -> Structure:
        """With another first directory."""
        return Structure(self.order, (first, *self.directories[1:]))


def number(tag: int, values: Iterable[int], order: str, kind: int = LONG) -> Entry:
    """An entry of whole numbers: SHORT (kind 3), LONG (4) or LONG8 (16)."""
    letter = {3: "H", 4: "L", 16: "Q"}[kind]
    packed = [struct.pack(order + letter, value) for value in values]
    return Entry(tag, kind, len(packed), b"".join(packed))


def numbers(entry: Entry | None, order: str) -> tuple[int, ...]:
    """The whole numbers of an entry; none where it is not there or holds something else."""
    letter = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}.get(entry.kind) if entry is not None else None
    if entry is None or letter is None:
        return ()
    return struct.unpack(f"{order}{len(entry.data) // SIZES[entry.kind]}{letter}", entry.data)


def parse(data: bytes) -> Structure:
    """The directories of EXIF bytes, a thumbnail among them.

    Raises:
        ValueError: this is no TIFF structure.
    """
    stream = io.BytesIO(data)
    structure = read(stream)
    directories = tuple(with_blocks(one, stream, structure.order) for one in structure.directories)
    return Structure(structure.order, directories)


def read(stream: IO[bytes]) -> Structure:
    """The directories of a file, without the blocks that they point to.

    Raises:
        ValueError: this is no TIFF structure.
        OSError: it cannot be read.
    """
    return _Reader(stream).structure()


def with_blocks(directory: Directory, stream: IO[bytes], order: str) -> Directory:
    """The same with strips, tiles and thumbnail loaded; an entry whose blocks lie outside of the file is left out."""
    loaded: list[Entry] = []
    end = stream.seek(0, 2)
    for entry in directory.entries:
        if entry.tag not in BLOCKS:
            loaded.append(entry)
            continue
        lengths = numbers(directory.get(BLOCKS[entry.tag]), order)
        places = numbers(entry, order)
        if len(lengths) == len(places) and all(at + size <= end for at, size in zip(places, lengths, strict=True)):
            blocks = []
            for at, size in zip(places, lengths, strict=True):
                stream.seek(at)
                blocks.append(stream.read(size))
            loaded.append(replace(entry, data=b"", blocks=tuple(blocks)))
    return Directory(tuple(loaded))


def write(structure: Structure, padded: bool = True) -> bytes:
    """A whole TIFF structure; BigTIFF where it is larger than TIFF can be. The first picture's maker note gets its
    place again, with zeros before it, unless that is too far (FARTHEST), or nothing is to be `padded`."""
    note = structure.first.inside(EXIF).get(MAKER_NOTE) if padded else None
    parts = _Writer(structure.order, False, note).file(structure)
    if sum(map(len, parts)) > CLASSIC_LIMIT:
        parts = _Writer(structure.order, True, note).file(structure)
    return b"".join(parts)


def flattened(structure: Structure, left_out: Iterable[int] = ()) -> dict[tuple[int, ...], tuple[int, bytes]]:
    """Type and value (little-endian) of all tags by the way to them; pointers and the tags `left_out` do not count."""
    gone = frozenset(left_out)
    return {
        way: (entry.kind, _turned(entry.data, entry.kind, structure.order, "<"))
        for index, directory in enumerate(structure.directories)
        for way, entry in _walk((index,), directory)
        if entry.tag not in gone
    }


def in_order(structure: Structure, order: str) -> Structure:
    """The same values in another byte order."""
    return Structure(order, tuple(_reordered(one, structure.order, order) for one in structure.directories))


def _reordered(directory: Directory, old: str, new: str) -> Directory:
    return Directory(
        tuple(
            replace(
                entry,
                data=_turned(entry.data, entry.kind, old, new),
                directories=tuple(_reordered(one, old, new) for one in entry.directories),
            )
            for entry in directory.entries
        )
    )


def _turned(data: bytes, kind: int, old: str, new: str) -> bytes:
    size = WORDS.get(kind, 1)
    if old == new or size == 1:
        return data
    return b"".join(data[at : at + size][::-1] for at in range(0, len(data), size))


def _walk(way: tuple[int, ...], directory: Directory) -> Iterator[tuple[tuple[int, ...], Entry]]:
    for entry in directory.entries:
        if entry.directories:
            for index, inner in enumerate(entry.directories):
                yield from _walk((*way, entry.tag, index), inner)
        elif entry.tag not in POINTERS:
            yield (*way, entry.tag), entry


class _Reader:
    """Follows offsets through a file, and never the same one twice."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.end = stream.seek(0, 2)
        self.seen: set[int] = set()
        head = self._at(0, 16)
        orders = {b"II": "<", b"MM": ">"}
        if head[:2] not in orders or len(head) < 8:
            raise ValueError("not a TIFF structure")
        self.order = orders[head[:2]]
        version = self._number("H", head[2:4])
        self.wide = version == 43
        if version not in (42, 43) or (self.wide and len(head) < 16):
            raise ValueError("not a TIFF structure")
        self.start = self._number("Q", head[8:16]) if self.wide else self._number("L", head[4:8])

    def structure(self) -> Structure:
        found: list[Directory] = []
        offset = self.start
        while offset and len(found) < MOST_DIRECTORIES:
            directory, offset = self._directory(offset, 0)
            if directory is None:
                break
            found.append(directory)
        return Structure(self.order, tuple(found))

    def _at(self, offset: int, size: int) -> bytes:
        self.stream.seek(offset)
        return self.stream.read(size)

    def _number(self, letter: str, data: bytes) -> int:
        return int(struct.unpack(self.order + letter, data)[0])

    def _directory(self, offset: int, depth: int) -> tuple[Directory | None, int]:
        """A directory and where the next one is; None where there is none at all."""
        count_size, entry_size, letter = (8, 20, "Q") if self.wide else (2, 12, "L")
        if offset in self.seen or offset + count_size > self.end:
            return None, 0
        self.seen.add(offset)
        count = self._number("Q" if self.wide else "H", self._at(offset, count_size))
        if count > MOST_ENTRIES:
            return None, 0
        table = self._at(offset + count_size, count * entry_size)
        entries = [
            self._entry(table[at : at + entry_size], depth) for at in range(0, len(table) - entry_size + 1, entry_size)
        ]
        size = 8 if self.wide else 4
        following = self._at(offset + count_size + count * entry_size, size)
        after = self._number(letter, following) if len(following) == size else 0
        return Directory(tuple(entry for entry in entries if entry is not None)), after

    def _entry(self, raw: bytes, depth: int) -> Entry | None:
        tag, kind = struct.unpack(self.order + "HH", raw[:4])
        half = (len(raw) - 4) // 2
        count = self._number("Q" if self.wide else "L", raw[4 : 4 + half])
        size = SIZES.get(kind, 0) * count
        if size == 0 or size > LARGEST_VALUE:
            return None
        data, place = raw[4 + half : 4 + half + size], None
        if size > half:
            place = self._number("Q" if self.wide else "L", raw[4 + half :])
            data = self._at(place, size)
        if len(data) < size:
            return None
        entry = Entry(tag, kind, count, data, place=place if tag == MAKER_NOTE else None)
        if tag not in POINTERS:
            return entry
        if depth >= DEEPEST:
            return None
        found = (self._directory(offset, depth + 1)[0] for offset in numbers(entry, self.order))
        inside = tuple(one for one in found if one is not None)
        return replace(entry, data=b"", directories=inside) if inside else None


class _Writer:
    """Lays directories out one after the other: table, values, directories inside, blocks. The maker note, where there
    is one that has its place, comes before all of them."""

    def __init__(self, order: str, wide: bool, note: Entry | None) -> None:
        self.order, self.wide = order, wide
        self.letter, self.word = ("Q", 8) if wide else ("L", 4)
        self.head = 16 if wide else 8
        has_place = note is not None and note.place is not None and self.head <= note.place <= FARTHEST
        self.note = note if has_place else None

    def file(self, structure: Structure) -> list[bytes]:
        before = b""
        if self.note is not None and self.note.place is not None:
            before = bytes(self.note.place - self.head) + self.note.data
            before += bytes(len(before) % 2)
        place = self.head + len(before)
        mark = b"II" if self.order == "<" else b"MM"
        parts = [mark + struct.pack(self.order + "H", 43 if self.wide else 42)]
        where = struct.pack(self.order + "HHQ", 8, 0, place) if self.wide else struct.pack(self.order + "L", place)
        parts += [where, before]
        for index, directory in enumerate(structure.directories):
            made, place = self._directory(directory, place, index + 1 < len(structure.directories))
            parts += made
        return parts

    def _directory(self, directory: Directory, place: int, followed: bool) -> tuple[list[bytes], int]:
        """The bytes of a directory that begins at `place`, and where they end: there the next one begins, if any."""
        count_size, entry_size = (8, 20) if self.wide else (2, 12)
        at = place + count_size + entry_size * len(directory.entries) + self.word
        table, behind = [], []
        for entry in sorted(directory.entries, key=lambda one: one.tag):
            kind, count, data = entry.kind, entry.count, entry.data
            if entry.directories or entry.blocks:
                offsets = []
                for inner in entry.directories:
                    offsets.append(at)
                    made, at = self._directory(inner, at, False)
                    behind += made
                for block in entry.blocks:
                    offsets.append(at)
                    padded = len(block) % 2
                    behind += [block, b"\0" * padded]
                    at += len(block) + padded
                kind, count = (LONG8 if self.wide else LONG), len(offsets)
                data = struct.pack(f"{self.order}{count}{self.letter}", *(self._limited(offset) for offset in offsets))
            if entry is self.note:
                word = struct.pack(self.order + self.letter, entry.place)
            elif len(data) > self.word:
                word = struct.pack(self.order + self.letter, self._limited(at))
                padded = len(data) % 2
                behind += [data, b"\0" * padded]
                at += len(data) + padded
            else:
                word = data.ljust(self.word, b"\0")
            table.append(struct.pack(self.order + "HH" + self.letter, entry.tag, kind, count) + word)
        head = struct.pack(self.order + ("Q" if self.wide else "H"), len(directory.entries))
        after = struct.pack(self.order + self.letter, self._limited(at) if followed else 0)
        return [head, *table, after, *behind], at

    def _limited(self, offset: int) -> int:
        """An offset; what classic TIFF cannot reach is 0, for it will be written again as BigTIFF."""
        return offset if self.wide or offset <= CLASSIC_LIMIT else 0
