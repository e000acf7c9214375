"""Denoisers of one's own: their files, how they are found, and which one is the default."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file

from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import DenoiserMeasures
from ddm_gui.engine.restore.denoiser_files import (
    DenoiserAbout,
    default_denoiser,
    file_named,
    find_denoiser,
    folder,
    kept,
    read_about,
)
from ddm_gui.engine.restore.denoisers import load_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.learned_denoiser import LearnedDenoiser
from ddm_gui.engine.restore.recipe import Recipe, default_recipe
from ddm_gui.engine.restore.wiener import Wiener

BETTER = DenoiserMeasures(8.0, 10.0, 12.0, psnr_blurred=22.0, psnr_wiener=25.0, psnr_dpir=26.0, parts=8)
WORSE = replace(BETTER, psnr_dpir=24.9)
SETTINGS = DenoiserSettings(width=8, blocks=1, patch_size=16)


def made(
    name: str, created: str = "2026-01-01T00:00:00", measures: DenoiserMeasures | None = BETTER, **settings: Any
) -> Path:
    """A denoiser of random weights, kept under a name."""
    about = DenoiserAbout(3, replace(SETTINGS, **settings), ("/photos",), {"seed": 0}, created, measures)
    network = LearnedDenoiser.without_weights(about).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    network.load_state_dict(
        {key: torch.randn(value.shape, generator=generator) for key, value in network.state_dict().items()}
    )
    path = file_named(name)
    network.save(path)
    return path


def test_a_file_is_read_as_it_was_written() -> None:
    path = made("mine")
    about = read_about(path)
    assert about == DenoiserAbout(3, SETTINGS, ("/photos",), {"seed": 0}, "2026-01-01T00:00:00", BETTER)
    network = load_denoiser(path)
    assert isinstance(network, LearnedDenoiser)
    photo = torch.rand(1, 3, 37, 50)
    assert network.denoised(photo, 0.1).shape == photo.shape
    assert network.denoised(photo[:, :1], 0.1).shape == (1, 1, 37, 50)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_it_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16 gives other pixels for a photo done in tiles."""
    network = load_denoiser(made("mine"))
    photo = torch.rand(1, 3, 32, 32)
    found = network.denoised(photo, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = network.denoised(photo, 0.1)
    assert not torch.equal(found, reduced), "or this test sees nothing"
    monkeypatch.setattr(
        "ddm_gui.engine.flow.velocity.reduced_precision", lambda _: torch.autocast("cpu", torch.bfloat16)
    )
    torch.testing.assert_close(network.denoised(photo, 0.1), found, rtol=0, atol=0)


def test_more_noise_than_it_has_learned_is_taken_for_the_most_of_that() -> None:
    network = load_denoiser(made("mine", most_noise=0.2))
    photo = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(network.denoised(photo, 0.9), network.denoised(photo, 0.2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", 2),
        ("settings", {"width": 10**9}),
        ("settings", {"colour": "blue"}),
        ("measures", {"gain_15": 1.0}),
        ("created", None),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(name: str, value: Any) -> None:
    path = made("mine")
    about = json.loads(DenoiserAbout.to_json(read_about(path)))  # type: ignore[arg-type]
    about[name] = value
    if value is None:
        del about[name]
    save_file(load(path.read_bytes()), path, metadata={"ddm": json.dumps(about)})
    with pytest.raises(UserError, match="damaged"):
        load_denoiser(path)
    assert kept() == []


def test_a_damaged_or_newer_file_is_refused() -> None:
    path = made("mine")
    whole = path.read_bytes()
    tensors = load(whole)
    about = read_about(path)
    assert about is not None
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        load_denoiser(path)
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 4)  # they come in no order
    for broken, reason in (
        ({key: value for key, value in tensors.items() if key != name}, "is missing"),
        (tensors | {name: tensors[name][:1].clone()}, "has the shape"),
        (tensors | {"more": torch.zeros(1)}, "has none"),
        (tensors | {name: torch.full_like(tensors[name], float("nan"))}, "no numbers"),
    ):
        save_file(broken, path, metadata={"ddm": about.to_json()})
        with pytest.raises(UserError, match=reason):
            load_denoiser(path)
    newer = json.loads(about.to_json()) | {"format_version": 99}
    save_file(tensors, path, metadata={"ddm": json.dumps(newer)})
    with pytest.raises(UserError, match="newer"):
        load_denoiser(path)


def test_other_weights_say_nothing_of_themselves(tmp_path: Path) -> None:
    save_file({"conv0.weight": torch.zeros(3)}, tmp_path / "plain.safetensors")
    save_file({"kernels": torch.zeros(3)}, tmp_path / "psf.safetensors", metadata={"ddm": '{"format_version": 1}'})
    (tmp_path / "text.safetensors").write_text("no weights")
    for path in tmp_path.glob("*.safetensors"):
        assert read_about(path) is None


# Where they are, and which is taken


def test_a_denoiser_is_found_by_its_name_or_by_its_file() -> None:
    path = made("my lens")
    assert path == folder() / "my lens.safetensors"
    assert find_denoiser("my lens") == path
    assert find_denoiser(str(path)) == path
    Dpir(denoiser="my lens").check()
    with pytest.raises(UserError, match="my lens") as caught:
        find_denoiser("yours")
    assert "yours" in caught.value.what


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "a\\b", "c:d"])
def test_a_name_that_is_no_file_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="called"):
        file_named(name)


def test_the_person_s_own_folder_is_among_the_data_of_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDM_DENOISERS")
    assert folder().parts[-2:] == ("ddm_gui", "denoisers")


def test_without_a_denoiser_there_is_no_default() -> None:
    assert kept() == []
    assert default_denoiser() is None


def test_the_default_is_the_newest_that_is_better_than_wiener() -> None:
    made("old", "2026-01-01T00:00:00")
    made("new", "2026-01-02T00:00:00")
    made("worse", "2026-01-03T00:00:00", WORSE)
    made("unmeasured", "2026-01-04T00:00:00", None)
    made("linear", "2026-01-05T00:00:00", light="linear")
    assert [one.name for one in kept()] == ["linear", "unmeasured", "worse", "new", "old"]
    for light, name in (("display", "new"), ("linear", "linear")):
        default = default_denoiser(light)
        assert default is not None
        assert default.name == name


def test_none_that_is_worse_than_wiener_is_taken_unasked() -> None:
    made("worse", measures=WORSE)
    assert default_denoiser() is None
    Dpir(denoiser="worse").check()


def test_where_nobody_chose_photos_are_restored_with_the_default_denoiser_or_by_wiener() -> None:
    assert default_recipe("display") == Recipe(Wiener())
    made("mine")
    assert default_recipe("display") == Recipe(Dpir(denoiser="mine"))
    assert default_recipe("linear") == Recipe(Wiener())
