"""The controller without a screen: commands in, signals out, with a small real run in place of the engine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject, QThread, Slot
from pytestqt.qtbot import QtBot
from safetensors.numpy import save_file

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, KernelSnapshot, Note, PhotoSkipped, Stage
from ddm_gui.engine.history import empty
from ddm_gui.engine.photos.photo import read
from ddm_gui.engine.project import NAME, Project, StageState
from ddm_gui.engine.restore.output import Output, planned
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.settings import Settings
from ddm_gui.gui import controller as controller_module
from ddm_gui.gui.controller import Controller, Report, Trouble
from ddm_gui.gui.log import log_file
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.state import Phase, Task, shown
from ddm_gui.gui.worker import Completed, Failed, Stopped

from .conftest import SmallRun, Step2, a_kernel, save_photos, slowly


class Witness(QObject):
    """Keeps what the controller tells."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.reports: list[Report] = []
        self.troubles: list[Trouble] = []
        self.events: list[Event] = []
        self.phases: list[Phase] = []
        self.closes = 0
        controller.run_ended.connect(self.end)
        controller.troubled.connect(self.trouble)
        controller.happened.connect(self.happen)
        controller.situation_changed.connect(self.change)
        controller.ready_to_close.connect(self.close)

    @Slot(object)
    def end(self, report: Report) -> None:
        self.reports.append(report)

    @Slot(object)
    def trouble(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)

    @Slot(object)
    def happen(self, event: Event) -> None:
        self.events.append(event)

    @Slot(object)
    def change(self, situation: object) -> None:
        if not self.phases or self.phases[-1] is not situation.phase:  # type: ignore[attr-defined]
            self.phases.append(situation.phase)  # type: ignore[attr-defined]

    @Slot()
    def close(self) -> None:
        self.closes += 1


@pytest.fixture
def controller(qapp: object) -> Iterator[Controller]:
    made = Controller()
    yield made
    made.shut_down()


@pytest.fixture
def ready(controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path) -> Controller:
    controller.set_sources(Role.CLEAN, [clean_folder])
    controller.set_sources(Role.DEGRADED, [degraded_folder])
    qtbot.waitUntil(lambda: bool(controller.situation.clean and controller.situation.degraded), timeout=10_000)
    return controller


def replaced_run(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    """Start runs this instead of the engine's learning."""
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)


def ended(qtbot: QtBot, witness: Witness) -> Report:
    qtbot.waitUntil(lambda: bool(witness.reports), timeout=10_000)
    return witness.reports[-1]


def test_no_thread_begins_after_the_end(qtbot: QtBot) -> None:
    """A window that is closed in its first moments has not looked for devices yet."""
    controller = Controller()
    controller.shut_down()
    controller.find_devices()
    assert not any(thread.isRunning() for thread in controller.findChildren(QThread))


def test_sources_are_counted_and_a_folder_is_suggested(ready: Controller, degraded_folder: Path) -> None:
    assert (ready.situation.clean, ready.situation.degraded) == (3, 2)
    assert ready.folder is not None
    assert ready.folder.name.startswith("degraded ")
    assert ready.folder.parent.name == "ddm projects"


def test_a_bad_file_is_named_and_the_others_count(controller: Controller, qtbot: QtBot, clean_folder: Path) -> None:
    (clean_folder / "broken.png").write_bytes(b"this is no photo")
    controller.set_sources(Role.CLEAN, [clean_folder])
    qtbot.waitUntil(lambda: controller.situation.clean == 3, timeout=10_000)
    problems = controller.sets[Role.CLEAN].problems
    assert [problem.path.name for problem in problems] == ["broken.png"]
    assert problems[0].reason


def test_swap_exchanges_the_sets(ready: Controller, degraded_folder: Path) -> None:
    ready.swap_sources()
    assert ready.sets[Role.CLEAN].sources == (degraded_folder,)
    assert (ready.situation.clean, ready.situation.degraded) == (2, 3)


def test_a_run_goes_from_start_to_its_report(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SmallRun()
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    report = ended(qtbot, witness)
    assert report.task is Task.LEARN
    assert isinstance(report.outcome, Completed)
    assert report.result is not None
    assert ready.psf is not None
    assert ready.situation.has_kernel
    assert witness.phases == [Phase.IDLE, Phase.RUNNING, Phase.IDLE] or witness.phases == [Phase.RUNNING, Phase.IDLE]
    assert ready.folder is not None
    assert (ready.folder / NAME).is_file()


def test_a_second_start_during_a_run_does_nothing(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun()
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    ready.start()
    ready.learn_again()
    ended(qtbot, witness)
    qtbot.wait(50)
    assert run.starts == 1
    assert len(witness.reports) == 1


def test_kernels_on_the_way_are_of_the_light_that_is_learned_in(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Step2()
    replaced_run(monkeypatch, run)
    ready.set_settings(Settings(light="linear", clean_aperture="5.6"))
    ready.start()
    qtbot.waitUntil(lambda: ready.psf is not None, timeout=10_000)
    assert ready.psf is not None
    assert ready.psf.light == "linear"
    run.last = True
    qtbot.waitUntil(lambda: ready.situation.phase is Phase.IDLE, timeout=10_000)
    monkeypatch.setattr(controller_module, "Demo", lambda *_: SmallRun())
    ready.try_demo()  # its own photos are PNG, and know no aperture
    assert (ready.settings.light, ready.settings.clean_aperture) == ("display", "any")
    qtbot.waitUntil(lambda: ready.situation.phase is Phase.IDLE, timeout=10_000)


def test_stop_is_reported_as_stopped(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SmallRun(100_000, slowly)
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    qtbot.waitUntil(lambda: len(witness.events) > 2, timeout=10_000)
    ready.stop()
    assert ended(qtbot, witness).outcome == Stopped()
    assert len(run.saves) == 1
    assert ready.situation.phase is Phase.IDLE


def test_pause_and_start_again_go_on(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SmallRun(100_000, slowly)
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    qtbot.waitUntil(lambda: len(witness.events) > 2, timeout=10_000)
    ready.pause()
    qtbot.waitUntil(lambda: ready.situation.phase is Phase.PAUSED, timeout=10_000)
    run.updates = run.position + 3
    ready.start()
    assert isinstance(ended(qtbot, witness).outcome, Completed)
    assert run.starts == 2


def test_what_a_person_can_mend_is_told_in_three_sentences(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Iterator[Event]:
        yield Note("first")
        raise UserError("The photos are too small.", "They are 8 pixels wide.", "Choose larger ones.")

    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    assert isinstance(ended(qtbot, witness).outcome, Failed)
    assert witness.troubles == [Trouble("The photos are too small.", "They are 8 pixels wide.", "Choose larger ones.")]
    assert ready.situation.failed is Stage.FLOW
    assert not log_file().exists()


def test_a_bug_goes_to_the_log(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Iterator[Event]:
        yield Note("first")
        raise ZeroDivisionError("a bug of the test")

    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    ended(qtbot, witness)
    assert witness.troubles[0].log == log_file()
    assert "a bug of the test" in log_file().read_text(encoding="utf-8")


def test_skipped_photos_are_in_the_report(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Iterator[Event]:
        yield PhotoSkipped("a.png", "It is damaged.")

    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    assert [item.reason for item in ended(qtbot, witness).skipped] == ["It is damaged."]


def test_other_photos_are_another_project(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, clean_folder: Path
) -> None:
    replaced_run(monkeypatch, SmallRun())
    witness = Witness(ready)
    ready.start()
    ended(qtbot, witness)
    before = ready.folder
    ready.set_sources(Role.DEGRADED, [clean_folder])
    assert ready.folder != before
    assert ready.psf is None
    assert not ready.situation.has_kernel


def test_the_suggested_folder_follows_the_photos_until_one_is_chosen(
    ready: Controller, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    ready.set_sources(Role.DEGRADED, [clean_folder])
    assert ready.folder is not None
    assert ready.folder.name.startswith("clean ")
    ready.choose_folder(tmp_path / "mine")
    ready.set_sources(Role.DEGRADED, [degraded_folder])
    assert ready.folder == tmp_path / "mine"


def test_a_project_is_opened_with_its_sources_and_settings(
    controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    settings = Settings().with_changes({"kernel_size": 11})
    Project(tmp_path / "project", (clean_folder,), (degraded_folder,), settings).save()
    controller.open_project(tmp_path / "project" / NAME)
    qtbot.waitUntil(lambda: bool(controller.situation.clean and controller.situation.degraded), timeout=10_000)
    assert controller.settings.kernel_size == 11
    assert controller.folder == (tmp_path / "project").resolve() or controller.folder == tmp_path / "project"
    assert controller.situation.flow is StageState.ABSENT


def test_a_recipe_is_kept_in_its_project_and_comes_back_with_it(
    controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    chosen = Recipe(TotalVariation(turns=5), 70.0)
    for name in ("one", "other"):
        Project(tmp_path / name, (clean_folder,), (degraded_folder,), Settings()).save()
    controller.open_project(tmp_path / "one")
    controller.set_settings(controller.settings.with_changes({"kernel_size": 9}))
    controller.set_recipe(chosen)
    controller.open_project(tmp_path / "other")
    assert controller.recipe == Recipe()
    kept = Project.open(tmp_path / "one")
    assert kept.recipe == chosen.content()
    assert kept.settings == Settings()  # a recipe is saved alone
    controller.open_project(tmp_path / "one")
    assert controller.recipe == chosen
    controller.set_recipe(Recipe())
    qtbot.waitUntil(lambda: Project.open(tmp_path / "one").recipe == Recipe().content(), timeout=10_000)


def test_a_recipe_chosen_during_a_run_is_kept_after_it(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(100_000, slowly)
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    qtbot.waitUntil(lambda: len(witness.events) > 2, timeout=10_000)
    ready.set_recipe(Recipe(strength=30.0))
    ready._keep_recipe()
    assert ready.folder is not None
    assert Project.open(ready.folder).recipe == {}  # nobody had chosen
    ready.stop()
    ended(qtbot, witness)
    assert Project.open(ready.folder).recipe == Recipe(strength=30.0).content()


def test_a_damaged_recipe_is_told_and_the_project_opened_without_it(
    controller: Controller, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    witness = Witness(controller)
    damaged = Recipe().content() | {"restorer": "unsharp"}
    Project(tmp_path / "project", (clean_folder,), (degraded_folder,), Settings(), damaged).save()
    controller.open_project(tmp_path / "project")
    assert "recipe" in witness.troubles[0].what
    assert controller.folder == tmp_path / "project"
    assert controller.recipe == Recipe()


def test_photos_are_exported_by_the_recipe(
    controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project", (clean_folder,), (degraded_folder,), Settings())
    project.save()
    PsfGrid(a_kernel(), 0.01).save(project.psf)
    controller.open_project(project.root)
    qtbot.waitUntil(lambda: bool(controller.situation.degraded), timeout=10_000)
    recipe = Recipe(TotalVariation(turns=3), 60.0)
    controller.set_recipe(recipe)
    witness = Witness(controller)
    output = Output(tmp_path / "restored")
    with qtbot.waitSignal(controller.export_plans.made, timeout=10_000) as told:
        controller.export_plans.ask(controller.sets[Role.DEGRADED].photos, output)
    assert told.args == [output, planned([degraded_folder], output)]
    controller.export(told.args[1], output)
    assert isinstance(ended(qtbot, witness).outcome, Completed)
    wanted = restore_photo(read(degraded_folder / "photo0.png"), PsfGrid(a_kernel(), 0.01), recipe)
    written = read(tmp_path / "restored" / "photo0.png")
    np.testing.assert_allclose(written.pixels, wanted.pixels, atol=0.5 / 255 + 1e-6)


def test_a_file_that_is_no_project_is_refused(controller: Controller, tmp_path: Path) -> None:
    witness = Witness(controller)
    (tmp_path / NAME).write_text("{", encoding="utf-8")
    controller.open_project(tmp_path)
    assert len(witness.troubles) == 1
    assert controller.folder is None


def test_closing_without_a_run_is_ready_at_once(controller: Controller) -> None:
    witness = Witness(controller)
    controller.close_soon()
    assert witness.closes == 1


def test_closing_during_a_run_waits_for_its_save(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SmallRun(100_000, slowly)
    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    qtbot.waitUntil(lambda: len(witness.events) > 2, timeout=10_000)
    ready.close_soon()
    assert witness.closes == 0
    qtbot.waitUntil(lambda: witness.closes == 1, timeout=10_000)
    assert len(run.saves) == 1


def test_closing_waits_where_the_save_failed(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Iterator[Event]:
        try:
            while True:
                yield Note("on")
        except GeneratorExit:
            raise UserError("The disk is full.") from None

    replaced_run(monkeypatch, run)
    witness = Witness(ready)
    ready.start()
    qtbot.waitUntil(lambda: bool(witness.events), timeout=10_000)
    ready.close_soon()
    ended(qtbot, witness)
    assert witness.closes == 0
    assert [trouble.what for trouble in witness.troubles] == ["The disk is full."]
    ready.close_soon()
    assert witness.closes == 1


# Export in each state of a run


@pytest.fixture
def step2(ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> tuple[Controller, Step2, Witness]:
    """The controller with a run in step 2, and what it has told."""
    run = Step2()
    replaced_run(monkeypatch, run)
    return ready, run, Witness(ready)


def started(qtbot: QtBot, control: Controller) -> None:
    control.start()
    qtbot.waitUntil(lambda: control.situation.has_kernel, timeout=10_000)


def export(control: Controller, folder: Path) -> None:
    output = Output(folder, file_format="png")
    control.export(planned(control.sets[Role.DEGRADED].photos, output), output)


def exported(qtbot: QtBot, control: Controller, witness: Witness, output: Path) -> Report:
    """Exports, and waits for the report of that."""
    count = len(witness.reports)
    export(control, output)
    assert control.situation.task is Task.EXPORT
    qtbot.waitUntil(lambda: len(witness.reports) > count, timeout=10_000)
    report = witness.reports[-1]
    assert (report.task, report.written) == (Task.EXPORT, 2)
    assert len(list(output.iterdir())) == 2
    return report


def test_a_paused_run_waits_while_photos_are_exported_and_then_goes_on(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path
) -> None:
    control, run, witness = step2
    started(qtbot, control)
    control.pause()
    qtbot.waitUntil(lambda: control.situation.phase is Phase.PAUSED, timeout=10_000)
    before = control.situation
    report = exported(qtbot, control, witness, tmp_path / "restored")
    assert isinstance(report.outcome, Completed)
    assert report.skipped == ()
    assert control.situation == before
    assert run.starts == 1
    run.last = True
    control.start()
    qtbot.waitUntil(lambda: len(witness.reports) == 2, timeout=10_000)
    assert witness.reports[-1].task is Task.LEARN
    assert isinstance(witness.reports[-1].outcome, Completed)
    assert [item.path for item in witness.reports[-1].skipped] == ["/photos/bad.png"]
    assert run.starts == 2
    assert control.situation.phase is Phase.IDLE


def test_an_export_beside_a_paused_run_can_be_stopped_and_the_run_stays_paused(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, _, witness = step2
    started(qtbot, control)
    control.pause()
    qtbot.waitUntil(lambda: control.situation.phase is Phase.PAUSED, timeout=10_000)
    monkeypatch.setattr(controller_module, "Export", lambda *_: SmallRun(100_000, slowly))
    export(control, tmp_path / "restored")
    qtbot.waitUntil(lambda: control.situation.phase is Phase.RUNNING, timeout=10_000)
    control.stop()
    qtbot.waitUntil(lambda: bool(witness.reports), timeout=10_000)
    assert witness.reports[0].outcome == Stopped()
    assert control.situation.phase is Phase.PAUSED
    control.stop()
    qtbot.waitUntil(lambda: len(witness.reports) == 2, timeout=10_000)
    assert (witness.reports[1].task, witness.reports[1].outcome) == (Task.LEARN, Stopped())
    assert control.situation.phase is Phase.IDLE


def test_closing_ends_the_export_and_the_paused_run(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, _, witness = step2
    started(qtbot, control)
    control.pause()
    qtbot.waitUntil(lambda: control.situation.phase is Phase.PAUSED, timeout=10_000)
    monkeypatch.setattr(controller_module, "Export", lambda *_: SmallRun(100_000, slowly))
    export(control, tmp_path / "restored")
    qtbot.waitUntil(lambda: control.situation.phase is Phase.RUNNING, timeout=10_000)
    control.close_soon()
    assert witness.closes == 0
    qtbot.waitUntil(lambda: witness.closes == 1, timeout=10_000)
    assert [report.task for report in witness.reports] == [Task.EXPORT, Task.LEARN]
    assert control.situation.phase is Phase.IDLE


def test_while_a_run_works_an_export_is_not_begun(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path
) -> None:
    control, _, witness = step2
    started(qtbot, control)
    export(control, tmp_path / "restored")
    assert control.situation.task is Task.LEARN
    control.stop()
    assert ended(qtbot, witness).task is Task.LEARN
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("end", ["stopped", "failed", "finished"])
def test_a_run_that_has_ended_has_a_kernel_to_export_with(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path, end: str
) -> None:
    control, run, witness = step2
    run.fails = end == "failed"
    started(qtbot, control)
    if end == "stopped":
        control.stop()
    run.last = end == "finished"
    outcome = ended(qtbot, witness).outcome
    assert isinstance(outcome, {"stopped": Stopped, "failed": Failed, "finished": Completed}[end])
    exported(qtbot, control, witness, tmp_path / "restored")
    assert control.situation.phase is Phase.IDLE


def saved_project(clean: Path, degraded: Path, root: Path, *, update: int) -> Project:
    """A project with step 1 done, step 2 so far, an older psf.safetensors, and newer kernels in its history."""
    project = Project(root, (clean,), (degraded,), Settings())
    project.save()
    for stage, done in ((Stage.FLOW, 10), (Stage.KERNELS, update)):
        notes = {"fingerprint": project.fingerprint(stage), "update": done, "updates": 10}
        save_file({"x": np.zeros(1)}, project.checkpoint(stage), metadata={"ddm": json.dumps(notes)})
    PsfGrid(a_kernel(size=5), 0.01).save(project.psf)
    empty().with_snapshot(KernelSnapshot(64, a_kernel(size=7), 0.01)).write(project.history)
    return project


@pytest.mark.parametrize(("update", "psf", "size"), [(4, True, 7), (4, False, 7), (10, True, 5)])
def test_an_opened_project_offers_the_kernel_of_its_step_two(
    controller: Controller, clean_folder: Path, degraded_folder: Path, tmp_path: Path, update: int, psf: bool, size: int
) -> None:
    project = saved_project(clean_folder, degraded_folder, tmp_path / "project", update=update)
    if not psf:
        project.psf.unlink()
    controller.open_project(project.root)
    assert controller.situation.kernels is (StageState.DONE if update == 10 else StageState.PARTIAL)
    assert controller.situation.has_kernel
    assert controller.psf is not None
    assert controller.psf.size == size


def histories(controller: Controller) -> list[tuple[int, int | None]]:
    """Of each history that the controller tells from now on: how many moments, and the size of the result's kernels."""
    told: list[tuple[int, int | None]] = []
    controller.history_read.connect(
        lambda history, result: told.append((len(history), None if result is None else result.size))
    )
    return told


@pytest.mark.parametrize(("update", "told"), [(4, (1, None)), (10, (1, 5))])
def test_an_opened_project_shows_its_history_and_behind_it_the_result_of_a_whole_run(
    controller: Controller, clean_folder: Path, degraded_folder: Path, tmp_path: Path, update: int, told: tuple
) -> None:
    project = saved_project(clean_folder, degraded_folder, tmp_path / "project", update=update)
    found = histories(controller)
    controller.open_project(project.root)
    assert found == [told]


def test_a_result_is_shown_though_its_history_is_lost(
    controller: Controller, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    project = saved_project(clean_folder, degraded_folder, tmp_path / "project", update=10)
    project.history.unlink()
    found = histories(controller)
    controller.open_project(project.root)
    assert found == [(0, 5)]


def test_a_refused_run_leaves_what_was_learned_in_view(
    controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    project = saved_project(clean_folder, degraded_folder, tmp_path / "project", update=10)
    controller.open_project(project.root)
    clean_folder.rename(tmp_path / "elsewhere")
    found, witness = histories(controller), Witness(controller)
    controller.learn_again()
    assert isinstance(ended(qtbot, witness).outcome, Failed)
    assert found == [(1, 5)]
    assert controller.situation.failed is None
    assert project.kernels_checkpoint.is_file()


@pytest.mark.parametrize("stopped", [True, False])
def test_after_a_run_its_history_is_shown_and_behind_it_its_result(
    ready: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """A stopped run has no result yet."""
    assert ready.folder is not None
    clean, degraded = (ready.sets[role].sources[0] for role in (Role.CLEAN, Role.DEGRADED))
    run = SmallRun(100_000 if stopped else 6, slowly)
    replaced_run(monkeypatch, run)
    witness, found = Witness(ready), histories(ready)
    ready.start()
    qtbot.waitUntil(lambda: run.position > 2, timeout=10_000)
    saved_project(clean, degraded, ready.folder, update=4 if stopped else 10)
    if stopped:
        ready.stop()
    ended(qtbot, witness)
    assert found == [(1, None if stopped else 9)]


# The truth of a simulated set


@pytest.fixture
def simulated(own_folders: Path) -> Path:
    """A simulated set: degraded photos, and the true kernel beside their folder."""
    folder = own_folders / "simulated"
    save_photos(folder / "degraded", 2)
    PsfGrid(a_kernel(size=11), 0.01).save(folder / "truth.safetensors")
    return folder


def truths(controller: Controller) -> list[int | None]:
    """Sizes of the true kernels that the controller tells from now on, None where it tells that none is known."""
    told: list[int | None] = []
    controller.sets.truth_known.connect(lambda psf: told.append(None if psf is None else psf.size))
    return told


@pytest.mark.parametrize("in_set", [True, False])
def test_an_opened_project_on_a_simulated_set_knows_the_true_kernel(
    controller: Controller, clean_folder: Path, degraded_folder: Path, simulated: Path, tmp_path: Path, in_set: bool
) -> None:
    degraded = simulated / "degraded" if in_set else degraded_folder
    Project(tmp_path / "elsewhere", (clean_folder,), (degraded,), Settings()).save()
    told = truths(controller)
    controller.open_project(tmp_path / "elsewhere")
    assert told[-1] == (11 if in_set else None)


def test_the_truth_comes_and_goes_with_the_degraded_photos(
    controller: Controller, clean_folder: Path, degraded_folder: Path, simulated: Path
) -> None:
    told = truths(controller)
    controller.set_sources(Role.DEGRADED, [simulated / "degraded"])
    assert told[-1] == 11
    controller.set_sources(Role.CLEAN, [clean_folder])
    assert told[-1] == 11
    controller.swap_sources()  # now they are the clean ones
    assert told[-1] is None
    controller.swap_sources()
    assert told[-1] == 11
    controller.set_sources(Role.DEGRADED, [degraded_folder])
    assert told[-1] is None
    controller.set_sources(Role.DEGRADED, [simulated / "degraded"])
    controller.new_project()
    assert told[-1] is None


def test_other_clean_photos_leave_the_truth_of_a_saved_project(
    controller: Controller, clean_folder: Path, degraded_folder: Path, simulated: Path, tmp_path: Path
) -> None:
    Project(tmp_path / "project", (clean_folder,), (simulated / "degraded",), Settings()).save()
    controller.open_project(tmp_path / "project")
    told = truths(controller)
    controller.set_sources(Role.CLEAN, [degraded_folder])
    assert told in ([], [11])


def test_a_damaged_truth_is_told_and_nothing_is_shown(
    controller: Controller, qtbot: QtBot, clean_folder: Path, simulated: Path
) -> None:
    (simulated / "truth.safetensors").write_bytes(b"nothing")
    witness, told = Witness(controller), truths(controller)
    controller.set_sources(Role.DEGRADED, [simulated / "degraded"])
    qtbot.waitUntil(lambda: controller.situation.degraded == 2, timeout=10_000)
    assert ["not a PSF file" in trouble.what for trouble in witness.troubles] == [True]
    assert told[-1] is None


# A lens from a file


def a_lens(path: Path, *, rows: int = 1, size: int = 7) -> Path:
    """A file of a lens of rows x 1 kernels."""
    PsfGrid(np.repeat(a_kernel(size=size), rows, axis=0), 0.02).save(path)
    return path


def test_photos_are_restored_with_the_lens_that_was_opened_until_it_is_closed(
    controller: Controller, qtbot: QtBot, clean_folder: Path, degraded_folder: Path, tmp_path: Path
) -> None:
    project = saved_project(clean_folder, degraded_folder, tmp_path / "project", update=10)
    controller.open_project(project.root)
    qtbot.waitUntil(lambda: bool(controller.situation.degraded), timeout=10_000)
    opened: list[str | None] = []
    controller.lenses.opened.connect(lambda lens: opened.append(None if lens is None else lens.name))
    controller.lenses.open(a_lens(tmp_path / "Helios.safetensors"))
    assert opened == ["Helios"]
    assert (controller.psf.size, controller.psf.noise_sigma) == (7, 0.02)
    assert shown(controller.situation).export_tip.endswith("with the opened lens “Helios”")
    controller.lenses.close()
    assert opened == ["Helios", None]
    assert controller.psf.size == 5
    assert shown(controller.situation).export_tip.endswith("with the learned kernel")


def test_a_lens_needs_no_project_to_restore_photos(
    controller: Controller, qtbot: QtBot, degraded_folder: Path, tmp_path: Path
) -> None:
    witness = Witness(controller)
    controller.lenses.open(a_lens(tmp_path / "Helios.safetensors"))
    controller.set_sources(Role.DEGRADED, [degraded_folder])
    qtbot.waitUntil(lambda: bool(controller.situation.degraded), timeout=10_000)
    assert shown(controller.situation).can_export
    exported(qtbot, controller, witness, tmp_path / "restored")


def test_a_run_is_watched_and_so_closes_the_lens_that_was_opened(
    step2: tuple[Controller, Step2, Witness], qtbot: QtBot, tmp_path: Path
) -> None:
    control, _, witness = step2
    control.lenses.open(a_lens(tmp_path / "Helios.safetensors"))
    started(qtbot, control)
    assert control.situation.opened == ""
    control.stop()
    ended(qtbot, witness)


def test_what_is_no_lens_or_cannot_be_compared_is_told_in_sentences(controller: Controller, tmp_path: Path) -> None:
    witness = Witness(controller)
    compared: list[object] = []
    controller.lenses.compared.connect(compared.append)
    (tmp_path / "bad.npz").write_bytes(b"this is no lens")
    controller.lenses.open(tmp_path / "bad.npz")
    assert "not a PSF file" in witness.troubles[0].what
    assert controller.situation.opened == ""
    controller.lenses.open(a_lens(tmp_path / "one.safetensors"))
    controller.compare_lens(a_lens(tmp_path / "two.safetensors", rows=2))
    assert witness.troubles[1].why == "Their grids have 1 x 1 and 2 x 1 kernels."
    assert compared == []
    controller.compare_lens(a_lens(tmp_path / "other.safetensors", size=9))
    assert compared[0].name == "other"  # type: ignore[attr-defined]
    controller.lenses.close()
    assert compared[1:] == [None]


@pytest.mark.parametrize("name", ["copy.safetensors", "lens.npz", "lens.tif", "lens.fits", "lens.png", "lens.pdf"])
def test_a_lens_is_saved_by_the_ending_of_its_name(
    controller: Controller, qtbot: QtBot, tmp_path: Path, name: str
) -> None:
    controller.lenses.open(a_lens(tmp_path / "Helios.safetensors"))
    with qtbot.waitSignal(controller.lenses.saved, timeout=20_000) as told:
        controller.save_lens(tmp_path / name)
    assert told.args == [tmp_path / name]
    assert (tmp_path / name).stat().st_size > 100
    if name.endswith("safetensors"):
        assert PsfGrid.load(tmp_path / name).kernels == pytest.approx(controller.psf.kernels)


def test_a_lens_that_cannot_be_saved_is_told(controller: Controller, qtbot: QtBot, tmp_path: Path) -> None:
    witness = Witness(controller)
    controller.lenses.open(a_lens(tmp_path / "Helios.safetensors"))
    controller.save_lens(tmp_path / "lens.docx")
    qtbot.waitUntil(lambda: len(witness.troubles) == 1, timeout=10_000)
    assert "not the name of a PSF file" in witness.troubles[0].what
