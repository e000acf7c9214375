"""Which files are photos, by their names and by how they begin; and what the files made of them are called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ddm_gui.engine.errors import UserError

RAW_NAMES = (
    *("3fr", "ari", "arw", "bay", "cap", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "k25", "kdc"),
    *("mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
)
KINDS = {  # by the ending of a name
    "PNG": frozenset({".png"}),
    "JPEG": frozenset({".jpg", ".jpeg"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "FITS": frozenset({".fits", ".fit", ".fts"}),
    "RAW": frozenset(f".{name}" for name in RAW_NAMES),
}
EXTENSIONS = frozenset().union(*KINDS.values())
FORMATS = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF", "fits": "FITS"}  # that `write` knows by name
FLOAT = 32  # the depth of photos whose values are floats, or of no certain range
DEPTHS = {"PNG": (8, 16), "JPEG": (8,), "TIFF": (8, 16, FLOAT), "FITS": (FLOAT,)}  # bits per value that a kind holds
DEPTH_WORDS = {8: "8 bits", 16: "16 bits", FLOAT: "floats"}

# How files begin, and what they are then called.
BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"SIMPLE  =", "FITS"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
)
LONGEST_BEGINNING = max(len(start) for start, _ in BEGINNINGS)


def find_photos(sources: Sequence[Path]) -> list[Path]:
    """The photos in folders and among single files, sorted, each once; by extension, in any case.

    Hidden files, sub-folders and files of other kinds are left out.

    Raises:
        UserError: a source is missing or cannot be listed, a folder holds no photo, or nothing remains.
    """
    found: set[Path] = set()
    for source in sources:
        try:
            found.update(_photos_of(source))
        except OSError as error:
            raise UserError(f"{source} cannot be looked at.", f"{error}.", "Choose another.") from error
    if not found:
        raise UserError(
            "There is no photo among what was chosen.",
            "Photos are PNG, JPEG, TIFF, FITS or camera RAW.",
            "Choose others.",
        )
    return sorted(found)


def is_raw(path: Path) -> bool:
    """Whether a file is camera RAW, by its name."""
    return path.suffix.lower() in KINDS["RAW"]


def kind_by_name(path: Path) -> str:
    """'PNG', 'JPEG', 'TIFF', 'FITS' or 'RAW', by the ending alone.

    Raises:
        UserError: it is none that is known.
    """
    for kind, suffixes in KINDS.items():
        if path.suffix.lower() in suffixes:
            return kind
    raise UserError(f"{path} cannot be read.", f"'{path.suffix}' is not a kind of photo that this program knows.")


def kind_of(path: Path) -> str:
    """The same of a file that is there, is not empty, and begins as it should.

    Raises:
        UserError: it is not so, naming the file and the reason.
    """
    kind = kind_by_name(path)
    if not path.is_file():
        raise UserError(f"{path} cannot be read.", "It does not exist, or is not a file.")
    try:
        with open(path, "rb") as stream:
            beginning = stream.read(LONGEST_BEGINNING)
    except OSError as error:
        why = "Reading it is not permitted." if isinstance(error, PermissionError) else f"{error}."
        raise UserError(f"{path} cannot be read.", why) from error
    if not beginning:
        raise UserError(f"{path} cannot be read.", "It is empty.")
    found = next((name for start, name in BEGINNINGS if beginning.startswith(start)), kind)
    if found not in (kind, "TIFF" if kind == "RAW" else kind):  # most RAW files are TIFF files inside
        raise UserError(
            f"{path} cannot be read.",
            f"It is a {found} file by its content, and not what its name says.",
            "Give it the ending that it should have.",
        )
    return kind


def suffix_for(source: Path, file_format: str) -> str:
    """The suffix of the file that `write` makes of this source: 'same' is its own, but TIFF for RAW."""
    if file_format != "same":
        suffixes = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "tiff16": ".tif", "fits": ".fits", "dng": ".dng"}
        return suffixes[file_format]
    kind = kind_by_name(source)
    return {"PNG": ".png", "TIFF": ".tif", "RAW": ".tif"}.get(kind, source.suffix)


def targets(
    sources: Sequence[Path],
    output: Path,
    file_format: str,
    stems: Sequence[str] | None = None,
    avoided: Collection[str] = (),
) -> list[Path]:
    """Where `write` may put these photos: one path each, no two alike, also where upper and lower case are the same.

    A file is called by its one of `stems`, by its photo's where there are none; where two would get the same name, or
    one the name of a file to be `avoided`, it becomes `name_2`.
    """
    stems = [source.stem for source in sources] if stems is None else stems
    suffixes = [suffix_for(source, file_format) for source in sources]
    wanted = [stem + suffix for stem, suffix in zip(stems, suffixes, strict=True)]
    kept_free = {name.casefold() for name in wanted}
    used = {name.casefold() for name in avoided}
    result = []
    for stem, suffix, name in zip(stems, suffixes, wanted, strict=True):
        number = 1
        while name.casefold() in used or (number > 1 and name.casefold() in kept_free):
            number += 1
            name = f"{stem}_{number}{suffix}"
        used.add(name.casefold())
        result.append(output / name)
    return result


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def _photos_of(source: Path) -> list[Path]:
    """The photos of one folder, or the one file where it is a photo."""
    if not source.exists():
        raise UserError(f"{source} does not exist.", "", "Choose another folder or photo.")
    if not source.is_dir():
        return [source] if _is_photo(source) else []
    inside = [path for path in source.iterdir() if _is_photo(path)]
    if not inside:
        raise UserError(
            f"There is no photo in {source}.",
            "It holds no PNG, JPEG, TIFF, FITS or camera RAW file; folders inside it are not searched.",
            "Choose the folder in which the photos are.",
        )
    return inside
