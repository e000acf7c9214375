"""Settings are valid or refused; none is ignored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.presets import EVERY_PHOTO, PRESETS, with_preset
from ddm_gui.engine.settings import Scope, Settings, setting

from ..conftest import COMPANIONS


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
    base = Settings().with_changes(COMPANIONS.get(item.name, {}))
    for edge in (meta["low"], meta["high"]):
        assert getattr(base.with_changes({item.name: edge}), item.name) == edge
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


# Settings beside each other


ALTERNATING = {"procedure": "alternating"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"parametrisation": "normalised"}, "parametrisation"),
        ({"parametrisation": "deep-linear"}, "parametrisation"),
        ({"whiten": False}, "whiten"),
        ({**ALTERNATING, "parametrisation": "deep-linear", "kernel_size": 8}, "kernel_size"),
        ({"sparse_weight": 0.1}, "sparse_weight"),
        ({"sum_weight": 0.1}, "sum_weight"),
        ({**ALTERNATING, "parametrisation": "normalised", "sum_weight": 0.1}, "sum_weight"),
        ({"smooth_weight": 0.1}, "smooth_weight"),
        ({"rows": 2, "start": "flat"}, "start"),
        ({"rows": 2, "centre_weight": 0.1}, "centre_weight"),
        ({"rows": 2, "gaussian_weight": 0.1}, "gaussian_weight"),
        ({"rows": 2, "smooth_weight": 0.1}, "smooth_weight"),
        ({"patch_size": 34}, "patch_size"),
        ({"clean_aperture": "wide"}, "clean_aperture"),
        ({"degraded_aperture": "0"}, "degraded_aperture"),
        ({"network": "unet", "patch_size": 36}, "patch_size"),
        ({"network": "unet", "attention": 12}, "attention"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_a_reason(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named) as caught:
        Settings().with_changes(changes)
    assert caught.value.why
    assert caught.value.todo


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size": 36},
        {"attention": 12},  # of a network that is not there
        {"network": "unet", "attention": 0},
        {"network": "unet", "multipliers": "1,2,2", "patch_size": 36, "attention": 9},
        {**ALTERNATING, "parametrisation": "deep-linear", "kernel_size": 9, "sum_weight": 1.0, "sparse_weight": 1.0},
        {**ALTERNATING, "whiten": False, "gaussian_weight": 1.0, "centre_weight": 1.0},
        {**ALTERNATING, "rows": 2, "start": "flat", "centre_weight": 1.0, "smooth_weight": 1.0},
    ],
)
def test_settings_that_go_together(changes: dict[str, Any]) -> None:
    assert Settings().with_changes(changes).differences(Settings(), list(Scope)) == sorted(
        changes, key=[item.name for item in fields(Settings)].index
    )


def test_what_does_nothing_beside_the_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def applying(**changes: Any) -> set[str]:
        settings = Settings().with_changes(changes)
        return {
            item.name
            for item in fields(Settings)
            if item.metadata["applies"] is not None and item.metadata["applies"](settings)
        }

    monkeypatch.setattr("ddm_gui.engine.settings.find_spec", lambda name: object())
    assert "vignetting" in applying()
    monkeypatch.setattr("ddm_gui.engine.settings.find_spec", lambda name: None)
    moving = {"averaged_share", "centre_weight", "gaussian_weight"}
    assert applying() == moving | {"candidates", "images_phase", "kernel_rate"}
    field = {"any_size", "misplaced_share"}
    assert applying(rows=2) == field | {"images_phase"}
    assert applying(network="unet") - applying() == {"multipliers", "attention", "dropout"}
    assert applying(schedule="inverse-sqrt") - applying() == {"ramp_up", "decay_from"}
    in_turns = applying(procedure="alternating")
    assert in_turns == moving | {"parametrisation", "free_gain", "alternating_rate"}
    assert applying(procedure="alternating", rows=2) == in_turns | field | {"smooth_weight"}
    assert applying(procedure="alternating", parametrisation="normalised") - in_turns == {"sparse_weight"}
    assert applying(procedure="alternating", parametrisation="deep-linear") - in_turns == {
        "sparse_weight",
        "sum_weight",
    }


def test_a_setting_applies_always_unless_it_says_when() -> None:
    assert setting(1, "Label", "Help.", scope=Scope.RUN).metadata["applies"] is None
    condition = setting(1, "Label", "Help.", scope=Scope.RUN, applies=lambda s: s.channels == 3).metadata["applies"]
    assert [condition(Settings().with_changes({"channels": channels})) for channels in (1, 3)] == [False, True]


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_every_condition_can_be_asked(item: Any) -> None:
    condition = item.metadata["applies"]
    assert condition is None or isinstance(condition(Settings()), bool)


def test_photon_noise_is_of_linear_light() -> None:
    with pytest.raises(UserError, match="linear light"):
        Settings(noise_model="poisson-gaussian")
    settings = Settings(noise_model="poisson-gaussian", light="linear")
    assert settings.photon_noise
    assert not Settings(light="linear").photon_noise
    with pytest.raises(UserError, match="linear light"):
        settings.with_changes({"light": "display"})
    assert not settings.with_changes(EVERY_PHOTO).photon_noise
    for name in PRESETS:  # a preset leaves it as it is
        assert with_preset(settings, name).photon_noise
