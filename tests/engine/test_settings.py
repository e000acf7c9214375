"""Settings are valid or refused; none is ignored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import EFFORT, PRESETS, Scope, Settings, preset, preset_of, setting, with_preset


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no setting called 'kernelsize'") as caught:
        Settings().with_changes({"kernelsize": 9})
    assert "kernel_size" in caught.value.todo


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_every_setting_says_what_it_is_and_holds_its_bounds(item: Any) -> None:
    meta = item.metadata
    assert meta["label"]
    assert meta["help"].endswith(".")
    assert isinstance(meta["scope"], Scope)
    if meta["low"] is None:
        return
    for edge in (meta["low"], meta["high"]):
        assert getattr(Settings().with_changes({item.name: edge}), item.name) == edge
    for beyond in (meta["low"] - 1, meta["high"] + 1, float("nan")):
        with pytest.raises(UserError, match=item.name):
            Settings().with_changes({item.name: beyond})


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "sideways"},
        {"channels": 2},
        {"channels": True},
        {"noise_sigma": "guess"},
        {"noise_sigma": -0.01},
        {"kernel_size": "25"},
        {"kernel_size": None},
        {"seed": True},
        {"mirror_clean": 1},
        {"device": 0},
    ],
)
def test_values_of_the_wrong_kind_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(changes))):
        Settings().with_changes(changes)


def test_numbers_and_words_may_share_a_setting() -> None:
    assert Settings().with_changes({"noise_sigma": 0.02}).noise_sigma == 0.02
    assert Settings().with_changes({"noise_sigma": "learn"}).noise_sigma == "learn"
    assert Settings().with_changes({"channels": None}).channels is None


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        Settings().seed = 1  # type: ignore[misc]


def test_differences_are_told_by_scope() -> None:
    changed = Settings().with_changes({"patch_size": 48, "kernel_size": 31, "device": "cpu"})
    assert changed.differences(Settings(), [Scope.FLOW]) == ["patch_size"]
    assert changed.differences(Settings(), [Scope.FLOW, Scope.KERNELS]) == ["kernel_size", "patch_size"]
    assert changed.differences(Settings(), [Scope.RUN]) == ["device"]
    assert Settings().differences(Settings(), list(Scope)) == []


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_valid(name: str) -> None:
    settings = preset(name)
    assert all(getattr(settings, key) == value for key, value in PRESETS[name].items())


def test_a_preset_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="no preset called 'slow'") as caught:
        preset("slow")
    assert "quick" in caught.value.todo


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_decides_the_effort_and_leaves_the_rest(name: str) -> None:
    mine = Settings().with_changes({EFFORT[0]: 640, "device": "cpu"})
    assert preset_of(mine) is None
    chosen = with_preset(mine, name)
    assert chosen.device == "cpu"
    assert all(getattr(chosen, field) == getattr(preset(name), field) for field in EFFORT)
    assert preset_of(chosen) == name


def test_a_setting_applies_always_unless_it_says_when() -> None:
    assert setting(1, "Label", "Help.", scope=Scope.RUN).metadata["applies"] is None
    condition = setting(1, "Label", "Help.", scope=Scope.RUN, applies=lambda s: s.channels == 3).metadata["applies"]
    assert [condition(Settings().with_changes({"channels": channels})) for channels in (1, 3)] == [False, True]


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_every_condition_can_be_asked(item: Any) -> None:
    condition = item.metadata["applies"]
    assert condition is None or isinstance(condition(Settings()), bool)
