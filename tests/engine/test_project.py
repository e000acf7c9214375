"""A project folder: what is saved is what is opened, wherever it is moved; damaged files are told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Stage
from ddm_gui.engine.project import FORMAT_VERSION, LARGEST_FILE, Project, StageState
from ddm_gui.engine.settings import Settings

NAME = "zdjęcia Großer 写真"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A saved project beside its sources, in folders whose names are not ASCII."""
    settings = Settings().with_changes({"seed": 7, "noise_sigma": 0.02, "channels": 3})
    made = Project(
        tmp_path / NAME / "project",
        (tmp_path / NAME / "clean",),
        (tmp_path / NAME / "degraded", tmp_path / "single.png"),
        settings,
    )
    made.save()
    return made


def test_opened_is_what_was_saved(project: Project) -> None:
    assert Project.open(project.root) == project
    assert Project.open(project.file) == project


def test_a_recipe_is_kept_and_a_project_of_before_there_were_recipes_has_none(project: Project) -> None:
    assert Project.open(project.root).recipe == {}
    recipe = {"restorer": "tv", "strength": 80.0, "settings": {"turns": 10}}
    project.with_recipe(recipe).save()
    assert Project.open(project.root) == project.with_recipe(recipe)
    content = json.loads(project.file.read_text(encoding="utf-8"))
    del content["recipe"]
    project.file.write_text(json.dumps(content), encoding="utf-8")
    assert Project.open(project.root) == project


@pytest.mark.parametrize("damaged", [3, "tv", ["tv"]])
def test_a_recipe_that_is_none_makes_a_project_damaged(project: Project, damaged: object) -> None:
    content = json.loads(project.file.read_text(encoding="utf-8")) | {"recipe": damaged}
    project.file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="not a project file that can be read"):
        Project.open(project.root)


def test_paths_are_written_relative_and_portable(project: Project) -> None:
    content = json.loads(project.file.read_text(encoding="utf-8"))
    assert content["clean"] == ["../clean"]
    assert content["degraded"] == ["../degraded", "../../single.png"]
    assert content["format_version"] == FORMAT_VERSION
    assert content["settings"]["seed"] == 7
    assert "ł" not in project.file.read_text(encoding="utf-8")


def test_a_moved_project_finds_the_sources_that_moved_with_it(project: Project, tmp_path: Path) -> None:
    shutil.move(tmp_path / NAME, tmp_path / "elsewhere")
    opened = Project.open(tmp_path / "elsewhere" / "project")
    assert opened.clean == (tmp_path / "elsewhere" / "clean",)
    assert opened.settings == project.settings


def test_opened_by_a_relative_path_it_holds_absolute_ones(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    assert Project.open(Path()).clean == project.clean
    assert all(path.is_absolute() for path in Project.open(Path("project.ddm")).degraded)


def test_every_file_lies_in_the_folder(project: Project) -> None:
    files = [
        project.file,
        project.flow_checkpoint,
        project.kernels_checkpoint,
        project.history,
        project.psf,
        project.restored,
    ]
    assert len(set(files)) == len(files)
    assert all(path.is_relative_to(project.root) for path in files)
    assert project.flow_checkpoint.parent.is_dir()


def test_with_settings_changes_nothing_else(project: Project) -> None:
    other = project.with_settings(Settings())
    assert other.settings == Settings()
    assert other.with_settings(project.settings) == project


def test_there_is_no_project(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.ddm"):
        with pytest.raises(UserError, match="no project at"):
            Project.open(path)


def changed(project: Project, **changes: Any) -> bytes:
    """The project's file with other entries; those that are None are taken out."""
    content = json.loads(project.file.read_text(encoding="utf-8")) | changes
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


def test_damaged_files_are_told_apart_from_bugs(project: Project) -> None:
    damaged = [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        project.file.read_bytes()[:-20],
        b" " * (LARGEST_FILE + 1),
        changed(project, clean=None),
        changed(project, clean=[1]),
        changed(project, degraded=5),
        changed(project, settings=None),
        changed(project, settings=3),
        changed(project, format_version="new"),
    ]
    for content in damaged:
        project.file.write_bytes(content)
        with pytest.raises(UserError, match="not a project file"):
            Project.open(project.root)


def test_a_newer_project_asks_for_an_update(project: Project) -> None:
    project.file.write_bytes(changed(project, format_version=FORMAT_VERSION + 1))
    with pytest.raises(UserError, match="newer version") as caught:
        Project.open(project.root)
    assert caught.value.todo == "Update the program."


def test_settings_that_are_unknown_or_out_of_bounds_are_refused(project: Project) -> None:
    project.file.write_bytes(changed(project, settings={"kernel_sice": 25}))
    with pytest.raises(UserError, match="no setting called"):
        Project.open(project.root)
    project.file.write_bytes(changed(project, settings={"kernel_size": 9999}))
    with pytest.raises(UserError, match="kernel_size"):
        Project.open(project.root)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be written"):
        Project(tmp_path / "file" / "project", (), (), Settings()).save()


def test_saving_again_leaves_one_file(project: Project) -> None:
    project.with_settings(Settings()).save()
    assert sorted(os.listdir(project.root)) == ["checkpoints", "project.ddm"]
    assert Project.open(project.root).settings == Settings()


# What the checkpoints say


@pytest.fixture
def filled(project: Project) -> Project:
    """The project, with a file in each source: only names, sizes and dates count."""
    for path in (project.clean[0] / "a.png", project.degraded[0] / "b.png", project.degraded[1]):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return project


def checkpoint(project: Project, stage: Stage, update: int, updates: int = 10) -> None:
    """A checkpoint of a step as it is now, after some of its updates."""
    notes = {"fingerprint": project.fingerprint(stage), "update": update, "updates": updates}
    save_file({"x": np.zeros(1)}, project.checkpoint(stage), metadata={"ddm": json.dumps(notes)})


def test_a_step_is_absent_partial_or_done(filled: Project) -> None:
    assert filled.stage_states() == {Stage.FLOW: StageState.ABSENT, Stage.KERNELS: StageState.ABSENT}
    checkpoint(filled, Stage.FLOW, 10)
    checkpoint(filled, Stage.KERNELS, 4)
    assert filled.stage_states() == {Stage.FLOW: StageState.DONE, Stage.KERNELS: StageState.PARTIAL}
    assert filled.changes_since(Stage.KERNELS) == []


@pytest.mark.parametrize(
    ("changes", "flow", "kernels", "named"),
    [
        ({"device": "cpu"}, StageState.DONE, StageState.DONE, []),
        ({"kernel_size": 31}, StageState.DONE, StageState.STALE, ["kernel_size"]),
        ({"patch_size": 48}, StageState.STALE, StageState.STALE, ["patch_size"]),
    ],
)
def test_a_setting_that_a_step_depends_on_makes_it_stale(
    filled: Project, changes: dict[str, Any], flow: StageState, kernels: StageState, named: list[str]
) -> None:
    checkpoint(filled, Stage.FLOW, 10)
    checkpoint(filled, Stage.KERNELS, 10)
    changed_project = filled.with_settings(filled.settings.with_changes(changes))
    assert changed_project.stage_states() == {Stage.FLOW: flow, Stage.KERNELS: kernels}
    assert changed_project.changes_since(Stage.KERNELS) == named


def test_a_rule_for_clean_photos_counts_for_step_one_where_it_begins_with_them(filled: Project) -> None:
    for pretrain, state in ((0, StageState.DONE), (64, StageState.STALE)):
        project = filled.with_settings(filled.settings.with_changes({"images_pretrain": pretrain}))
        checkpoint(project, Stage.FLOW, 10)
        for rule in ({"clean_region": 500}, {"clean_aperture": "5.6"}):
            changed = project.with_settings(project.settings.with_changes(rule))
            assert changed.stage_states()[Stage.FLOW] is state


def test_other_photos_make_the_steps_that_saw_them_stale(filled: Project) -> None:
    checkpoint(filled, Stage.FLOW, 10)
    checkpoint(filled, Stage.KERNELS, 10)
    (filled.clean[0] / "new.png").write_bytes(b"x")
    assert filled.stage_states() == {Stage.FLOW: StageState.DONE, Stage.KERNELS: StageState.STALE}
    assert filled.changes_since(Stage.KERNELS) == ["clean"]
    (filled.degraded[0] / "b.png").write_bytes(b"longer")
    assert filled.stage_states()[Stage.FLOW] is StageState.STALE


def test_a_damaged_checkpoint_counts_as_none(filled: Project) -> None:
    filled.flow_checkpoint.write_bytes(b"text" * 9)
    assert filled.stage_states()[Stage.FLOW] is StageState.ABSENT


# A simulated set
