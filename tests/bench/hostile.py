"""What comes of odd, damaged and hostile files: a table of them, each with its receipt or the reason it is refused.

    python tests/bench/hostile.py ../shared/data/hard ../shared/data/raw      # folders, searched through
    python tests/bench/hostile.py --generated                                 # cases made here

Each file is read, written in its own format and read again, in a process of its own with a limit on memory and on time.
'kept': the file that comes out holds all that the one that went in did. 'told': something is not kept, and the receipt
says what. 'refused': a sentence says why. Anything else is a fault, and the exit code is 1: a traceback, a crash of the
process, more memory than the limit, or no answer in time.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, read, suffix_for, write

MEMORY_GB, SECONDS = 8, 120
CUT = 4096  # bytes: files are cut at each multiple
FAULTS = ("traceback", "crash", "no answer")


def outcome(path: Path, folder: Path) -> tuple[str, str]:
    """What comes of one file, in a word and in a sentence."""
    try:
        target = folder / f"written{suffix_for(path, 'same')}"
        receipt = write(read(path), target)
    except UserError as error:
        return "refused", f"{error.why} {error.todo}".strip() or error.what
    except Exception as error:
        return "traceback", repr(error)
    return ("kept" if receipt.whole else "told"), str(receipt)


def outcomes(paths: list[Path], memory_gb: float, seconds: float) -> Iterator[tuple[Path, str, str]]:
    """Of each file; a process that ends or does not answer is replaced."""
    worker: multiprocessing.Process | None = None
    for path in paths:
        if worker is None:
            here, there = multiprocessing.Pipe()
            worker = multiprocessing.Process(target=_work, args=(there, memory_gb), daemon=True)
            worker.start()
        here.send(path)
        try:
            found = here.recv() if here.poll(seconds) else ("no answer", f"in {seconds:g} seconds")
        except EOFError:
            worker.join()
            found = ("crash", f"exit code {worker.exitcode}")
        if found[0] in FAULTS[1:]:
            worker.kill()
            worker = None
        yield path, *found


def _work(connection: Connection, memory_gb: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_gb * 2**30),) * 2)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as silence:
        os.dup2(silence.fileno(), 2)  # on which C libraries speak
        while True:
            connection.send(outcome(connection.recv(), Path(folder)))


# Cases made here


def generate(folder: Path) -> None:
    """Files that are damaged in known ways, or legal and odd."""
    rng = np.random.default_rng(0)
    pixels = rng.random((90, 120, 3), np.float32)
    whole = {}
    for name, photo in {
        "png8.png": Photo(pixels, 8),
        "png16.png": Photo(pixels, 16),
        "jpeg.jpg": Photo(pixels, 8),
        "tiff16.tif": Photo(pixels, 16),
        "float.tif": Photo(pixels * 1.5 - 0.2, 32, black=-1.0, white=2.0),
        "grey.tif": Photo(pixels[..., :1], 8),
    }.items():
        write(photo, folder / name)
        whole[name] = (folder / name).read_bytes()
    whole["image.fits"] = _fits(pixels)
    for name, content in whole.items():
        stem, suffix = name.split(".")
        for kept in (0, 1, 7, 100, *range(CUT, len(content), CUT)):
            (folder / f"{stem}_cut_{kept}.{suffix}").write_bytes(content[:kept])
        for other in {"png", "jpg", "tif", "fits", "dng", "nef"} - {suffix}:
            (folder / f"{stem}_called.{other}").write_bytes(content)
        for place in range(40, len(content), len(content) // 12):
            spoilt = bytearray(content)
            spoilt[place : place + 8] = rng.bytes(8)
            (folder / f"{stem}_spoilt_{place}.{suffix}").write_bytes(spoilt)
    _odd_pictures(folder)
    _claims(folder)
    _metadata(folder, whole["jpeg.jpg"])
    for name in ("写真 Größe ñ.png", "n" * 251 + ".png", "é" * 125 + ".png", "two.png", "two.tif"):
        write(Photo(pixels, 8), folder / name)
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "nowhere.png").symlink_to(folder / "not there")


def _fits(pixels: np.ndarray) -> bytes:
    header = _cards(16, *pixels.shape[1::-1])
    data = (pixels[..., 0] * 30000).astype(">i2").tobytes()
    return header + data + bytes(-len(data) % 2880)


def _cards(bits: int, width: int, height: int) -> bytes:
    cards = ["SIMPLE  =                    T", f"BITPIX  = {bits:20}", "NAXIS   =                    2"]
    cards += [f"NAXIS1  = {width:20}", f"NAXIS2  = {height:20}", "END"]
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode()


def _odd_pictures(folder: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"):
        image = Image.new(mode, (31, 17))
        word = mode.replace(";", "")
        for suffix in ("png", "jpg", "tif"):
            content = io.BytesIO()
            try:
                image.save(content, {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}[suffix])
            except OSError:  # a mode that the format does not have
                continue
            (folder / f"mode_{word}.{suffix}").write_bytes(content.getvalue())
    for height, width in ((1, 1), (1, 5000), (5000, 1)):
        for name in ("a.png", "a.jpg", "a.tif"):
            write(Photo(np.full((height, width, 3), 0.5), 8), folder / f"{height}x{width}_{name}")
    for orientation in range(1, 9):
        for suffix in ("png", "jpg", "tif"):
            write(Photo(np.full((9, 12, 3), 0.5), 8, orientation), folder / f"turned_{orientation}.{suffix}")
    tifffile.imwrite(folder / "nan.tif", np.full((9, 9), np.nan, np.float32))
    tifffile.imwrite(folder / "pages.tif", np.zeros((5, 9, 9), np.uint8), photometric="minisblack")


def _claims(folder: Path) -> None:
    """Headers that claim more, or less, than there is."""
    for side in (0, 30_000, 19_000, 2**31 - 1):
        header = struct.pack(">LLBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
        parts = [
            struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
            for kind, data in chunks
        ]
        (folder / f"claims_{side}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        tags = ((256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side), (279, 99))
        table = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags)
        (folder / f"claims_{side}.tif").write_bytes(b"II*\0" + struct.pack("<LH", 8, len(tags)) + table + bytes(4))
        cards = _cards(-32, side, side)
        (folder / f"claims_{side}.fits").write_bytes(cards)
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "JPEG")
    data = bytearray(content.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 30_000, 30_000)
    (folder / "claims_30000.jpg").write_bytes(data)


def _metadata(folder: Path, jpeg: bytes) -> None:
    """Broken EXIF and profiles."""
    tags = exif.to_bytes({exif.ORIENTATION: 6, 271: "Maker", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05"}})
    rng = np.random.default_rng(1)
    for index in range(24):
        spoilt = bytearray(tags)
        spoilt[int(rng.integers(len(tags)))] = int(rng.integers(256))
        segment = b"Exif\0\0" + bytes(spoilt)[: None if index % 3 else int(rng.integers(len(tags)))]
        content = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
        (folder / f"exif_{index}.jpg").write_bytes(content)
        photo = Photo(np.full((9, 9, 3), 0.5), 8, metadata=Metadata(bytes(spoilt), rng.bytes(200)))
        write(photo, folder / f"profile_{index}.{('png', 'jpg', 'tif')[index % 3]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--generated", action="store_true")
    parser.add_argument("--memory", type=float, default=MEMORY_GB, metavar="GB")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        roots = list(arguments.folders)
        if arguments.generated:
            generate(Path(made))
            roots.append(Path(made))
        counts: Counter[str] = Counter()
        for root in roots:
            paths = sorted(path for path in root.rglob("*") if path.is_symlink() or not path.is_dir() or path.suffix)
            for path, word, sentence in outcomes(paths, arguments.memory, arguments.seconds):
                counts[word] += 1
                print(f"{word:10} {path.relative_to(root)}: {sentence}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()), f"of {counts.total()} files")
    return int(any(counts[word] for word in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
