"""What files made of photos are called: a template with fields, filled in for each photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Formatter

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.shot import Shot, read_shot

OWN_NAME = "{stem}"
FIELDS = {
    "stem": "the photo's own name",
    "lens": "its lens",
    "date": "the day on which it was taken",
    "n": "its number among the photos",
}
UNKNOWN_LENS, UNDATED = "unknown lens", "undated"
FORBIDDEN = frozenset('<>:"/\\|?*')  # on Windows; of these / also elsewhere, and : on some disks of macOS
RESERVED = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)})


def check_template(template: str) -> None:
    """Looks whether files can be called so, on any system.

    Raises:
        UserError: the template is empty or begins with a dot, has a field that does not exist or a brace too many, or
            a character that file names cannot hold.
    """
    _parts(template)


def stems(sources: Sequence[Path], template: str = OWN_NAME) -> list[str]:
    """The names of the files that these photos become, without an ending; two may be the same.

    Photos are numbered from 1, with as many digits as the last one needs. What a photo does not tell is called
    'unknown lens' and 'undated'; in the name of a lens '-' stands for what file names cannot hold.

    Raises:
        UserError: as from `check_template`.
    """
    parts = _parts(template)
    told_by_file = {"lens", "date"} & {field for _, field in parts}
    digits = len(str(len(sources)))
    return [
        _filled(parts, source, f"{number:0{digits}}", read_shot(source) if told_by_file else Shot())
        for number, source in enumerate(sources, start=1)
    ]


def _parts(template: str) -> list[tuple[str, str]]:
    """Literal text and the field behind it ('' at the end), one pair after another."""
    todo = f"The fields are {', '.join(f'{{{name}}}' for name in FIELDS)}."
    if not template.strip():
        raise UserError("The files have no name.", "", todo)
    if template.startswith("."):
        raise UserError("The files' name begins with a dot.", "Such files are hidden.", "Begin with something else.")
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"The name {template} has a brace too many or too few.", "", todo) from error
    parts = []
    for text, field, how, conversion in pieces:
        wrong = next((letter for letter in text if letter in FORBIDDEN or not letter.isprintable()), None)
        if wrong is not None:
            raise UserError(f"The files' name cannot hold {wrong}", "Not every system allows that.", "Leave it out.")
        if field is not None and (field not in FIELDS or how or conversion):
            asked = field + (f"!{conversion}" if conversion else "") + (f":{how}" if how else "")
            raise UserError(f"There is no field {{{asked}}} for the files' name.", "", todo)
        parts.append((text, field or ""))
    return parts


def _filled(parts: Sequence[tuple[str, str]], source: Path, number: str, shot: Shot) -> str:
    values = {
        "stem": source.stem,  # a file is called so already
        "lens": _clean(shot.lens or UNKNOWN_LENS),
        "date": shot.day or UNDATED,
        "n": number,
        "": "",
    }
    name = "".join(text + values[field] for text, field in parts)
    reserved = name.split(".")[0].casefold() in RESERVED
    return f"{name}_" if reserved and name != source.stem else name


def _clean(name: str) -> str:
    return "".join("-" if letter in FORBIDDEN else letter for letter in name)
