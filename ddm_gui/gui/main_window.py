"""The window: lays the views out, and is the only place where views and the controller meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QMainWindow,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QWidget,
)

import ddm_gui
from ddm_gui.engine import events
from ddm_gui.engine.blur.psf_files import READ
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import DenoiserResult, Event, Result, Stage
from ddm_gui.engine.project import NAME
from ddm_gui.engine.restore.denoiser_files import default_denoiser, kept
from ddm_gui.engine.restore.output import Output, Planned
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.gui.controller import Controller, Report, Trouble
from ddm_gui.gui.dialogs import AboutDialog, CloseDialog, ListDialog, SavingDialog, TroubleDialog
from ddm_gui.gui.learning.project_line import ProjectLine
from ddm_gui.gui.learning.recent_menu import RecentMenu
from ddm_gui.gui.learning.result_view import ResultView
from ddm_gui.gui.learning.run_bar import RunBar
from ddm_gui.gui.learning.settings_form import SettingsForm
from ddm_gui.gui.learning.training_plots import TrainingPlots
from ddm_gui.gui.learning.welcome import Welcome
from ddm_gui.gui.lens.kernel_view import KernelView
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.lens.lens_line import LensLine
from ddm_gui.gui.lens.lens_menu import LensMenu
from ddm_gui.gui.limits_dialog import LimitsDialog
from ddm_gui.gui.log import log_file
from ddm_gui.gui.parts import action, horizontal, vertical
from ddm_gui.gui.photos.folders import Folders, dropped_paths
from ddm_gui.gui.photos.sources import Found, Role, assigned
from ddm_gui.gui.restoring.contest import Ground, News
from ddm_gui.gui.restoring.denoiser_dialog import DenoiserDialog
from ddm_gui.gui.restoring.export_dialog import ExportDialog
from ddm_gui.gui.restoring.recipe_form import RecipeForm
from ddm_gui.gui.restoring.shoot_out import ShootOut
from ddm_gui.gui.state import Phase, Situation, Task, kernel_words, shown
from ddm_gui.gui.theme import app_icon, renew_icons, style_sheet, use_scheme
from ddm_gui.gui.viewer.compare import Compare
from ddm_gui.gui.viewer.restorations import After
from ddm_gui.gui.words import duration, left_out
from ddm_gui.gui.worker import Completed, Failed, Stopped

LEFT, RIGHT = 312, 348  # widths of the side columns on a laptop
_OF_PHOTOS = (
    events.PhotoStarted,
    events.PhotoProgress,
    events.PhotoRestored,
    events.PhotoKept,
    events.PhotoSkipped,
)
SMALLEST = (1268, 640)  # at which nothing is cut off


class MainWindow(QMainWindow):
    """Opens empty. torch is loaded beside it, once it has been painted."""

    closed = Signal()  # the window is gone and all threads have ended

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("ddm_gui")
        self.setWindowIcon(app_icon())
        self.setStyleSheet(style_sheet())
        self.setAcceptDrops(True)
        self.resize(1320, 700)
        self.setMinimumSize(*SMALLEST)
        self.controller = Controller(self)
        self.folders = Folders()
        self.settings_form = SettingsForm()
        self.project_line = ProjectLine()
        self.run_bar = RunBar()
        self.lens_line = LensLine()
        self.recipe_form = RecipeForm()
        self.welcome = Welcome()
        self.compare = Compare()
        self.kernel_view = KernelView()
        self.result_view = ResultView()
        self.plots = TrainingPlots()
        self.denoiser_dialog = DenoiserDialog(self)
        self._middle = QStackedWidget()
        self._large = QWidget()  # in the middle: the photo, or the lens
        self._large_room = vertical(0, self._large)
        self._export: ExportDialog | None = None
        self._shoot_out: ShootOut | None = None
        self._ground: Ground | None = None  # of the shoot-out
        self._close_dialog: CloseDialog | None = None
        self._saving: SavingDialog | None = None
        self._may_close = False
        self._painted = False
        self._after_paint = QTimer(self)
        self._after_paint.setSingleShot(True)
        self._after_paint.setInterval(120)
        self._after_paint.timeout.connect(self.controller.find_devices)
        self._right = self._right_column()
        self._lay_out()
        self._make_menus()
        self._connect_views()
        self._connect_controller()
        self._show_situation(self.controller.situation)
        self._show_denoisers()
        self._show_recipe(self.controller.recipe)
        QApplication.styleHints().colorSchemeChanged.connect(self._follow_scheme)

    @property
    def export_dialog(self) -> ExportDialog | None:
        """The export that is open."""
        return self._export

    # Layout

    def _lay_out(self) -> None:
        self._middle.addWidget(self.welcome)
        self._middle.addWidget(self._large)
        self._large_room.addWidget(self.compare)
        centre = QWidget()
        column = vertical(10, centre)
        column.addWidget(self.run_bar)
        column.addWidget(self.lens_line)
        column.addWidget(self.recipe_form)
        column.addWidget(self._middle, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setHandleWidth(12)
        splitter.setChildrenCollapsible(False)
        for widget, stretch in ((self._left_column(), 0), (centre, 5), (self._right, 2)):
            splitter.addWidget(widget)
            splitter.setStretchFactor(splitter.indexOf(widget), stretch)
        splitter.setSizes([LEFT, 680, RIGHT])
        body = QWidget()
        layout = horizontal(0, body)
        layout.setContentsMargins(14, 10, 14, 12)
        layout.addWidget(splitter)
        self.setCentralWidget(body)

    def _left_column(self) -> QWidget:
        inside = QWidget()
        inside.setObjectName("clear")
        rows = vertical(12, inside)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.addWidget(self.folders)
        rows.addWidget(self.settings_form)
        rows.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        column = QWidget()
        column.setMinimumWidth(280)
        column.setMaximumWidth(420)
        layout = vertical(8, column)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.project_line)
        return column

    def _right_column(self) -> QWidget:
        column = QWidget()
        column.setMinimumWidth(292)
        column.setMaximumWidth(560)
        self._right_rows = vertical(10, column)
        for view, smallest in ((self.kernel_view, 230), (self.compare, 230), (self.plots, 250)):
            # Their shares of the height are fixed, whatever they show.
            view.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
            view.setMinimumHeight(smallest)
        self._right_rows.addWidget(self.kernel_view, 4)
        self._right_rows.addWidget(self.result_view)
        self._right_rows.addWidget(self.plots, 3)
        return column

    def _make_menus(self) -> None:
        for button in self.menuBar().findChildren(QToolButton):  # shows what does not fit; Qt gives it no name
            button.setAccessibleName("More menus")
        file = self.menuBar().addMenu("&File")
        self.new_action = action(file, "&New project", self.controller.new_project, QKeySequence.StandardKey.New)
        self.open_action = action(file, "&Open project…", self._ask_project, QKeySequence.StandardKey.Open)
        self.recent_menu = RecentMenu(self)
        file.addMenu(self.recent_menu)
        self.demo_action = action(file, "Try the &demo", self.controller.try_demo)
        file.addSeparator()
        self.export_action = action(file, "&Export…", self._ask_export, "Ctrl+E")
        action(file, "&Limits…", self._ask_limits)
        file.addSeparator()
        action(file, "&Quit", self.close, QKeySequence.StandardKey.Quit)
        run = self.menuBar().addMenu("&Run")
        self.start_action = action(run, "&Start", self.controller.start, "Ctrl+Return")
        self.flow_action = action(run, "Step &1 only", self.controller.learn_flow)
        self.pause_action = action(run, "&Pause", self.controller.pause, "Ctrl+P")
        self.stop_action = action(run, "S&top and keep", self.controller.stop)
        self.again_action = action(run, "&Learn the kernel again", self.controller.learn_again)
        run.addSeparator()
        self.denoiser_action = action(run, "Learn a &denoiser from the clean photos…", self._show_denoiser)
        self.lens_menu = LensMenu(self)
        self.menuBar().addMenu(self.lens_menu)
        help_menu = self.menuBar().addMenu("&Help")
        action(help_menu, "Open the &log", self._open_log)
        action(help_menu, "&About ddm_gui", self._about)

    def _connect_views(self) -> None:
        control = self.controller
        self.folders.chosen.connect(self._sources_chosen)
        self.folders.swap_wanted.connect(control.swap_sources)
        self.settings_form.changed.connect(control.set_settings)
        self.project_line.folder_chosen.connect(control.choose_folder)
        self.run_bar.start_wanted.connect(control.start)
        self.run_bar.pause_wanted.connect(control.pause)
        self.run_bar.stop_wanted.connect(control.stop)
        self.run_bar.again_wanted.connect(control.learn_again)
        self.run_bar.export_wanted.connect(self._ask_export)
        self.welcome.demo_wanted.connect(control.try_demo)
        self.welcome.open_wanted.connect(self._ask_project)
        self.compare.picked.connect(control.view)
        self.compare.thumbnails_wanted.connect(control.thumbnails.wish)
        self.compare.looked_at.connect(control.previews.look_at)
        self.compare.line.give_up_wanted.connect(control.previews.give_up)
        self.compare.line.take_up_wanted.connect(control.previews.take_up)
        self.recipe_form.changed.connect(control.set_recipe)
        self.recipe_form.shoot_out_wanted.connect(self._open_shoot_out)
        self.kernel_view.looked_back.connect(control.look_back)
        self.kernel_view.enlarge_wanted.connect(self._enlarge_lens)
        self.denoiser_dialog.learn_wanted.connect(self._learn_denoiser)
        self.denoiser_dialog.stop_wanted.connect(control.stop)
        self.recent_menu.chosen.connect(self.open_project)
        self.lens_menu.open_wanted.connect(control.lenses.open)
        self.lens_menu.close_wanted.connect(control.lenses.close)
        self.lens_menu.compare_wanted.connect(control.compare_lens)
        self.lens_menu.end_comparison_wanted.connect(control.lenses.end_comparison)
        self.lens_menu.save_wanted.connect(control.save_lens)
        self.lens_menu.enlarge_wanted.connect(self.kernel_view.enlarge_button.toggle)
        self.lens_line.close_wanted.connect(control.lenses.close)
        self.lens_line.end_comparison_wanted.connect(control.lenses.end_comparison)

    def _connect_controller(self) -> None:
        control = self.controller
        control.situation_changed.connect(self._show_situation)
        control.sets.found.connect(self._show_sources)
        control.settings_changed.connect(self.settings_form.show_settings)
        control.recipe_changed.connect(self._show_recipe)
        control.folder_changed.connect(self._show_folder)
        control.devices_found.connect(self.settings_form.show_devices)
        control.estimates.estimated.connect(self.settings_form.show_estimate)
        control.sets.described.connect(self._show_described)
        control.thumbnails.ready.connect(self._show_thumbnail)
        control.thumbnails.failed.connect(self._show_no_thumbnail)
        control.happened.connect(self._show_event)
        control.learning_began.connect(self._show_learning_began)
        control.history_read.connect(self.kernel_view.show_history)
        control.sets.truth_known.connect(self.kernel_view.show_truth)
        control.lenses.opened.connect(self._show_opened)
        control.lenses.compared.connect(self._show_compared)
        control.lenses.saved.connect(self._show_saved)
        control.export_plans.made.connect(self._show_export_plan)
        control.run_ended.connect(self._show_report)
        control.troubled.connect(self._show_trouble)
        control.ready_to_close.connect(self._close_now)
        control.previews.size_known.connect(self.kernel_view.show_photo)
        control.previews.before_ready.connect(self.compare.show_before)
        control.previews.after_ready.connect(self._show_after)
        control.previews.working.connect(self.compare.show_work)
        control.previews.not_restored.connect(self.compare.show_not_restored)
        control.previews.failed.connect(self.compare.show_problem)
        control.contest.news.connect(self._show_news)
        control.contest.ended.connect(self._show_contest_end)

    @Slot(Qt.ColorScheme)
    def _follow_scheme(self, scheme: Qt.ColorScheme) -> None:
        """The desktop went from light to dark, or the other way round."""
        use_scheme(scheme)
        self.setStyleSheet(style_sheet())
        renew_icons(self)
        self.kernel_view.show_colours()
        self.plots.show_colours()
        self.denoiser_dialog.show_colours()
        for dialog in self.findChildren(TroubleDialog):
            dialog.show_colours()

    # From the controller

    @Slot(object)
    def _show_situation(self, situation: Situation) -> None:
        now = shown(situation)
        self.run_bar.show_state(now)
        self.folders.setEnabled(now.can_edit)
        self.settings_form.setEnabled(now.can_edit)
        self.project_line.setEnabled(now.can_edit)
        self.welcome.show_can_demo(now.can_demo)
        self.denoiser_dialog.show_possible(now.can_learn_denoiser)
        self.recipe_form.show_can_compare(now.can_export)
        for role, count in ((Role.CLEAN, situation.clean), (Role.DEGRADED, situation.degraded)):
            if count is None:
                self.folders.show_reading(role)
        for line, possible in (
            (self.new_action, now.can_edit),
            (self.open_action, now.can_edit),
            (self.recent_menu, now.can_edit),
            (self.demo_action, now.can_demo),
            (self.export_action, now.can_export),
            (self.start_action, now.can_start),
            (self.flow_action, now.can_start and situation.phase is Phase.IDLE),
            (self.pause_action, now.can_pause),
            (self.stop_action, now.can_stop),
            (self.again_action, now.can_learn_again),
            (self.denoiser_action, now.can_learn_denoiser or situation.task is Task.DENOISER),
        ):
            line.setEnabled(possible)
        self.lens_menu.show_state(opened=bool(situation.opened), has_lens=now.has_lens)
        self.start_action.setText(f"&{now.start_text}")
        empty = situation.clean == 0 and situation.degraded == 0 and situation.phase is Phase.IDLE
        something = situation.opened or any(self.controller.sets[role].sources for role in Role)
        self._middle.setCurrentWidget(self.welcome if empty and not something else self._large)
        for widget in (self._right, self.recipe_form):
            widget.setVisible(self._middle.currentWidget() is self._large)

    @Slot(object, object)
    def _show_sources(self, role: Role, found: Found) -> None:
        self.folders.show_found(role, found)
        self.controller.thumbnails.wish(self.folders.zones[role].wanted_thumbnails())
        if role is Role.DEGRADED:
            self.compare.show_photos(found.photos)

    @Slot(object, str)
    def _show_described(self, role: Role, text: str) -> None:
        self.folders.show_described(role, text)

    @Slot(object)
    def _show_folder(self, folder: Path | None) -> None:
        self.project_line.show_folder(folder)
        self.lens_menu.show_folder(folder)
        self.setWindowTitle(f"{folder.name} – ddm_gui" if folder is not None else "ddm_gui")

    @Slot(object)
    def _show_recipe(self, recipe: Recipe) -> None:
        self.recipe_form.show_recipe(recipe)
        if self._shoot_out is not None:
            self._shoot_out.show_used(recipe.restorer)

    @Slot(object)
    def _show_after(self, after: After) -> None:
        self.compare.show_after(after)
        sigma = after.full.way.psf.noise_sigma
        if sigma is not None:
            self.recipe_form.suggest_noise(sigma)

    @Slot(object)
    def _show_news(self, news: News) -> None:
        if self._shoot_out is not None:
            self._shoot_out.show_news(news)

    @Slot()
    def _show_contest_end(self) -> None:
        if self._shoot_out is not None:
            self._shoot_out.show_end()

    @Slot(object, object)
    def _show_thumbnail(self, path: Path, image: NDArray[np.uint8]) -> None:
        self.folders.show_thumbnail(path, image)
        self.compare.show_thumbnail(path, image)

    @Slot(object)
    def _show_no_thumbnail(self, path: Path) -> None:
        self.folders.show_no_thumbnail(path)
        self.compare.show_no_thumbnail(path)

    @Slot(object)
    def _show_learning_began(self, stage: Stage | None) -> None:
        """What is shown of a stage goes when it begins anew."""
        self.result_view.show_result(None)
        if stage is Stage.FLOW:
            self.plots.clear_flow()
        if stage is not None:
            self.plots.clear_kernels()
            self.kernel_view.clear()
        if self.controller.psf is None:
            self.compare.forget_after()

    @Slot(object)
    def _show_event(self, event: Event) -> None:
        match event:
            case events.StageStarted(stage=stage, images_seen=seen, images_total=total):
                self.run_bar.show_progress(stage, seen, total, None)
                if stage in (Stage.PRETRAIN, Stage.FLOW):
                    self.plots.cut_flow(seen)
                elif stage is Stage.KERNELS:
                    self.plots.cut_kernels(seen)
                elif stage is Stage.DENOISER:
                    self.denoiser_dialog.show_stage(seen)
                self.recent_menu.remember(self.controller.folder)
            case events.FlowProgress(stage=Stage.DENOISER):
                self.denoiser_dialog.show_progress(event)
            case events.DenoiserTried():
                self.denoiser_dialog.show_tried(event)
            case events.FlowProgress():
                self.plots.show_flow(event)
                self.run_bar.show_progress(Stage.FLOW, event.images_seen, event.images_total, event.seconds_left)
            case events.KernelProgress():
                self.plots.show_kernels(event)
                self.run_bar.show_progress(Stage.KERNELS, event.images_seen, event.images_total, event.seconds_left)
            case events.KernelSnapshot():
                self.kernel_view.add_snapshot(event.images_seen, event.kernels)
            case _ if self._export is not None and isinstance(event, _OF_PHOTOS):
                self._export.take(event)
            case events.PhotoRestored():
                self.run_bar.show_note(f"Restored {event.done} of {event.total} photos.")
            case events.Estimate(seconds=seconds):
                self.run_bar.show_note(f"This will take about {duration(seconds)} on this machine.")
            case events.Note(text=text):
                self.run_bar.show_note(text)
            case events.CheckpointSaved():
                self.run_bar.show_note(f"Saved at {datetime.now():%H:%M}. You can pause or stop at any time.")
            case Result():
                self.result_view.show_result(event)

    @Slot(object)
    def _show_opened(self, lens: Lens | None) -> None:
        """A lens that was opened is what one wants to see: it goes to the middle, and back when it is closed."""
        self.kernel_view.show_opened(lens)
        self.lens_line.show_opened(lens)
        self.kernel_view.enlarge_button.setChecked(lens is not None)

    @Slot(object)
    def _show_compared(self, lens: Lens | None) -> None:
        self.kernel_view.show_compared(lens)
        self.lens_line.show_compared(lens)
        self.lens_menu.show_compared(lens is not None)

    @Slot(object)
    def _show_saved(self, path: Path) -> None:
        self.run_bar.show_note(f"Saved {path}")

    @Slot(object)
    def _show_report(self, report: Report) -> None:
        failed = isinstance(report.outcome, Failed)
        stopped = isinstance(report.outcome, Stopped)
        if report.task is Task.DENOISER:
            self._show_denoiser_end(report, stopped=stopped)
        if report.task is Task.EXPORT and self._export is not None:
            self._export.show_end(stopped=stopped, failed=failed)
        elif report.skipped and not self.controller.situation.closing:
            lines = [left_out(Path(item.path), item.reason) for item in report.skipped]
            ListDialog("Photos left out", "These photos were left out of the run.", lines, self).open()
        if failed and self._saving is not None:
            self._saving.done(0)

    def _show_denoiser_end(self, report: Report, *, stopped: bool) -> None:
        result = report.outcome.result if isinstance(report.outcome, Completed) else None
        self.denoiser_dialog.show_end(result if isinstance(result, DenoiserResult) else None, stopped=stopped)
        self._show_denoisers()

    @Slot(object)
    def _show_trouble(self, trouble: Trouble) -> None:
        TroubleDialog(trouble.what, trouble.why, trouble.todo, trouble.log, self).open()

    # From the person

    @Slot(object)
    def _sources_chosen(self, chosen: dict[Role, tuple[Path, ...]]) -> None:
        paths = [path for sources in chosen.values() for path in sources]
        if len(paths) == 1 and _is_project(paths[0]):
            self.controller.open_project(paths[0])
            return
        if _only_lens(paths):
            self.controller.lenses.open(paths[0])
            return
        for role, sources in chosen.items():
            self.controller.set_sources(role, sources)

    @Slot()
    def _ask_project(self) -> None:
        dialog = QFileDialog(self, "Open a project")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Projects (*.ddm)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._project_chosen)
        dialog.open()

    @Slot(str)
    def _project_chosen(self, file: str) -> None:
        self.open_project(Path(file))

    @Slot(bool)
    def _enlarge_lens(self, wanted: bool) -> None:
        """Lens and photo change places: the middle of the window has the room, the right column the rest."""
        large, small = (self.kernel_view, self.compare) if wanted else (self.compare, self.kernel_view)
        self._right_rows.insertWidget(0, small, 4)
        self._large_room.addWidget(large)

    @Slot(object)
    def open_project(self, path: Path) -> None:
        """Shows a project: its folder, or its project.ddm."""
        self.controller.open_project(path)
        self.recent_menu.remember(self.controller.folder)

    @property
    def shoot_out(self) -> ShootOut | None:
        """The shoot-out that is open."""
        return self._shoot_out

    @Slot()
    def _open_shoot_out(self) -> None:
        """One shoot-out at a time, on what is seen of the photo in view."""
        if self._shoot_out is None:
            dialog = ShootOut(self.recipe_form.restorers, self.controller.recipe.restorer, self)
            dialog.wanted.connect(self._shoot)
            dialog.more_wanted.connect(self._shoot_more)
            dialog.stop_wanted.connect(self.controller.contest.stop)
            dialog.chosen.connect(self._use)
            dialog.finished.connect(self._shoot_out_closed)
            self._shoot_out = dialog
            dialog.show()
        self._shoot_out.raise_()
        self._shoot_out.begin()

    @Slot(object)
    def _shoot(self, restorers: tuple[Restorer, ...]) -> None:
        self._ground = self.controller.shoot_out(restorers, self.compare.canvas.seen)
        if self._shoot_out is not None and self._ground is not None:
            self._shoot_out.show_ground(ground_words(self._ground))

    @Slot(object)
    def _shoot_more(self, restorers: tuple[Restorer, ...]) -> None:
        if self._shoot_out is not None and self._ground is not None:
            self.controller.go_on_shooting(self._ground, restorers)
            self._shoot_out.show_ground(ground_words(self._ground))

    @Slot(object)
    def _use(self, restorer: Restorer) -> None:
        self.controller.set_recipe(replace(self.controller.recipe, restorer=restorer))

    @Slot()
    def _shoot_out_closed(self) -> None:
        self._shoot_out = self._ground = None

    def _show_denoisers(self) -> None:
        """The denoisers of one's own, where they are learned and where one is chosen."""
        known = kept()
        self.denoiser_dialog.show_kept(known, default_denoiser())
        self.recipe_form.show_denoisers([denoiser.name for denoiser in known])

    @Slot()
    def _show_denoiser(self) -> None:
        sources = self.controller.sets[Role.CLEAN].sources
        if sources:
            self.denoiser_dialog.suggest(sources[0].stem)
        self._show_denoisers()
        self.denoiser_dialog.show()
        self.denoiser_dialog.raise_()

    @Slot(str, float)
    def _learn_denoiser(self, name: str, minutes: float) -> None:
        self.controller.learn_denoiser(name, minutes)
        if self.controller.situation.task is Task.DENOISER:
            self.denoiser_dialog.show_started()

    @Slot()
    def _ask_export(self) -> None:
        folder = self.controller.folder
        photos = self.controller.sets[Role.DEGRADED].photos
        kernel = kernel_words(self.controller.situation)
        dialog = ExportDialog(photos, (folder or Path.home()) / "restored", self, kernel=kernel)
        dialog.plan_wanted.connect(self.controller.export_plans.ask)
        dialog.export_wanted.connect(self.controller.export)
        dialog.stop_wanted.connect(self.controller.stop)
        dialog.limits_wanted.connect(self._ask_limits)
        dialog.finished.connect(self._export_closed)
        self._export = dialog
        dialog.open()

    @Slot()
    def _ask_limits(self) -> None:
        dialog = LimitsDialog(self.controller.limits, self._export or self)
        dialog.chosen.connect(self.controller.set_limits)
        dialog.open()

    @Slot(object, object)
    def _show_export_plan(self, output: Output, answer: tuple[Planned, ...] | UserError) -> None:
        if self._export is not None:
            self._export.show_plan(output, answer)

    @Slot()
    def _export_closed(self) -> None:
        self._export = None

    @Slot()
    def _open_log(self) -> None:
        if log_file().is_file():
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_file())))
        else:
            self.run_bar.show_note("The log is empty: nothing has gone wrong.")

    @Slot()
    def _about(self) -> None:
        AboutDialog(ddm_gui.__version__, self).open()

    # Events of Qt

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Photos may be dropped anywhere, a lens also during a run."""
        paths = dropped_paths(event.mimeData())
        if (self.folders.isEnabled() and paths) or _only_lens(paths):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """A lens is opened; two folders are one set each; anything else fills the first set that is still empty."""
        empty = [role for role in Role if not self.controller.sets[role].sources]
        paths = dropped_paths(event.mimeData())
        if _only_lens(paths):
            self.controller.lenses.open(paths[0])
        else:
            self._sources_chosen(assigned(paths, empty[0] if empty else None))
        event.acceptProposedAction()

    def paintEvent(self, event: QPaintEvent) -> None:
        """After the first paint the heavy part of the program is loaded."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            self._after_paint.start()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Asks once where a run is going on; saves; then closes."""
        if self._may_close:
            self.hide()  # a photo that is being read at this moment is waited for, unseen
            self.controller.shut_down()
            event.accept()
            self.closed.emit()
            return
        event.ignore()
        if self.controller.situation.phase is Phase.IDLE:
            self.controller.close_soon()
        elif self._close_dialog is None and self._saving is None:
            now = self.controller.situation
            paused, saving = now.phase is Phase.PAUSED, now.task is Task.EXPORT
            self._close_dialog = CloseDialog(self, paused=paused, saving_photos=saving)
            self._close_dialog.stop_wanted.connect(self.stop_and_close)
            self._close_dialog.finished.connect(self._close_answered)
            self._close_dialog.open()

    @Slot()
    def stop_and_close(self) -> None:
        """Stops the run, keeps what it has learned, and closes without a question."""
        if self.controller.situation.phase is not Phase.IDLE:
            self._saving = SavingDialog(self)
            self._saving.finished.connect(self._saving_ended)
            self._saving.open()
        self.controller.close_soon()

    @Slot()
    def _close_answered(self) -> None:
        self._close_dialog = None

    @Slot()
    def _saving_ended(self) -> None:
        self._saving = None

    @Slot()
    def _close_now(self) -> None:
        self._may_close = True
        if self._saving is not None:
            self._saving.done(0)
        for dialog in (self._export, self._shoot_out):
            if dialog is not None:
                dialog.done(0)
        QTimer.singleShot(0, self.close)


def ground_words(ground: Ground) -> str:
    """'kodim01.png, 512 × 341 px in the middle of what is seen', at which strength where that is not all."""
    area = ground.area
    strength = f", at {ground.strength:.0f} % strength" if ground.strength < 100 else ""
    return f"{ground.before.path.name}: {area.width()} × {area.height()} px in the middle of what is seen{strength}"


def _is_project(path: Path) -> bool:
    return path.suffix == ".ddm" or (path / NAME).is_file()


def _only_lens(paths: list[Path]) -> bool:
    """Whether what was dropped is one file of a lens."""
    return len(paths) == 1 and paths[0].is_file() and paths[0].suffix.lower() in READ
