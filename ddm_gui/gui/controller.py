"""The current project and at most one run: commands in, signals out. It knows no view."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRect, QTimer, Signal, Slot

from ddm_gui.engine import events
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, PhotoSkipped, Result, Stage
from ddm_gui.engine.history import History
from ddm_gui.engine.history import read as read_history
from ddm_gui.engine.lock import locked
from ddm_gui.engine.photos.photo import LIMIT, SizeLimit, allow, largest_megapixels
from ddm_gui.engine.presets import EVERY_PHOTO, PRESETS, with_preset
from ddm_gui.engine.project import NAME, Project, StageState
from ddm_gui.engine.restore.denoiser_files import file_named
from ddm_gui.engine.restore.output import Output, Planned
from ddm_gui.engine.restore.recipe import Recipe, default_recipe
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.gui.learning.devices import Choice, DeviceSearch
from ddm_gui.gui.learning.estimates import Estimates
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.lens.lenses import Lenses
from ddm_gui.gui.limits import Limits, keep_limits, kept_limits
from ddm_gui.gui.log import write_bug
from ddm_gui.gui.photos.photo_sets import PhotoSets
from ddm_gui.gui.photos.sources import Found, Role
from ddm_gui.gui.photos.thumbnails import Thumbnails
from ddm_gui.gui.places import default_project_folder
from ddm_gui.gui.restoring.contest import Contest, Ground
from ddm_gui.gui.restoring.export_plans import ExportPlans
from ddm_gui.gui.runs import Demo, Export, Learn, LearnDenoiser
from ddm_gui.gui.state import Phase, Situation, Task, failed_stage
from ddm_gui.gui.viewer.areas import middle
from ddm_gui.gui.viewer.previews import Previews
from ddm_gui.gui.worker import Completed, Failed, Outcome, Run, Worker

SHOOT_OUT = 512 * 512  # pixels of a photo at most, on which restorers are compared
KEPT_AFTER = 1000  # ms without a change, after which a recipe is saved
DEMO_PROJECT = "project"  # in the folder of a demo


@dataclass(frozen=True)
class Trouble:
    """What a dialog has to say: three sentences, and the log where it was the program's fault."""

    what: str
    why: str
    todo: str
    log: Path | None = None


@dataclass(frozen=True)
class Report:
    """How a run ended."""

    task: Task
    outcome: Outcome
    skipped: tuple[PhotoSkipped, ...]
    written: int
    result: Result | None
    output: Path | None


@dataclass(frozen=True, eq=False)
class _Paused:
    """A run that waits while photos are exported, and what the situation said of it."""

    worker: Worker
    task: Task
    stage: Stage | None
    skipped: list[PhotoSkipped]


class Controller(QObject):
    """Commands are plain methods, called in the window's thread; each change is told by a signal."""

    situation_changed = Signal(object)  # Situation, after each change of it
    settings_changed = Signal(object)  # Settings, also when a project was opened
    recipe_changed = Signal(object)  # Recipe, also when a project was opened
    folder_changed = Signal(object)  # Path of the project, None before there is one
    devices_found = Signal(object)  # tuple of Choice, once
    happened = Signal(object)  # each Event of the run, in order
    learning_began = Signal(object)  # the Stage from which a run learns anew, None where it goes on
    history_read = Signal(
        object, object
    )  # History of a project that was opened or has run; its result, a PsfGrid, or None
    run_ended = Signal(object)  # Report, once per run
    troubled = Signal(object)  # Trouble
    ready_to_close = Signal()  # after `close_soon`, when nothing is left to save

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._situation = Situation()
        self._settings = Settings()
        self._limits = kept_limits()
        if LIMIT not in os.environ:  # which, where it was set, was set for this time
            allow(self._limits.size.largest_photo)
        self._recipe: Recipe | None = None  # that somebody chose
        self._keeping = QTimer(self)
        self._keeping.setSingleShot(True)
        self._keeping.setInterval(KEPT_AFTER)
        self._keeping.timeout.connect(self._keep_recipe)
        self._root: Path | None = None
        self._root_chosen = False  # by the person; else it follows the name of the degraded photos
        self._psf: PsfGrid | None = None
        self._looked_at: PsfGrid | None = None
        self._in_view: Path | None = None
        self._worker: Worker | None = None
        self._paused: _Paused | None = None
        self._search: DeviceSearch | None = None
        self._shut_down = False
        self._skipped: list[PhotoSkipped] = []
        self._written = 0
        self._result: Result | None = None
        self._output: Path | None = None
        self._demo: Path | None = None
        self.sets = PhotoSets(self)
        self.sets.looked_for.connect(self._photos_looked_for)
        self.sets.found.connect(self._photos_found)
        self.sets.refused.connect(self._tell)
        self.lenses = Lenses(self)
        self.lenses.opened.connect(self._lens_opened)
        self.lenses.refused.connect(self._tell)
        self.thumbnails = Thumbnails(self)
        self.export_plans = ExportPlans(self)
        self.previews = Previews(self)
        self.contest = Contest(self)
        self.contest.ended.connect(self._contest_ended)
        self.estimates = Estimates(self)
        self.settings_changed.connect(self._wish_estimates)

    @property
    def situation(self) -> Situation:
        """All that decides what the window offers."""
        return self._situation

    @property
    def settings(self) -> Settings:
        """The settings of the next run."""
        return self._settings

    @property
    def recipe(self) -> Recipe:
        """How photos are restored: as somebody chose, for this project; else as `default_recipe` says."""
        if self._recipe is not None:
            return self._recipe
        return default_recipe(self._settings.light if self.psf is None else self.psf.light)

    @property
    def limits(self) -> Limits:
        """What photos may ask of this machine; of their size it may be said elsewhere (see `LIMIT`)."""
        with suppress(UserError):  # which is told where photos are read
            return replace(self._limits, size=SizeLimit(largest_megapixels()))
        return self._limits

    @property
    def folder(self) -> Path | None:
        """Where the project is or will be."""
        return self._root

    @property
    def psf(self) -> PsfGrid | None:
        """What photos are restored with: the lens that was opened, or the kernel of the moment."""
        return self.lenses.in_use.psf if self.lenses.in_use is not None else self._psf

    # Sources, settings, project

    def set_sources(self, role: Role, sources: Sequence[Path]) -> None:
        """Takes folders or single photos as one of the two sets; what they hold is told by the signals of `sets`."""
        self._leave_project()
        self.sets.look_through(role, tuple(sources))
        self._suggest_folder()

    def swap_sources(self) -> None:
        """Clean photos become the degraded ones, and the other way round."""
        clean, degraded = self.sets[Role.CLEAN], self.sets[Role.DEGRADED]
        self._leave_project()
        self.sets.replace(Role.CLEAN, degraded)
        self.sets.replace(Role.DEGRADED, clean)
        self._suggest_folder()

    def set_settings(self, settings: Settings) -> None:
        """Settings for the next run; a stage that they make stale is marked at once."""
        if settings != self._settings:
            self._settings = settings
            self.settings_changed.emit(settings)
            self._look_at_stages()

    def set_recipe(self, recipe: Recipe) -> None:
        """How photos are restored from now on; a project keeps it."""
        if recipe != self.recipe:
            self._recipe = recipe
            self.recipe_changed.emit(recipe)
            self._keeping.start()
            self._preview()

    def set_limits(self, limits: Limits) -> None:
        """What photos may ask of this machine from now on, and the next time; where photos were left out, they are
        looked for again."""
        keep_limits(limits)
        self._limits = limits
        allow(limits.size.largest_photo)
        for role in Role:
            if self.sets[role].problems:
                self.sets.look_through(role, self.sets[role].sources)
        self._preview()

    def choose_folder(self, folder: Path) -> None:
        """Puts the project elsewhere; a folder that holds a project already is opened instead."""
        if (folder / NAME).is_file():
            self.open_project(folder)
            return
        self._root, self._root_chosen = folder, True
        self.folder_changed.emit(folder)
        self._look_at_stages()

    def new_project(self) -> None:
        """Empties the window; what was learned stays on the disk."""
        self._leave_project(always=True)
        for role in Role:
            self.sets.replace(role, Found())
        self._suggest_folder()

    def open_project(self, path: Path) -> None:
        """Shows a project from the disk."""
        try:
            project = Project.open(path)
        except UserError as error:
            self._tell(error)
            return
        self._leave_project(always=True)
        self._root = project.root
        self._open_recipe(project)
        self._settings = project.settings
        self.settings_changed.emit(project.settings)
        self.folder_changed.emit(project.root)
        self.sets.look_through(Role.CLEAN, project.clean)
        self.sets.look_through(Role.DEGRADED, project.degraded)
        self._look_at_stages()
        self._load_kernel(project)

    # The run

    def start(self) -> None:
        """Learns, or goes on: from a pause, or from what an earlier run has kept."""
        if self._worker is not None:
            self._worker.resume()
        else:
            self._learn(only=None, again=False)

    def learn_flow(self) -> None:
        """Step 1 alone."""
        self._learn(only=Stage.FLOW, again=False)

    def learn_again(self) -> None:
        """Step 2 anew, on the step 1 that is there."""
        self._learn(only=Stage.KERNELS, again=True)

    def try_demo(self) -> None:
        """Builds the demo's photos in a folder of their own, and learns their blur."""
        self._leave_project(always=True)
        self._root = default_project_folder("Demo", date.today())
        self._demo = self._root
        self.folder_changed.emit(self._root)
        self._settings = self._settings.with_changes(PRESETS["glance"] | EVERY_PHOTO)
        self.settings_changed.emit(self._settings)
        for role in Role:
            self.sets.replace(role, Found())
        self._look_at_stages()
        self.learning_began.emit(Stage.FLOW)
        self._run(Task.DEMO, Demo(self._root, self._settings))

    def learn_denoiser(self, name: str, minutes: float) -> None:
        """Learns from the clean photos what photos look like, or goes on with that; it is kept for all projects."""
        try:
            target, settings = file_named(name), DenoiserSettings.beside(self._settings, minutes)
        except UserError as error:
            self._tell(error)
            return
        self._run(Task.DENOISER, LearnDenoiser(self.sets[Role.CLEAN].sources, target, settings))

    def export(self, plan: tuple[Planned, ...], output: Output) -> None:
        """Restores photos into files, with the kernel of the moment; a run that is paused waits."""
        psf = self.psf
        if psf is not None:
            self._output = output.folder
            self._set_aside()
            self._run(Task.EXPORT, Export(plan, output, psf, self.recipe, self._settings.device, self._limits.budget))

    def pause(self) -> None:
        """Saves a checkpoint and gives the memory back."""
        if self._worker is not None:
            self._worker.pause()

    def stop(self) -> None:
        """Saves a checkpoint and ends the run."""
        if self._worker is not None:
            self._worker.stop()

    # A lens of its own

    def compare_lens(self, path: Path) -> None:
        """Puts the lens of a file beside the one in view."""
        if self.psf is not None:
            self.lenses.compare(path, self.psf)

    def save_lens(self, path: Path) -> None:
        """Writes the lens that photos are restored with: by the file's ending as a page, or for programs."""
        psf = self.psf
        if psf is not None:
            project = self._root.name if self._root is not None else ""
            title = self.lenses.in_use.name if self.lenses.in_use is not None else project
            self.lenses.save(psf, path, title or path.stem)

    # What is looked at

    def view(self, path: Path | None) -> None:
        """The photo in view; its pictures are told by the signals of `previews`."""
        self._in_view = path
        self._preview()

    def look_back(self, kernels: NDArray[np.float32] | None) -> None:
        """Restores the photo in view with kernels of an earlier moment; None: with those of this moment."""
        sigma = self._psf.noise_sigma if self._psf is not None else None
        light = self._psf.light if self._psf is not None else self._settings.light
        self._looked_at = PsfGrid(kernels, sigma, light) if kernels is not None else None
        self._preview()

    def shoot_out(self, restorers: Sequence[Restorer], seen: QRect) -> Ground | None:
        """Tries restorers on what is seen of the photo in view, or on the middle of that where it is large; what comes
        of it is told by the signals of `contest`. None where there is no photo, or no kernel."""
        before, psf = self.previews.before, self._looked_at or self.psf
        if before is None or psf is None:
            return None
        whole = QRect(0, 0, before.picture.width, before.picture.height)
        area, strength = middle(seen, SHOOT_OUT, whole), self.recipe.strength
        ground = Ground(before, area, psf, strength, self._settings.device, self._limits.budget)
        self.go_on_shooting(ground, restorers)
        return ground

    def go_on_shooting(self, ground: Ground, restorers: Sequence[Restorer]) -> None:
        """More restorers on the part of before."""
        self.contest.begin(ground, restorers)
        self.previews.hold(True)

    # The machine, and the end

    def find_devices(self) -> None:
        """Loads torch and tests the devices, beside the window."""
        if self._search is None and not self._shut_down:
            self._search = DeviceSearch(self)
            self._search.found.connect(self._devices_arrived)
            self._search.failed.connect(self._device_search_failed)
            self._search.start()

    def close_soon(self) -> None:
        """Stops the run, if there is one, and tells when nothing is left to save."""
        self._keep_soon()
        self._set(closing=True)
        if self._worker is None:
            self.ready_to_close.emit()
        else:
            self._worker.stop()

    def shut_down(self) -> None:
        """Ends all threads, for good. Call it once, when no run is left."""
        self._shut_down = True
        if self._search is not None:
            self._search.wait()
        self._keeping.stop()
        self.previews.close()
        self.contest.close()
        self.estimates.close()
        self.thumbnails.close()
        self.sets.close()
        self.lenses.shut_down()
        self.export_plans.close()

    # Inside

    def _set(self, **changes: object) -> None:
        now = replace(self._situation, **changes)  # type: ignore[arg-type]
        if now != self._situation:
            self._situation = now
            self.situation_changed.emit(now)

    def _project(self) -> Project | None:
        """The project as it would be saved now; None while a set or the folder is missing."""
        clean, degraded = self.sets[Role.CLEAN].sources, self.sets[Role.DEGRADED].sources
        if self._root is None or not clean or not degraded:
            return None
        recipe = {} if self._recipe is None else self._recipe.content()
        return Project(self._root, clean, degraded, self._settings, recipe)

    def _leave_project(self, *, always: bool = False) -> None:
        """Other photos are another project: what was learned before is not shown as theirs."""
        self._keep_soon()
        saved = self._root is not None and (self._root / NAME).is_file()
        if not (saved or self._root_chosen):
            self._root = None
        if always:
            self.lenses.close()
        if always or saved or self._demo is not None:
            self._root = None
            self._root_chosen = False
            self._demo = None
            self._psf = None
            self._looked_at = None
            self.learning_began.emit(Stage.FLOW)
            self.lenses.end_comparison()
            self._set(has_kernel=False, failed=None, flow=StageState.ABSENT, kernels=StageState.ABSENT)

    def _open_recipe(self, project: Project) -> None:
        """The recipe of a project; where it is damaged that is told, and photos are restored as in a new one."""
        try:
            self._recipe = Recipe.of(project.recipe) if project.recipe else None
        except UserError as error:
            self._recipe = None
            self._tell(error)
        self.recipe_changed.emit(self.recipe)

    def _keep_soon(self) -> None:
        """A change that waits to be saved is saved now."""
        if self._keeping.isActive():
            self._keeping.stop()
            self._keep_recipe()

    @Slot()
    def _keep_recipe(self) -> None:
        """Writes the recipe, and nothing else, into a project that is on the disk; after a run that works there."""
        if self._recipe is None or self._root is None or self._worker is not None:
            return
        if not (self._root / NAME).is_file():
            return
        try:
            with locked(self._root):
                project = Project.open(self._root)
                if project.recipe != self._recipe.content():
                    project.with_recipe(self._recipe.content()).save()
        except UserError as error:
            self._tell(error)

    @Slot()
    def _contest_ended(self) -> None:
        self.previews.hold(False)

    @Slot(object)
    def _lens_opened(self, lens: Lens | None) -> None:
        self._looked_at = None
        self.recipe_changed.emit(self.recipe)
        self._set(opened=lens.name if lens is not None else "")
        self._preview()

    @Slot(object)
    def _photos_looked_for(self, role: Role) -> None:
        self._set(**{role.value: None})

    @Slot(object, object)
    def _photos_found(self, role: Role, found: Found) -> None:
        self._set(**{role.value: len(found.photos)})

    def _suggest_folder(self) -> None:
        """A default place, named after the degraded photos, until the person chooses another."""
        degraded = self.sets[Role.DEGRADED].sources
        if self._root is None and degraded:
            first = degraded[0]
            self._root = default_project_folder(first.name if first.is_dir() else first.parent.name, date.today())
        elif not degraded and not self.sets[Role.CLEAN].sources:
            self._root = None
        self.folder_changed.emit(self._root)
        self._look_at_stages()

    def _look_at_stages(self) -> None:
        """What the disk keeps of each step, under the settings of now."""
        project = self._project()
        if project is None or not project.file.is_file():
            self._set(flow=StageState.ABSENT, kernels=StageState.ABSENT)
            return
        try:
            states = project.stage_states()
        except UserError:  # a source is gone: its zone says so, and a run would refuse it
            states = dict.fromkeys(Stage, StageState.STALE)
        self._set(flow=states[Stage.FLOW], kernels=states[Stage.KERNELS])

    def _load_kernel(self, project: Project) -> None:
        """The kernel and its history, where the project has them: of a step 2 that can go on, the newest so far."""
        try:
            if project.psf.is_file():
                self._psf = PsfGrid.load(project.psf)
            history = read_history(project.history)
            if len(history) and (self._psf is None or self._situation.kernels is StageState.PARTIAL):
                self._psf = PsfGrid(history.kernels[-1], float(history.noise_sigma[-1]), project.settings.light)
            self._tell_history(history)
        except UserError as error:
            self._tell(error)
        self._set(has_kernel=self._psf is not None)
        self._preview()

    def _tell_history(self, history: History) -> None:
        """The moments of step 2; behind them, where it is finished, its result: the mean of its last rounds."""
        finished = self._situation.kernels in (StageState.DONE, StageState.STALE)
        result = self._psf if finished else None
        if len(history) or result is not None:
            self.history_read.emit(history, result)

    def _learn(self, *, only: Stage | None, again: bool) -> None:
        project = self._project()
        if project is None or self._worker is not None:
            return
        try:
            with locked(project.root):  # a project in which another run is at work is left as it is
                project.save()
        except UserError as error:
            self._tell(error)
            return
        self._look_at_stages()
        kept = (StageState.PARTIAL, StageState.DONE)
        if self._situation.flow not in kept:
            self.learning_began.emit(Stage.FLOW)
        elif again or self._situation.kernels not in kept:
            self.learning_began.emit(Stage.KERNELS)
        else:
            self.learning_began.emit(None)
        self.lenses.close()
        self._looked_at = None
        if again:
            self._set(kernels=StageState.ABSENT)
        self._run(Task.LEARN, Learn(project, only, again))

    def _set_aside(self) -> None:
        """A paused run sleeps in its thread until `_take_up`."""
        now = self._situation
        if self._worker is not None and now.phase is Phase.PAUSED and now.task is not None:
            self._paused = _Paused(self._worker, now.task, now.active, self._skipped)
            self._worker = None
            self._set(waiting=now.active)

    def _take_up(self) -> None:
        """The run that was set aside is the run of the moment again, paused as it was."""
        paused, self._paused = self._paused, None
        if paused is not None:
            self._worker, self._skipped = paused.worker, paused.skipped
            self._set(phase=Phase.PAUSED, task=paused.task, active=paused.stage, waiting=None)

    def _run(self, task: Task, run: Run) -> None:
        if self._worker is not None:
            return
        self._skipped, self._written, self._result = [], 0, None
        self._worker = Worker(run, self)
        self._worker.happened.connect(self._event_arrived)
        self._worker.phase_changed.connect(self._phase_changed)
        self._worker.ended.connect(self._worker_ended)
        self._set(task=task, active=None, failed=None)
        self.previews.spare(True)
        self.estimates.spare(True)
        self._worker.begin()

    @Slot()
    def _phase_changed(self) -> None:
        if self._worker is not None and self._worker.phase is not Phase.IDLE:
            self._set(phase=self._worker.phase)

    @Slot(object)
    def _event_arrived(self, event: Event) -> None:
        match event:
            case events.StageStarted(stage=stage):
                self._set(active=Stage.FLOW if stage is Stage.PRETRAIN else stage)  # a part of step 1, on its card
                self._show_demo_set()
            case events.StageDone(stage=Stage.FLOW):
                self._set(flow=StageState.DONE)
            case events.StageDone(stage=Stage.KERNELS):
                self._set(kernels=StageState.DONE, active=None)
            case events.KernelSnapshot(kernels=kernels, noise_sigma=sigma):
                self._psf = PsfGrid(kernels, sigma, self._settings.light)
                self._set(has_kernel=True)
                self._preview()
            case events.PhotoSkipped():
                if event not in self._skipped:  # a run that goes on reads the photos again
                    self._skipped.append(event)
            case events.PhotoRestored():
                self._written += 1
            case events.Result():
                self._result = event
        self.happened.emit(event)

    @Slot(object)
    def _worker_ended(self, outcome: Outcome) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.wait()
            worker.deleteLater()
        task = self._situation.task or Task.LEARN
        failed = failed_stage(self._situation) if isinstance(outcome, Failed) else None
        if isinstance(outcome, Completed) and isinstance(outcome.result, PsfGrid):
            self._psf = outcome.result
        self._set(phase=Phase.IDLE, active=None, task=None, has_kernel=self._psf is not None)
        if task in (Task.LEARN, Task.DEMO):
            self._settle(failed)
        self.recipe_changed.emit(self.recipe)  # it may have been a denoiser's run, or a first kernel
        report = Report(task, outcome, tuple(self._skipped), self._written, self._result, self._output)
        self._take_up()
        self.previews.spare(False)
        self.estimates.spare(self._worker is not None)
        self._keep_recipe()
        self._preview()
        if isinstance(outcome, Failed):
            self._tell(outcome.error)
        self.run_ended.emit(report)
        if self._situation.closing and isinstance(outcome, Failed):
            self._set(closing=False)  # what could not be saved is told first; the person may close again
        elif self._situation.closing and self._worker is not None:
            self._worker.stop()  # the one that was paused
        elif self._situation.closing:
            self.ready_to_close.emit()

    def _settle(self, failed: Stage | None) -> None:
        """After learning, however it ended: what the disk keeps now."""
        self._look_at_stages()
        self._set(failed=failed)
        project = self._project()
        if project is None:
            return
        try:
            self._tell_history(read_history(project.history))
        except UserError as error:
            self._tell(error)

    def _show_demo_set(self) -> None:
        """Once the demo has made its photos, they are shown as if they had been dropped."""
        if self._demo is None or self.sets[Role.DEGRADED].sources:
            return
        self._root = self._demo / DEMO_PROJECT
        self.folder_changed.emit(self._root)
        photos = KnownSet(self._demo)
        self.sets.look_through(Role.CLEAN, (photos.clean,))
        self.sets.look_through(Role.DEGRADED, (photos.degraded,))

    def _preview(self) -> None:
        psf, device, budget = self._looked_at or self.psf, self._settings.device, self._limits.budget
        self.previews.show(self._in_view, psf, self.recipe, device, budget)

    @Slot()
    def _wish_estimates(self) -> None:
        """The times of the settings of now, first, and of these with each preset's effort."""
        self.estimates.wish([self._settings, *(with_preset(self._settings, name) for name in PRESETS)])

    @Slot(object)
    def _devices_arrived(self, choices: tuple[Choice, ...]) -> None:
        self.devices_found.emit(choices)
        self._set(device_known=True)
        self._wish_estimates()
        self.estimates.spare(self._worker is not None)

    @Slot(object)
    def _device_search_failed(self, error: Exception) -> None:
        self._tell(error)
        self._devices_arrived((Choice("cpu", "Processor (CPU)", True, ""),))

    @Slot(object)
    def _tell(self, error: Exception) -> None:
        """A sentence for the person; where it was the program's fault, the traceback goes to the log."""
        if isinstance(error, UserError):
            self.troubled.emit(Trouble(error.what, error.why, error.todo))
            return
        log = write_bug(error)
        why = f"{type(error).__name__}: {error}"
        todo = "What was saved before is kept. If it happens again, send the log to the people who make the program."
        self.troubled.emit(Trouble("Something went wrong inside the program.", why, todo, log))
