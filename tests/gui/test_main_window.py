"""The window as a whole: drops, buttons, dialogs, names for every control, and closing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import (
    QAbstractButton,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

import ddm_gui
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    Event,
    FlowProgress,
    KernelProgress,
    KernelSnapshot,
    Note,
    PhotoSkipped,
    Result,
    Stage,
    StageStarted,
)
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.project import NAME
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Steps
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui import controller as controller_module
from ddm_gui.gui.dialogs import CloseDialog, ListDialog, SavingDialog, TroubleDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.restoring.export_table import State
from ddm_gui.gui.state import Phase
from ddm_gui.gui.words import unbroken

from .conftest import SmallRun, Step2, a_kernel, drop, save_photos, slowly, with_photos


def texts(widget: QWidget) -> str:
    return " ".join(label.text() for label in widget.findChildren(QLabel))


def test_it_opens_empty_with_the_way_in(window: MainWindow) -> None:
    assert window.welcome.isVisible()
    assert not window.compare.isVisible()
    assert not window.run_bar.start_button.isEnabled()
    assert window.welcome.demo_button.isEnabled()


def test_a_folder_dropped_on_each_zone_enables_start(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    assert window.compare.isVisible()
    assert window.compare.filmstrip.count() == 2
    assert "3 photos" in texts(window.folders.zones[Role.CLEAN])
    assert "2 photos" in texts(window.folders.zones[Role.DEGRADED])


def test_under_each_set_stands_what_its_photos_are_and_which_apertures_differ(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, degraded_folder: Path
) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    for index, aperture in enumerate((5.6, 16.0, 16.0)):
        tags = exif.to_bytes({272: "Canon EOS 6D", exif.EXIF_DIRECTORY: {33437: aperture}})
        write(Photo(np.full((40, 60, 3), 0.5), 8, metadata=Metadata(tags)), folder / f"{index}.jpg")
    with_photos(window, qtbot, folder, degraded_folder)
    clean, degraded = window.folders.zones[Role.CLEAN], window.folders.zones[Role.DEGRADED]
    words = unbroken("60 x 40, Canon EOS 6D, f/5.6 (1), f/16 (2)")
    qtbot.waitUntil(lambda: words in texts(clean) and "64 x 64" in texts(degraded), timeout=10_000)
    window.folders.swap_button.click()
    assert words not in texts(clean)
    qtbot.waitUntil(lambda: words in texts(degraded), timeout=10_000)


def test_two_folders_dropped_at_once_are_one_set_each(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    assert drop(window, degraded_folder, clean_folder)
    qtbot.waitUntil(window.run_bar.start_button.isEnabled, timeout=10_000)
    assert window.controller.sets[Role.CLEAN].sources == (clean_folder,)
    window.folders.swap_button.click()
    assert window.controller.sets[Role.CLEAN].sources == (degraded_folder,)


def test_single_files_can_be_dropped(window: MainWindow, qtbot: QtBot, clean_folder: Path) -> None:
    assert drop(window.folders.zones[Role.CLEAN], *sorted(clean_folder.iterdir())[:2])
    qtbot.waitUntil(lambda: window.controller.situation.clean == 2, timeout=10_000)


def test_a_drop_that_holds_no_file_is_refused(window: MainWindow) -> None:
    assert not drop(window.folders.zones[Role.CLEAN])


def test_a_folder_without_photos_is_named(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    zone = window.folders.zones[Role.CLEAN]
    drop(zone, empty)
    qtbot.waitUntil(zone.problems_button.isVisible, timeout=10_000)
    zone.problems_button.click()
    dialog = window.findChild(ListDialog)
    assert dialog is not None
    assert "empty" in dialog.findChild(QPlainTextEdit).toPlainText()
    dialog.close()


def test_thumbnails_and_the_photo_in_view_appear(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    thumb = window.folders.zones[Role.CLEAN]._thumbs[0]
    qtbot.waitUntil(lambda: not thumb.pixmap().isNull(), timeout=10_000)
    qtbot.waitUntil(lambda: window.compare.canvas._before is not None, timeout=10_000)


def test_a_run_is_shown_from_start_to_end(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "Learn", lambda *_: SmallRun())
    with_photos(window, qtbot, clean_folder, degraded_folder)
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        window.run_bar.start_button.click()
    assert window.kernel_view.slider.maximum() == 1
    assert window.plots.loss.plot.isVisible()
    assert window.plots.ikl.plot.isVisible()
    qtbot.waitUntil(lambda: window.compare.canvas.has_after, timeout=10_000)
    assert window.run_bar.export_button.isEnabled()


def test_pause_and_continue_by_the_buttons(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(1_000_000, slowly)
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    bar = window.run_bar
    bar.start_button.click()
    qtbot.waitUntil(lambda: run.position > 3 and bar.pause_button.isEnabled(), timeout=10_000)
    assert not window.folders.isEnabled()
    assert not window.settings_form.isEnabled()
    bar.pause_button.click()
    qtbot.waitUntil(lambda: bar.start_button.text() == "Continue" and bar.start_button.isEnabled(), timeout=10_000)
    run.updates = run.position + 2
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        bar.start_button.click()
    assert window.folders.isEnabled()


def test_a_paused_run_can_be_exported_from_and_goes_on(
    window: MainWindow,
    qtbot: QtBot,
    clean_folder: Path,
    degraded_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Step2()
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    bar = window.run_bar
    assert "no kernel yet" in bar.export_button.toolTip()
    bar.start_button.click()
    qtbot.waitUntil(lambda: window.kernel_view.pictures.isVisible(), timeout=10_000)
    assert not bar.export_button.isEnabled()
    assert not window.export_action.isEnabled()
    assert "Pause or stop" in bar.export_button.toolTip()
    bar.pause_button.click()
    qtbot.waitUntil(bar.export_button.isEnabled, timeout=10_000)
    bar.export_button.click()
    dialog = window.export_dialog
    assert dialog is not None
    assert "kernel learned so far" in texts(dialog)
    dialog.form.folder_edit.setText(str(tmp_path / "restored"))
    qtbot.waitUntil(dialog.export_button.isEnabled, timeout=10_000)
    dialog.export_button.click()
    qtbot.waitUntil(dialog.open_button.isVisible, timeout=10_000)
    assert "Done: 2 photos written" in texts(dialog)
    dialog.close_button.click()
    assert bar.start_button.text() == "Continue"
    assert bar.cards[Stage.KERNELS]._state.text() == "Paused"
    run.last = True
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        bar.start_button.click()
    window.findChild(ListDialog).close()


def test_an_error_that_can_be_mended_opens_a_dialog_with_three_sentences(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Iterator[Event]:
        yield Note("first")
        raise UserError("The photos are too small.", "They are 8 pixels wide.", "Choose larger ones.")

    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        window.run_bar.start_button.click()
    dialog = window.findChild(TroubleDialog)
    assert dialog is not None
    for sentence in ("The photos are too small.", "They are 8 pixels wide.", "Choose larger ones."):
        assert sentence in texts(dialog)
    assert window.run_bar.start_button.isEnabled()
    dialog.close()


HOLDER = """
import sys
from pathlib import Path
from ddm_gui.engine.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_project_in_which_another_process_is_at_work_is_refused_by_a_dialog(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "Learn", lambda *_: SmallRun())
    with_photos(window, qtbot, clean_folder, degraded_folder)
    folder = window.controller.folder
    assert folder is not None
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env=dict(os.environ, PYTHONPATH=str(Path(ddm_gui.__file__).parents[1])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        window.run_bar.start_button.click()
        dialog = window.findChild(TroubleDialog)
        assert dialog is not None
        assert "Another run is at work" in texts(dialog)
        assert f"Process {other.pid}" in texts(dialog)
        assert not (folder / NAME).exists()
        assert window.controller.situation.phase is Phase.IDLE
        dialog.close()
        other.communicate("\n", timeout=30)
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        window.run_bar.start_button.click()
    assert (folder / NAME).is_file()


def test_skipped_photos_are_listed_at_the_end(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Iterator[Event]:
        yield PhotoSkipped("/photos/a.png", "It is damaged.")

    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        window.run_bar.start_button.click()
    dialog = window.findChild(ListDialog)
    assert dialog is not None
    assert dialog.findChild(QPlainTextEdit).toPlainText() == "a.png: It is damaged."
    dialog.close()


def test_closing_during_a_run_asks_once_saves_and_closes(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(1_000_000, slowly)
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.run_bar.start_button.click()
    qtbot.waitUntil(lambda: run.position > 3, timeout=10_000)
    window.close()
    window.close()
    dialogs = window.findChildren(CloseDialog)
    assert len(dialogs) == 1
    assert window.isVisible()
    with qtbot.waitSignal(window.closed, timeout=10_000):
        dialogs[0].stop_button.click()
        assert window.findChild(SavingDialog) is not None
    assert len(run.saves) == 1
    assert not window.isVisible()


def test_keep_running_keeps_running(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(1_000_000, slowly)
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.run_bar.start_button.click()
    qtbot.waitUntil(lambda: run.position > 3, timeout=10_000)
    window.close()
    window.findChild(CloseDialog).reject()
    before = run.position
    qtbot.waitUntil(lambda: run.position > before, timeout=10_000)
    assert window.isVisible()
    assert run.saves == []


@pytest.mark.parametrize(("width", "height"), [(1366, 700), (1920, 1000)])
def test_it_fits_the_screen(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, width: int, height: int
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.resize(width, height)
    qtbot.wait(30)
    assert (window.width(), window.height()) == (width, height)
    for button in window.run_bar.findChildren(QAbstractButton):
        assert button.width() >= button.sizeHint().width(), button.text()


def test_the_right_column_keeps_its_shares_whatever_it_shows(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.resize(1366, 740)
    views = (window.kernel_view, window.plots.loss, window.plots.ikl)

    def heights() -> list[int]:
        qtbot.wait(30)
        return [view.height() for view in views]

    before = heights()
    window.plots.show_flow(FlowProgress(64, 1000, 0.1, 0.1, 5.0))
    assert heights() == before
    window.kernel_view.add_snapshot(64, a_kernel())
    assert heights() == before
    window.plots.show_kernels(KernelProgress(64, 1000, 0.02, 0.001, 0.01, 5.0))
    assert heights() == before


def test_a_photo_that_is_cut_short_is_marked_and_offers_no_zoom(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    whole = degraded_folder / "photo1.png"
    broken = degraded_folder / "broken.png"  # the first in the list
    broken.write_bytes(whole.read_bytes()[:-900])
    with_photos(window, qtbot, clean_folder, degraded_folder)
    compare = window.compare
    qtbot.waitUntil(lambda: "damaged" in compare.canvas._words, timeout=10_000)
    assert compare.canvas._words.startswith("broken.png: It is damaged")
    assert str(degraded_folder) not in compare.canvas._words
    assert not compare.fit_button.isEnabled()
    assert not compare.one_button.isEnabled()
    assert not compare._zoom.isVisible()
    thumb = window.folders.zones[Role.DEGRADED]._thumbs[0]
    qtbot.waitUntil(lambda: not thumb.pixmap().isNull(), timeout=10_000)
    compare.filmstrip.setCurrentRow(2)
    qtbot.waitUntil(compare.fit_button.isEnabled, timeout=10_000)
    assert compare._zoom.isVisible()
    assert compare.canvas._before is not None


def test_a_reason_names_its_file_once(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    (clean_folder / "none.png").write_bytes(b"this is no photo")
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.folders.zones[Role.CLEAN].problems_button.click()
    dialog = window.findChild(ListDialog)
    assert dialog is not None
    line = dialog.findChild(QPlainTextEdit).toPlainText()
    assert line.startswith("none.png: It is damaged")
    assert line.count("none.png") == 1
    dialog.close()


@pytest.mark.parametrize(
    ("paused", "saving", "said", "keep"),
    [
        (False, False, "A run is going on.", "Keep running"),
        (True, False, "A run is paused.", "Keep it paused"),
        (False, True, "Photos are being saved.", "Keep running"),
    ],
)
def test_the_question_at_the_close_says_what_is_so(
    window: MainWindow, paused: bool, saving: bool, said: str, keep: str
) -> None:
    dialog = CloseDialog(window, paused=paused, saving_photos=saving)
    dialog.open()
    assert said in texts(dialog)
    assert [button.text() for button in dialog.findChildren(QPushButton)] == [keep, "Stop and keep, then close"]
    assert ("learned" in texts(dialog)) is not saving
    assert dialog.focusWidget() is dialog.stop_button
    dialog.close()


def test_closing_during_a_pause_says_that_the_run_is_paused(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "Learn", lambda *_: Step2())
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.run_bar.start_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.has_kernel, timeout=10_000)
    window.run_bar.pause_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.PAUSED, timeout=10_000)
    window.close()
    dialog = window.findChild(CloseDialog)
    assert "A run is paused." in texts(dialog)
    with qtbot.waitSignal(window.closed, timeout=10_000):
        dialog.stop_button.click()


def test_the_photo_in_view_is_shown_again_after_a_new_project(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    compare = window.compare
    for again in (window.controller.new_project, lambda: None):
        with_photos(window, qtbot, clean_folder, degraded_folder)
        qtbot.waitUntil(lambda: compare.canvas._before is not None and compare._note.text() == "", timeout=10_000)
        assert compare.fit_button.isEnabled()
        again()
    with_photos(window, qtbot, clean_folder, degraded_folder)  # the same folders, dropped on what is there
    qtbot.waitUntil(lambda: compare.canvas._before is not None and compare._note.text() == "", timeout=10_000)


def test_made_as_small_as_it_gets_nothing_is_cut_off(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.kernel_view.add_snapshot(48_000, a_kernel())
    window.result_view.show_result(Result(ncc=0.9, psnr_after=21.0, psnr_true_kernel=25.0, seconds=99.0))
    window.run_bar.start_button.setText("Continue")
    window.resize(1, 1)
    qtbot.wait(50)
    assert window.width() <= 1280
    assert window.height() <= 680  # a laptop of 1366 x 768, less what a desktop takes
    for control in (*window.run_bar.findChildren(QAbstractButton), window.kernel_view.channel_box):
        assert control.width() >= control.minimumSizeHint().width(), control
    for card in window.run_bar.cards.values():
        for label in card.findChildren(QLabel):
            assert label.width() >= label.fontMetrics().horizontalAdvance(label.text()), label.text()
    plot = window.plots.ikl
    assert plot.mapTo(window, plot.rect().bottomLeft()).y() < window.height()
    right = window._right
    assert right.mapTo(window, right.rect().topRight()).x() < window.width()


# A simulated set


@pytest.fixture
def simulated(own_folders: Path) -> Path:
    """Degraded photos, and the true kernel beside their folder."""
    folder = save_photos(own_folders / "simulated" / "degraded", 2).parent
    PsfGrid(a_kernel(size=11), 0.01).save(folder / "truth.safetensors")
    return folder


def test_the_truth_of_dropped_photos_stands_beside_the_kernel_while_it_is_learned(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, simulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Step2()
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    with_photos(window, qtbot, clean_folder, simulated / "degraded")
    window.run_bar.start_button.click()
    view = window.kernel_view
    qtbot.waitUntil(lambda: view.slider.maximum() > 2, timeout=10_000)
    assert view.pictures._plots[1].isVisible()
    assert " · NCC 1.000" in texts(view)
    assert "px (" in texts(view)  # and its width
    window.run_bar.stop_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.IDLE, timeout=10_000)
    window.findChild(ListDialog).close()
    assert " · NCC 1.000" in texts(view)  # of a run that was stopped
    view.slider.setValue(0)
    assert "1 patches · NCC 1.000" in texts(view)


def test_the_demo_shows_the_truth_once_it_has_made_its_photos(
    window: MainWindow, qtbot: QtBot, simulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(simulated / "clean", 2, seed=3)

    def run() -> Iterator[Event]:
        yield StageStarted(Stage.KERNELS, 0, 100)
        yield KernelSnapshot(1, a_kernel(), 0.01)

    monkeypatch.setattr(controller_module, "default_project_folder", lambda *_: simulated)
    monkeypatch.setattr(controller_module, "Demo", lambda *_: run)
    with qtbot.waitSignal(window.controller.run_ended, timeout=10_000):
        window.welcome.demo_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.degraded == 2, timeout=10_000)
    assert " · NCC 1.000" in texts(window.kernel_view)


# A lens from a file


def test_a_lens_dropped_on_the_empty_window_is_opened_and_said_until_it_is_closed(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "Helios.safetensors"
    PsfGrid(np.broadcast_to(a_kernel(size=11), (2, 3, 3, 11, 11)), 0.01).save(path)
    assert not window.lens_menu.copy_action.isEnabled()
    assert not window.lens_menu.end_comparison_action.isEnabled()
    assert drop(window, path)
    view, line = window.kernel_view, window.lens_line
    qtbot.waitUntil(view.isVisible, timeout=10_000)
    assert view.field.isVisible()
    assert view.parentWidget() is window._large
    assert "Photos are restored with the opened lens “Helios”." in texts(line)
    assert window.lens_menu.copy_action.isEnabled()
    window.controller.compare_lens(path)
    assert "Beside it: “Helios”." in texts(line)
    assert "NCC 1.000" in texts(view)
    line.end_button.click()
    assert "NCC" not in texts(view)
    line.close_button.click()
    assert not line.isVisible()
    assert window.welcome.isVisible()


def test_the_export_says_which_lens_it_restores_with(
    window: MainWindow, qtbot: QtBot, degraded_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "Helios.safetensors"
    PsfGrid(a_kernel(), 0.01).save(path)
    zone = window.folders.zones[Role.DEGRADED]
    assert drop(zone, degraded_folder)
    qtbot.waitUntil(lambda: bool(window.controller.situation.degraded), timeout=10_000)
    assert drop(zone, path)  # where photos go a lens is still a lens
    assert window.controller.sets[Role.DEGRADED].sources == (degraded_folder,)
    window.run_bar.export_button.click()
    assert "Restore 2 photos with the opened lens “Helios”" in texts(window.export_dialog)
    window.export_dialog.close()


def test_an_export_is_stopped_and_continued_and_a_damaged_photo_mended_and_tried_again(
    window: MainWindow, qtbot: QtBot, own_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    degraded = save_photos(own_folders / "degraded", 5)
    whole = (degraded / "photo0.png").read_bytes()
    (degraded / "photo0.png").write_bytes(whole[:-300])
    PsfGrid(a_kernel(), 0.01).save(tmp_path / "lens.safetensors")
    assert drop(window.folders.zones[Role.DEGRADED], degraded)
    qtbot.waitUntil(lambda: window.controller.situation.degraded == 5, timeout=10_000)
    window.controller.lenses.open(tmp_path / "lens.safetensors")
    window.run_bar.export_button.click()
    dialog = window.export_dialog
    assert dialog is not None
    dialog.form.folder_edit.setText(str(tmp_path / "out"))
    dialog.form.name_edit.setText("{n} {stem}")

    goes_on = False
    work = Wiener.restoring

    def restoring(self: Wiener, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        while not (goes_on or blurred.photo.source == degraded / "photo1.png"):  # the person stops meanwhile
            slowly()
            yield 0.0
        return (yield from work(self, blurred, plan))

    def ended(message: str) -> bool:
        return dialog._status.text() == message

    monkeypatch.setattr(Wiener, "restoring", restoring)
    qtbot.waitUntil(dialog.export_button.isEnabled, timeout=10_000)
    dialog.export_button.click()
    through = {State.LEFT_OUT, State.DONE}
    qtbot.waitUntil(lambda: through == {row.state for row in dialog.table.rows[:2]}, timeout=60_000)
    dialog.close_button.click()
    qtbot.waitUntil(lambda: ended("Stopped: 1 photo written, 1 left out, 3 waiting."), timeout=60_000)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["2 photo1.png"]
    first = (tmp_path / "out" / "2 photo1.png").stat().st_mtime_ns
    goes_on = True
    dialog.export_button.click()
    qtbot.waitUntil(lambda: ended("Done: 4 photos written, 1 left out."), timeout=60_000)
    assert "the file is cut off" in dialog.details.toPlainText()
    (degraded / "photo0.png").write_bytes(whole)
    dialog.again_button.click()
    qtbot.waitUntil(lambda: ended("Done: 5 photos written."), timeout=60_000)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{n + 1} photo{n}.png" for n in range(5)]
    assert (tmp_path / "out" / "2 photo1.png").stat().st_mtime_ns == first
    dialog.close_button.click()


def test_lens_and_photo_change_places(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    view, photo = window.kernel_view, window.compare
    for large, small in ((view, photo), (photo, view)):
        view.enlarge_button.click()
        qtbot.wait(20)
        assert large.isVisible()
        assert small.isVisible()
        assert large.width() > small.width()
        assert small.mapTo(window, QPoint()).x() > large.mapTo(window, QPoint()).x()


def test_all_settings_fit_the_left_column(window: MainWindow) -> None:
    """Its scroll area does not scroll sideways: what is wider would be cut off."""
    window.settings_form.more_button.click()
    assert window.settings_form.minimumSizeHint().width() <= 300
