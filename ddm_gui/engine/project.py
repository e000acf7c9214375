"""A project is a folder: `project.ddm`, checkpoints, the kernels' history, `psf.safetensors`, `restored/`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import ddm_gui
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Stage
from ddm_gui.engine.files import previous, write_aside
from ddm_gui.engine.photos.photo import find_photos
from ddm_gui.engine.settings import Scope, Settings

FORMAT_VERSION = 1
LARGEST_FILE = 1 << 20  # bytes of project.ddm: it holds paths and settings, nothing large
NAME = "project.ddm"


class StageState(StrEnum):
    """How far a step is, as its checkpoint says."""

    ABSENT = "absent"  # nothing computed yet
    PARTIAL = "partial"  # stopped on the way: it can go on
    DONE = "done"
    STALE = "stale"  # computed from other photos or settings than those of now


@dataclass(frozen=True)
class Project:
    """Where a person's work lives: the sources (folders or single photos) and the settings, and the files beside.

    Paths in `project.ddm` are written relative to it where source and project share a drive, so that a folder with
    both can be moved. `recipe` says how its photos are restored, as `Recipe.content` gives it; empty: nobody chose.
    """

    root: Path
    clean: tuple[Path, ...]
    degraded: tuple[Path, ...]
    settings: Settings
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The file that one double-clicks."""
        return self.root / NAME

    @property
    def flow_checkpoint(self) -> Path:
        """Step 1: networks, optimiser, position in the run."""
        return self.root / "checkpoints" / "flow.safetensors"

    @property
    def clean_checkpoint(self) -> Path:
        """The first part of step 1, on clean patches. It is kept: its network knows clean photos."""
        return self.root / "checkpoints" / "clean.safetensors"

    @property
    def kernels_checkpoint(self) -> Path:
        """Step 2: kernel, auxiliary network, optimisers, position in the run."""
        return self.root / "checkpoints" / "kernels.safetensors"

    @property
    def history(self) -> Path:
        """Kernel snapshots of step 2."""
        return self.root / "history.safetensors"

    @property
    def psf(self) -> Path:
        """What was learned; copied out, it serves any other photos."""
        return self.root / "psf.safetensors"

    @property
    def restored(self) -> Path:
        """Restored photos, unless another folder is chosen."""
        return self.root / "restored"

    def checkpoint(self, stage: Stage) -> Path:
        """Of what is learned, step by step."""
        return {
            Stage.PRETRAIN: self.clean_checkpoint,
            Stage.FLOW: self.flow_checkpoint,
            Stage.KERNELS: self.kernels_checkpoint,
        }[stage]

    def stages(self) -> tuple[Stage, ...]:
        """What is learned with these settings, in order."""
        if self.settings.images_pretrain > 0:
            return (Stage.PRETRAIN, Stage.FLOW, Stage.KERNELS)
        return (Stage.FLOW, Stage.KERNELS)

    def fingerprint(self, stage: Stage) -> dict[str, Any]:
        """All that the result of a step depends on: its settings, and its photos by name, size and date.

        Raises:
            UserError: a source is missing or empty.
        """
        scopes = {Scope.FLOW, Scope.KERNELS} if stage is Stage.KERNELS else {Scope.FLOW}
        result: dict[str, Any] = {
            item.name: getattr(self.settings, item.name)
            for item in fields(self.settings)
            if item.metadata["scope"] in scopes and not (stage is Stage.PRETRAIN and item.name == "images_flow")
        }
        result["degraded"] = described(find_photos(self.degraded))  # clean patches, too, are whitened by their spectrum
        if stage is Stage.KERNELS or self.settings.images_pretrain > 0:
            result["clean"] = described(find_photos(self.clean))
            result |= {name: getattr(self.settings, name) for name in ("clean_region", "clean_aperture")}
        return result

    def changes_since(self, stage: Stage) -> list[str]:
        """What differs between now and when the checkpoint of a step was made: names of settings, or of a source."""
        about = checkpoint_notes(self.checkpoint(stage))
        if about is None:
            return []
        now, then = self.fingerprint(stage), about.get("fingerprint", {})
        return [name for name in now if now[name] != then.get(name)]

    def stage_states(self) -> dict[Stage, StageState]:
        """The state of all that is learned; step 2 is stale with step 1.

        Raises:
            UserError: a source is missing or empty.
        """
        return {stage: self._state(stage) for stage in self.stages()}

    def _state(self, stage: Stage) -> StageState:
        about = checkpoint_notes(self.checkpoint(stage))
        if about is None:
            return StageState.ABSENT
        if self.changes_since(stage):
            return StageState.STALE
        return StageState.DONE if about.get("update") == about.get("updates") else StageState.PARTIAL

    def with_settings(self, settings: Settings) -> Project:
        """The same project with other settings."""
        return replace(self, settings=settings)

    def with_recipe(self, recipe: Mapping[str, Any]) -> Project:
        """The same project with another recipe."""
        return replace(self, recipe=recipe)

    def save(self) -> None:
        """Writes `project.ddm`, making the folder where it is missing.

        Raises:
            UserError: the folder cannot be written.
        """
        content = {
            "format_version": FORMAT_VERSION,
            "program": {"name": "ddm_gui", "version": ddm_gui.__version__},
            "clean": [_portable(path, self.root) for path in self.clean],
            "degraded": [_portable(path, self.root) for path in self.degraded],
            "settings": asdict(self.settings),
            "recipe": dict(self.recipe),
        }
        try:
            self.flow_checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_aside(self.file, json.dumps(content, indent=2, ensure_ascii=False).encode())
        except OSError as error:
            raise UserError(
                f"The project folder {self.root} cannot be written.", f"{error}.", "Choose another folder."
            ) from error

    @classmethod
    def open(cls, path: Path) -> Project:
        """Opens a project folder or its `project.ddm`.

        Raises:
            UserError: there is none, it is damaged, or it is newer than this program.
        """
        file = path / NAME if path.is_dir() else path
        if not file.is_file():
            raise UserError(f"There is no project at {path}.", f"{file.name} is missing.", "Choose a project folder.")
        try:
            if file.stat().st_size > LARGEST_FILE:
                raise ValueError("it is larger than any project file")
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            version = int(content["format_version"])
            root = file.parent
            clean = tuple(_resolved(item, root) for item in content["clean"])
            degraded = tuple(_resolved(item, root) for item in content["degraded"])
            changes, recipe = dict(content["settings"]), content.get("recipe", {})
            if not isinstance(recipe, dict):
                raise TypeError(f"a recipe must hold names, not be {recipe!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{file} is not a project file that can be read.", f"Reading it failed: {error}.", "Choose another."
            ) from error
        if version > FORMAT_VERSION:
            raise UserError(
                f"{file} was written by a newer version of this program.",
                f"Its format version is {version}; this program knows versions up to {FORMAT_VERSION}.",
                "Update the program.",
            )
        return cls(root, clean, degraded, Settings().with_changes(changes), recipe)


def _portable(path: Path, root: Path) -> str:
    """A path as `project.ddm` holds it: relative to the project where there is a way, with forward slashes."""
    try:
        return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()


def _resolved(text: Any, root: Path) -> Path:
    """The absolute path that `_portable` stands for."""
    if not isinstance(text, str):
        raise TypeError(f"a path must be a string, not {text!r}")
    return Path(os.path.normpath(root.resolve() / text))


def checkpoint_notes(path: Path) -> Mapping[str, Any] | None:
    """The JSON of the checkpoint that a run would go on from, read without its tensors: of the one before it where it
    is damaged or missing. None where there is none that can be read.
    """
    for candidate in (path, previous(path)):
        if not candidate.is_file():
            continue
        try:
            with safe_open(candidate, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["ddm"])
        except (SafetensorError, KeyError, ValueError):
            continue  # it is reported, where nothing else is there, when it is loaded
        if isinstance(about, dict):
            return about
    return None


def described(photos: list[Path]) -> list[list[Any]]:
    """Name, size in bytes and time of change of each file, as JSON holds them."""
    return [[photo.name, photo.stat().st_size, photo.stat().st_mtime_ns] for photo in photos]
