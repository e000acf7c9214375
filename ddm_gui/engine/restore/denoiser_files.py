"""Denoisers of one's own: what their files say of them, where they are kept, and which of them is the default.

Without torch: the window asks, too. `learned_denoiser` knows the tensors in such a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
from safetensors import SafetensorError, safe_open

import ddm_gui
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import DenoiserMeasures

FORMAT_VERSION = 1
KIND = "denoiser"
ENDING = ".safetensors"
ELSEWHERE = "DDM_DENOISERS"  # an environment variable: a folder in place of the person's own


@dataclass(frozen=True)
class DenoiserAbout:
    """What a denoiser's file says of it.

    `channels`: of the photos it was learned from, 1 or 3; `settings`: by which, its network and its range of noise
    among them; `sources`: the folders or photos; `fingerprint`: of all that it depends on; `created`: date and time
    (UTC, ISO 8601); `measures`: None before it is measured.
    """

    channels: int
    settings: DenoiserSettings
    sources: tuple[str, ...]
    fingerprint: Mapping[str, Any]
    created: str
    measures: DenoiserMeasures | None = None

    def to_json(self) -> str:
        """As it stands in the file's metadata under the key `ddm`."""
        program = {"name": "ddm_gui", "version": ddm_gui.__version__}
        return json.dumps({"kind": KIND, "format_version": FORMAT_VERSION, "program": program, **asdict(self)})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DenoiserAbout:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, UserError: it is something else.
        """
        measures = content["measures"]
        about = cls(
            int(content["channels"]),
            DenoiserSettings(**content["settings"]),
            tuple(str(source) for source in content["sources"]),
            dict(content["fingerprint"]),
            str(content["created"]),
            None if measures is None else DenoiserMeasures(**measures),
        )
        if about.channels not in (1, 3):
            raise ValueError(f"it knows photos of {about.channels} colours")
        return about


@dataclass(frozen=True)
class KeptDenoiser:
    """A denoiser of one's own: its file, and what that says."""

    path: Path
    about: DenoiserAbout

    @property
    def name(self) -> str:
        """By which `--denoiser` finds it."""
        return self.path.stem


def read_about(path: Path) -> DenoiserAbout | None:
    """What a file says of the denoiser in it; None for one that is not of this program (other weights).

    Raises:
        UserError: it is one of this program's, and damaged, or newer than this program.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            content = json.loads((file.metadata() or {}).get("ddm", "{}"))
    except (SafetensorError, OSError, ValueError):
        return None  # whoever reads its tensors says what is wrong with it
    if not isinstance(content, dict) or content.get("kind") != KIND:
        return None
    try:
        version = int(content["format_version"])
        if version <= FORMAT_VERSION:
            return DenoiserAbout.from_json(content)
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(
            f"The denoiser {path} is damaged.", f"What it says of itself cannot be read: {error}.", "Learn it again."
        ) from error
    raise UserError(
        f"{path} was written by a newer version of this program.",
        f"Its format version is {version}; this program knows versions up to {FORMAT_VERSION}.",
        "Update the program.",
    )


def folder() -> Path:
    """Where a person's denoisers are kept, for all projects: among the data of the programs that they use."""
    elsewhere = os.environ.get(ELSEWHERE)
    return Path(elsewhere) if elsewhere else platformdirs.user_data_path("ddm_gui", appauthor=False) / "denoisers"


def file_named(name: str) -> Path:
    """Where a denoiser of this name is kept, or will be.

    Raises:
        UserError: it cannot be the name of a file.
    """
    if not name.strip() or name.startswith(".") or any(letter in name for letter in '<>:"/\\|?*'):
        raise UserError(f"A denoiser cannot be called '{name}'.", "Its file has that name.", "Choose a plain word.")
    return folder() / (name + ENDING)


def find_denoiser(text: str) -> Path:
    """The file that is meant: by its path, or by the name under which it is kept.

    Raises:
        UserError: there is neither.
    """
    path = Path(text).expanduser()
    named = folder() / (text + ENDING)
    for candidate in (path, named):
        if candidate.is_file():
            return candidate
    names = ", ".join(one.name for one in kept())
    raise UserError(
        f"There are no weights at {text}.",
        f"There is no such file, and no denoiser of this name. Your own are: {names}."
        if names
        else "There is no such file, and no denoiser of your own is kept yet.",
        "Choose a file of weights, or learn a denoiser: ddm denoiser --clean DIR.",
    )


def kept() -> list[KeptDenoiser]:
    """The denoisers of one's own, the newest first. What is damaged is left out here, and refused where it is named."""
    found = []
    for path in sorted(folder().glob("*" + ENDING)):
        with suppress(UserError):
            about = read_about(path)
            if about is not None:
                found.append(KeptDenoiser(path, about))
    return sorted(found, key=lambda one: one.about.created, reverse=True)


def default_denoiser(light: str = "display") -> KeptDenoiser | None:
    """With which photos in this light are restored where nothing else is asked for: the newest of one's own that was
    measured to be better than a Wiener filter. None where there is none: then by that filter."""
    for one in kept():
        if one.about.settings.light == light and one.about.measures is not None and one.about.measures.beats_wiener:
            return one
    return None
