"""The runs that the window can start. The engine's torch modules are imported inside them, in the worker's thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.events import Event, Stage
from ddm_gui.engine.project import Project
from ddm_gui.engine.restore.output import Output, Planned
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.engine.settings import Settings
from ddm_gui.gui.viewer.restorations import device_for


@dataclass
class Learn:
    """Steps 1 and 2. Each call goes on from the checkpoints; `again` throws step 2's away, at the first call only."""

    project: Project
    only: Stage | None = None
    again: bool = False
    _called: bool = field(default=False, init=False)

    def __call__(self) -> Generator[Event, None, PsfGrid | None]:
        from ddm_gui.engine.pipeline import learn

        again = self.again and not self._called
        self._called = True
        learned = yield from learn(self.project, only=self.only, again=again)
        return learned.psf if learned is not None else None


@dataclass(frozen=True)
class Demo:
    """Builds the demo's photos in `directory`, learns their blur, restores them, and compares with the truth."""

    directory: Path
    settings: Settings

    def __call__(self) -> Generator[Event, None, PsfGrid | None]:
        from ddm_gui.engine.pipeline import demo

        learned = yield from demo(self.directory, self.settings)
        return learned.psf


@dataclass(frozen=True)
class LearnDenoiser:
    """Learns a denoiser from clean photos into a file. Each call goes on from the checkpoint beside it."""

    clean: tuple[Path, ...]
    target: Path
    settings: DenoiserSettings

    def __call__(self) -> Generator[Event, None, object]:
        from ddm_gui.engine.denoiser.run import learn_denoiser

        return (yield from learn_denoiser(self.clean, self.target, self.settings))


@dataclass(frozen=True)
class Export:
    """Restores photos into files, by a recipe, within a budget of memory; a network runs on the device of this name
    ('auto': the best)."""

    plan: tuple[Planned, ...]
    output: Output
    psf: PsfGrid
    recipe: Recipe
    device: str
    budget: Budget

    def __call__(self) -> Generator[Event, None, object]:
        from ddm_gui.engine.restore.photos import restore_planned

        device = device_for(self.recipe.restorer, self.device)
        return (yield from restore_planned(self.plan, self.output, self.psf, self.recipe, device, self.budget))
