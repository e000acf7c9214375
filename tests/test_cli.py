"""The command line: what can be typed, what is printed, and with which code it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from safetensors.torch import load
from safetensors.torch import save_file as save_tensors

import ddm_gui
from ddm_gui.cli import build_parser, main, score
from ddm_gui.cli.exit_codes import BUG, DONE, INTERRUPTED, MENDABLE, UNREAD
from ddm_gui.cli.options import chosen_settings
from ddm_gui.cli.reporter import Interruption, Reporter, in_words
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.denoiser import trial as denoiser_trial
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, Stage
from ddm_gui.engine.flow import spectrum, train
from ddm_gui.engine.lock import locked
from ddm_gui.engine.lpips import ALEXNET
from ddm_gui.engine.matching import plan, rounds
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.photos.tone_curve import to_linear
from ddm_gui.engine.presets import PRESETS
from ddm_gui.engine.project import Project, StageState, checkpoint_notes
from ddm_gui.engine.restore.denoiser_files import read_about
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate import demo
from ddm_gui.engine.simulate.blurs import BLURS
from ddm_gui.engine.simulate.known_set import KnownSet

from .conftest import COMPANIONS, SmallPhotos

TINY = {
    "kernel-size": 9,
    "patch-size": 16,
    "width": 8,
    "blocks": 1,
    "batch-size": 8,
    "images-flow": 8 * 12,
    "candidates": 0,
    "images-phase": 32,
    "images-kernel": 8 * 12,
    "device": "cpu",
}
RESULT = {"event", "ncc_start", "ncc", "kernel_psnr", "psnr_before", "psnr_after", "psnr_true_kernel", "seconds"}
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def small_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code on fewer patches."""
    monkeypatch.setattr(spectrum, "PATCHES", spectrum.BATCH)
    monkeypatch.setattr(train, "FLOOR_BATCHES", 2)
    monkeypatch.setattr(plan, "ROUND", 4)
    monkeypatch.setattr(rounds, "LISTENING", 2)


def options(**changes: Any) -> list[str]:
    """The tiny settings as they are typed."""
    chosen = TINY | {name.replace("_", "-"): value for name, value in changes.items()}
    return [word for name, value in chosen.items() for word in (f"--{name}", str(value))]


def learn_words(photos: SmallPhotos, project: Path) -> list[str]:
    return ["learn", "--clean", str(photos.clean), "--degraded", str(photos.degraded), "--project", str(project)]


def json_lines(text: str) -> list[dict[str, Any]]:
    """Each line as JSON proper: NaN and Infinity are no part of it."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


# What can be typed


def test_no_argument_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == DONE
    shown = capsys.readouterr().out
    for command in ("learn", "restore", "denoiser", "score", "simulate", "demo"):
        assert command in shown


def test_help_and_version_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["learn"], ["restore"], ["denoiser"], ["score"], ["simulate"], ["demo"]):
        words = [*command, "--help"]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert ddm_gui.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("command", ["learn", "demo"])
def test_every_setting_is_an_option_of_its_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    for item in fields(Settings):
        assert f"--{item.name.replace('_', '-')}" in shown, item.name
    assert all(name in shown for name in PRESETS)


def test_every_setting_of_a_denoiser_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["denoiser", "--help"])
    shown = capsys.readouterr().out
    for item in fields(DenoiserSettings):
        assert f"--{item.name.replace('_', '-')}" in shown, item.name


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_what_is_typed_is_the_setting(item: Any) -> None:
    option = "--" + item.name.replace("_", "-")
    meta = item.metadata
    if isinstance(item.default, bool):
        words, value = [option if not item.default else option.replace("--", "--no-")], not item.default
    elif meta["low"] is not None:
        words, value = [option, str(meta["high"])], meta["high"]
    else:
        free = "cpu" if item.name == "device" else "5.6"  # as text, though it reads as a number
        choices = [choice for choice in meta["choices"] if choice is not None] or [free]
        words, value = [option, str(choices[-1])], choices[-1]
    arguments = build_parser().parse_args(["learn", "--project", "p", *words])
    base = Settings().with_changes(COMPANIONS.get(item.name, {}))
    settings = chosen_settings(arguments, base)
    assert getattr(settings, item.name) == value
    assert settings.differences(base, {item.metadata["scope"]}) in ([item.name], [])


def test_a_preset_and_what_is_typed_beside_it() -> None:
    arguments = build_parser().parse_args(["demo", "--preset", "glance", "--seed", "9", "--noise-sigma", "learn"])
    settings = chosen_settings(arguments, Settings())
    assert settings.seed == 9
    assert settings.with_changes({"seed": 0}) == Settings().with_changes(PRESETS["glance"])


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "--preset", "perfect"],
        ["demo", "--kernel-sice", "25"],
        ["learn"],
        ["learn", "--project", "p", "--only", "restore"],
        ["restore", "--input", "a", "--output", "b"],
        ["simulate", "--clean", "a", "--output", "b"],
        ["simulate", "--clean", "a", "--output", "b", "--kernel", "disc", "--format", "jpeg"],
        ["blur"],
    ],
)
def test_what_cannot_be_typed_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == MENDABLE
    assert "error" in capsys.readouterr().err


# What a person can mend


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kernel-size", "2"], "kernel_size"),
        (["--kernel-size", "25.5"], "kernel_size"),
        (["--kernel-size", "large"], "kernel_size"),
        (["--seed", "1.5"], "seed"),
        (["--noise-sigma", "nan"], "noise_sigma"),
        (["--start", "spectra"], "start"),
        (["--channels", "2"], "channels"),
        (["--rows", "2", "--start", "flat"], "grid"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--truth", "missing.safetensors"], "missing.safetensors"),
    ],
)
def test_a_value_that_cannot_be_is_said_in_a_sentence(
    words: list[str], said: str, small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*learn_words(small_photos, tmp_path / "p"), *words]) == MENDABLE
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_missing_folder_ends_with_2_and_a_sentence(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = small_photos._replace(clean=tmp_path / "nowhere")
    assert main(learn_words(gone, tmp_path / "p")) == MENDABLE
    shown = capsys.readouterr()
    assert "nowhere" in shown.err
    assert shown.err.strip().endswith(".")
    assert not (tmp_path / "p").exists()
    assert main([*learn_words(gone, tmp_path / "p"), "--json"]) == MENDABLE
    (row,) = json_lines(capsys.readouterr().out)
    assert row["event"] == "error"
    assert "nowhere" in row["what"] + row["why"]


@pytest.mark.parametrize(
    "words",
    [
        ["learn", "--project", "{}"],
        ["restore", "--project", "{}", "--input", "{}", "--output", "{}/out"],
        ["score", "--psf", "{}", "--truth", "{}"],
        ["score"],
        ["score", "--photos", "{}", "--sharp", "{}", "--lpips-heads", "{}"],
        ["score", "--psf", "{}", "--truth", "{}", "--lpips-heads", "{}", "--lpips-backbone", "{}"],
    ],
)
def test_a_project_that_is_not_there(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.format(tmp_path) for word in words]) == MENDABLE
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_ends_with_1_and_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: object, reporter: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(score, "run", broken)
    assert main(["score"]) == BUG
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "This is a bug" in shown


# The whole way


@pytest.mark.usefixtures("small_amounts")
def test_learn_restore_and_score(small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project, output = tmp_path / "project", tmp_path / "zdjęcia Großer 写真"
    truth = ["--truth", str(small_photos.truth)]
    assert main([*learn_words(small_photos, project), *options(), *truth, "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    events = {row["event"] for row in rows}
    assert events >= {"estimate", "stage_started", "flow_progress", "kernel_progress", "kernel_snapshot", "stage_done"}
    assert rows[0]["event"] == "estimate"
    last = rows[-1]
    assert last.keys() >= RESULT
    assert last["event"] == "result"
    assert all(value is None or isinstance(value, float) for name, value in last.items() if name != "event")
    assert 0.0 < last["ncc_start"] <= 1.0
    assert 0.0 < last["ncc"] <= 1.0
    assert last["psnr_before"] is None
    assert last["seconds"] > 0
    assert Project.open(project).settings == Settings().with_changes(
        {name.replace("-", "_"): value for name, value in TINY.items()}
    )

    words = ["restore", "--project", str(project), "--input", str(small_photos.degraded), "--output", str(output)]
    assert main([*words, "--json"]) == DONE
    restored = [row for row in json_lines(capsys.readouterr().out) if row["event"] == "photo_restored"]
    assert (restored[-1]["done"], restored[-1]["total"]) == (4, 4)
    assert sorted(path.name for path in output.iterdir()) == sorted(
        path.name for path in small_photos.degraded.iterdir()
    )
    assert photo.read(output / "photo0.png").pixels.shape == photo.read(small_photos.sharp / "photo0.png").pixels.shape

    words = ["score", "--psf", str(project), "--truth", str(small_photos.truth)]
    assert main([*words, "--photos", str(output), "--sharp", str(small_photos.sharp), "--json"]) == DONE
    (row,) = json_lines(capsys.readouterr().out)
    assert row["event"] == "score"
    assert row["ncc"] == pytest.approx(last["ncc"], abs=1e-6)
    assert row["kernel_psnr"] == pytest.approx(last["kernel_psnr"], abs=1e-4)
    assert row["photos"] == 4
    assert row["psnr"] > 15
    assert main(words) == DONE
    assert "ncc" in capsys.readouterr().out


def test_scores_of_equal_things_are_json(small_photos: SmallPhotos, capsys: pytest.CaptureFixture[str]) -> None:
    truth, sharp = str(small_photos.truth), str(small_photos.sharp)
    assert main(["score", "--psf", truth, "--truth", truth, "--photos", sharp, "--sharp", sharp, "--json"]) == DONE
    (row,) = json_lines(capsys.readouterr().out)
    assert row["ncc"] == pytest.approx(1.0)
    assert row["kernel_psnr"] is None
    assert row["psnr"] is None


def test_photos_are_scored_by_lpips_where_its_files_are_given(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone, heads = {}, {}
    for index, layer in enumerate(ALEXNET):
        backbone |= {f"{layer.name}.weight": np.ones(layer.shape, dtype=np.float32)}
        backbone |= {f"{layer.name}.bias": np.linspace(0.0, 1.0, layer.shape[0], dtype=np.float32)}
        heads |= {f"lin{index}.model.1.weight": np.ones((1, layer.shape[0], 1, 1), dtype=np.float32)}
    words = ["score", "--photos", str(small_photos.degraded), "--sharp", str(small_photos.sharp), "--json"]
    for name, tensors in (("backbone", backbone), ("heads", heads)):
        save_file(tensors, tmp_path / f"{name}.safetensors")
        words += [f"--lpips-{name}", str(tmp_path / f"{name}.safetensors")]
    assert main(words) == DONE
    (row,) = json_lines(capsys.readouterr().out)
    assert list(row) == ["event", "psnr", "ssim", "lpips", "photos"]
    assert row["lpips"] > 0.0


@pytest.mark.usefixtures("small_amounts")
def test_a_person_reads_the_estimate_the_steps_and_what_was_left_out(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"text")
    words = ["learn", "--clean", str(small_photos.clean), str(bad), "--degraded", str(small_photos.degraded)]
    assert main([*words, "--project", str(tmp_path / "p"), *options()]) == DONE
    shown = capsys.readouterr()
    assert "This will take about" in shown.err
    assert "step 1" in shown.err
    assert "step 2" in shown.err
    assert shown.err.index("left out") > shown.err.index("step 2")
    assert str(bad) in shown.err
    assert "noise_sigma" in shown.out


@pytest.mark.usefixtures("small_amounts")
def test_steps_one_by_one_and_settings_that_are_kept(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "p"
    assert main([*learn_words(small_photos, project), *options(), "--only", "flow", "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert {row["stage"] for row in rows if row["event"] == "stage_started"} == {"flow"}
    # The project names its folders and settings, so they need not be typed again.
    assert main(["learn", "--project", str(project), "--only", "kernels", "--start", "flat", "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert [row for row in rows if row["event"] in ("flow_progress", "note")] == []
    assert rows[-1]["event"] == "result"
    assert Project.open(project).settings.start == "flat"
    assert Project.open(project).settings.width == 8
    assert main(["learn", "--project", str(project), "--only", "kernels", "--width", "12"]) == MENDABLE
    assert "width" in capsys.readouterr().err


# Simulated sets


def simulate_words(photos: SmallPhotos, output: Path, *words: object) -> list[str]:
    return ["simulate", "--clean", str(photos.clean), "--output", str(output), *map(str, words)]


@pytest.mark.parametrize("kernel", [*(kind for kind in BLURS if kind != "lens"), "a file"])
def test_a_set_is_simulated_by_each_kernel(
    kernel: str, small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = str(small_photos.truth) if kernel == "a file" else kernel
    assert main(simulate_words(small_photos, tmp_path / "my set", "--kernel", chosen, "--json")) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert [row["event"] for row in rows] == ["photo_simulated"] * 4
    known = KnownSet(tmp_path / "my set")
    psf = PsfGrid.load(known.truth)
    assert (psf.size, psf.noise_sigma) == (9 if kernel == "a file" else 25, 0.02)
    assert [photo.read(path).pixels.shape for path in sorted(known.degraded.iterdir())] == [(144, 128, 1)] * 4


def test_what_is_typed_is_simulated(small_photos: SmallPhotos, tmp_path: Path) -> None:
    words = ["--kernel", "gaussian", "--sigma", 3, "--sigma-across", 1.5, "--angle", -30, "--kernel-size", 21]
    words += ["--noise-sigma", 0.05, "--seed", 4, "--split", "--format", "tiff16"]
    assert main(simulate_words(small_photos, tmp_path, *words)) == DONE
    psf = PsfGrid.load(KnownSet(tmp_path).truth)
    about = psf.provenance
    assert about["kernel"].items() >= {"sigma": 3, "sigma_across": 1.5, "angle": -30, "kernel_size": 21}.items()
    assert (about["seed"], about["split"], about["format"], psf.noise_sigma) == (4, True, "tiff16", 0.05)
    assert {path.suffix for folder in ("clean", "degraded") for path in (tmp_path / folder).iterdir()} == {".tif"}


def test_photon_noise_is_simulated_in_linear_light(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    pixels = np.full((90, 80, 3), 0.5, np.float32)
    photo.write(Photo(pixels, 8), clean / "a.png")
    photo.write(Photo(pixels[..., :1], 8), clean / "grey.png")
    words = ["simulate", "--clean", str(clean), "--kernel", "gaussian", "--kernel-size", "9", "--photon-noise", "0.01"]
    assert main([*words, "--output", str(tmp_path / "set")]) == MENDABLE
    assert "--format dng" in capsys.readouterr().err
    words += ["--format", "dng"]
    assert main([*words, "--output", str(tmp_path / "set"), "--photon-noise", "2"]) == MENDABLE
    assert "0.25" in capsys.readouterr().err
    assert main([*words, "--noise-sigma", "0.02", "--output", str(tmp_path / "set")]) == DONE
    said = capsys.readouterr()
    assert "grey.png is grey" in said.err
    assert "--light linear --noise-model poisson-gaussian" in said.out
    known = KnownSet(tmp_path / "set")
    psf = PsfGrid.load(known.truth)
    assert psf.photon_noise == PhotonNoise(0.01, 0.02**2)
    assert psf.light == "linear"
    taken, sharp = (photo.read(folder / "a.dng", "linear") for folder in (known.degraded, known.sharp))
    assert np.abs(sharp.pixels - to_linear(photo.read(clean / "a.png").pixels)).max() < 2 / 65535
    variance = (taken.pixels - sharp.pixels).var()
    assert variance == pytest.approx(0.01 * sharp.pixels.mean() + 0.02**2, rel=0.1)
    assert main(["lens", "--psf", str(known.truth)]) == DONE
    shown = capsys.readouterr().out.splitlines()[0]
    assert shown == "Noise 4.69 % of white at middle grey, 2.00 % at black, 10.20 % at white"
    assert main([*words, "--kernel", str(known.truth), "--output", str(tmp_path / "own")]) == MENDABLE  # two sizes
    again = ["simulate", "--clean", str(clean), "--kernel", str(known.truth), "--output", str(tmp_path / "again")]
    assert main(again) == MENDABLE
    assert "linear light" in capsys.readouterr().err
    assert main([*again, "--format", "dng"]) == DONE
    assert PsfGrid.load(KnownSet(tmp_path / "again").truth).photon_noise == psf.photon_noise
    learned = tmp_path / "learned.safetensors"
    PsfGrid(psf.kernels, light="linear", photon_noise=PhotonNoise(0.011, 0.02**2)).save(learned)
    capsys.readouterr()
    assert main(["score", "--psf", str(learned), "--truth", str(known.truth), "--json"]) == DONE
    (scores,) = json_lines(capsys.readouterr().out)
    assert (scores["shot_noise_ratio"], scores["read_noise_ratio"]) == pytest.approx((1.1, 1.0))


def test_noise_that_is_typed_beside_a_file_counts(small_photos: SmallPhotos, tmp_path: Path) -> None:
    assert main(simulate_words(small_photos, tmp_path, "--kernel", small_photos.truth, "--noise-sigma", 0)) == DONE
    assert PsfGrid.load(KnownSet(tmp_path).truth).noise_sigma == 0.0


def test_a_person_reads_where_the_set_is_and_what_to_try(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = KnownSet(tmp_path / "my set")
    assert main(simulate_words(small_photos, known.root, "--kernel", "disc", "--split")) == DONE
    shown = capsys.readouterr().out
    assert all(str(folder) in shown for folder in (known.degraded, known.sharp, known.truth))
    assert f'ddm learn --clean "{known.clean}" --degraded "{known.degraded}" --project' in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gaussian", "--radius", "2"], "--radius does not belong"),
        (["shake", "--angle", "2"], "--angle does not belong"),
        (["coma", "--sigma-across", "2"], "--sigma-across does not belong"),
        (["{truth}", "--sigma", "2"], "--sigma does not belong"),
        (["{truth}", "--kernel-size", "9"], "--kernel-size does not belong"),
        (["gaussian", "--sigma", "0"], "sigma"),
        (["gaussian", "--sigma", "wide"], "sigma"),
        (["gaussian", "--angle", "10"], "no angle"),
        (["disc", "--radius", "12.5"], "cannot hold"),
        (["shake", "--intensity", "1.5"], "intensity"),
        (["disc", "--noise-sigma", "nan"], "noise_sigma"),
        (["{truth}", "--noise-sigma", "0.7"], "noise_sigma"),
        (["disc", "--seed", "-1"], "seed"),
        (["disc", "--kernel-size", "64"], "kernel_size"),
        (["box"], "no kernel called box"),
        (["{clean}/photo0.png"], "not a PSF file"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_sentence(
    words: list[str], said: str, small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [word.format(truth=small_photos.truth, clean=small_photos.clean) for word in words]
    assert main(simulate_words(small_photos, tmp_path / "set", "--kernel", *typed)) == MENDABLE
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.strip().endswith(".")
    assert "Traceback" not in shown.err
    assert not (tmp_path / "set").exists()


def test_a_lens_is_simulated_and_photos_are_restored_and_scored_with_its_grid(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = KnownSet(tmp_path / "set")
    words = ["--lens", "--rows", 2, "--cols", 3, "--kernel-size", 11, "--noise-sigma", 0.005]
    assert main(simulate_words(small_photos, known.root, *words)) == DONE
    assert "--preset lens --rows 2 --cols 3" in capsys.readouterr().out
    output = tmp_path / "restored"
    assert main(["restore", "--psf", str(known.truth), "--input", str(known.degraded), "--output", str(output)]) == DONE
    capsys.readouterr()
    psnr = []
    for photos in (known.degraded, output):
        assert main(["score", "--photos", str(photos), "--sharp", str(known.sharp), "--border", "11", "--json"]) == DONE
        psnr.append(json_lines(capsys.readouterr().out)[0]["psnr"])
    assert psnr[1] > psnr[0] + 1.0
    assert main(["score", "--psf", str(known.truth), "--truth", str(known.truth), "--json"]) == DONE
    assert json_lines(capsys.readouterr().out)[0]["ncc"] == pytest.approx(1.0)
    assert main(["score", "--psf", str(known.truth), "--truth", str(small_photos.truth)]) == MENDABLE
    assert "2 x 3 and 1 x 1" in capsys.readouterr().err


def test_photos_are_restored_by_the_restorer_that_was_chosen(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["restore", "--psf", str(small_photos.truth), "--input", str(small_photos.degraded / "photo0.png")]

    def restored(name: str, *more: str) -> np.ndarray:
        assert main([*words, "--output", str(tmp_path / name), *more]) == DONE
        return photo.read(tmp_path / name / "photo0.png").pixels

    degraded = photo.read(small_photos.degraded / "photo0.png").pixels
    sharp = photo.read(small_photos.sharp / "photo0.png").pixels
    full, half = restored("full", "--restorer", "tv"), restored("half", "--restorer", "tv", "--strength", "50")
    assert np.square(full - sharp).mean() < 0.7 * np.square(degraded - sharp).mean()
    np.testing.assert_allclose(half, (full + degraded) / 2, atol=0.02)
    assert "look at" not in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path / "x"), "--restorer", "wiener", "--weight", "1"]) == MENDABLE
    assert "weight does not belong to the restorer wiener" in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path / "x"), "--restorer", "dpir"]) == MENDABLE
    assert "weights" in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path / "json"), "--json"]) == DONE
    assert 0.3 < json_lines(capsys.readouterr().out)[-1]["residual"] < 1.5


DENOISER = ["--images", "96", "--patch-size", "16", "--width", "8", "--blocks", "1", "--batch-size", "8"]


def test_a_denoiser_is_learned_and_restores_by_its_name(
    small_photos: SmallPhotos,
    own_denoisers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(denoiser_trial, "PARTS", 2)
    words = ["denoiser", "--clean", str(small_photos.clean), *DENOISER, "--device", "cpu"]
    assert main([*words, "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert [row["event"] for row in rows].count("denoiser_tried") == 2
    assert rows[-1]["event"] == "denoiser_result"
    assert rows[-1]["path"] == str(own_denoisers / "clean.safetensors")
    assert {"gain_15", "gain_25", "gain_50", "psnr_blurred", "psnr_wiener", "psnr_dpir"} <= set(rows[-1])
    assert main([*words, "--name", "mine"]) == DONE
    shown = capsys.readouterr()
    assert "loss" in shown.err
    assert f"The denoiser is {own_denoisers / 'mine.safetensors'}." in shown.out
    assert "psnr_dpir" in shown.out
    assert main([*words, "--output", str(tmp_path / "elsewhere.safetensors")]) == DONE
    assert (tmp_path / "elsewhere.safetensors").is_file()
    assert main([*words, "--name", "a/b"]) == MENDABLE
    assert main([*words, "--output", str(tmp_path / "elsewhere.pth")]) == MENDABLE
    restore = ["restore", "--psf", str(small_photos.truth), "--input", str(small_photos.degraded / "photo0.png")]
    capsys.readouterr()
    for name in ("mine", str(tmp_path / "elsewhere.safetensors")):
        assert main([*restore, "--output", str(tmp_path / "restored"), "--replace", "--denoiser", name]) == DONE
    assert "Restoring with" not in capsys.readouterr().err, "what was asked for need not be said"
    assert main([*restore, "--output", str(tmp_path / "restored"), "--denoiser", "2026"]) == MENDABLE
    assert "Your own are: mine, clean." in capsys.readouterr().err


def test_a_denoiser_that_beats_wiener_is_the_default_and_no_other(
    small_photos: SmallPhotos,
    own_denoisers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(denoiser_trial, "PARTS", 1)
    assert main(["denoiser", "--clean", str(small_photos.clean), *DENOISER, "--device", "cpu"]) == DONE
    path = own_denoisers / "clean.safetensors"
    about = read_about(path)
    assert about is not None
    assert about.measures is not None
    words = ["restore", "--psf", str(small_photos.truth), "--input", str(small_photos.degraded / "photo0.png")]

    def restored(folder: str, *more: str) -> bytes:
        assert main([*words, "--output", str(tmp_path / folder), *more]) == DONE
        return (tmp_path / folder / "photo0.png").read_bytes()

    def keep(psnr_dpir: float) -> None:
        measures = replace(about.measures, psnr_wiener=25.0, psnr_dpir=psnr_dpir)
        save_tensors(load(path.read_bytes()), path, metadata={"ddm": replace(about, measures=measures).to_json()})

    wiener = restored("wiener", "--restorer", "wiener")
    dpir = restored("dpir", "--restorer", "dpir", "--denoiser", "clean")
    assert wiener != dpir
    keep(24.9)
    capsys.readouterr()
    assert restored("worse") == wiener
    assert "denoiser" not in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path / "x"), "--restorer", "dpir"]) == MENDABLE
    keep(25.1)
    capsys.readouterr()
    assert restored("better") == dpir
    said = capsys.readouterr().err
    assert "the denoiser that you learned, clean" in said
    assert "--restorer wiener" in said
    assert restored("asked for", "--restorer", "dpir") == dpir
    assert restored("wiener again", "--restorer", "wiener") == wiener
    assert "Restoring with" in capsys.readouterr().err


def test_each_restored_photo_has_a_receipt_and_private_data_may_go(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = exif.to_bytes({271: "Canon", exif.GPS_DIRECTORY: {1: "N", 2: (48.0, 51.0, 0.0)}})
    pixels = photo.read(small_photos.degraded / "photo0.png").pixels
    photo.write(photo.Photo(pixels, 16, metadata=Metadata(tags)), tmp_path / "a.tif")
    words = ["restore", "--psf", str(small_photos.truth), "--input", str(tmp_path / "a.tif")]
    assert main([*words, "--output", str(tmp_path / "out")]) == DONE
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'a.tif'}: 16-bit, 3 of 3 tags\n"
    assert main([*words, "--output", str(tmp_path / "bare"), "--strip-private", "--json"]) == DONE
    receipt = json_lines(capsys.readouterr().out)[-1]["receipt"]
    assert receipt["line"] == "16-bit, 1 of 1 tags; taken out: position"
    assert (receipt["tags_kept"], receipt["taken"], receipt["lost"], receipt["exact"]) == (1, ["position"], [], True)
    assert photo.read(tmp_path / "bare" / "a.tif").depth == 16


def test_restored_photos_have_the_names_and_the_depth_that_were_typed(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["restore", "--psf", str(small_photos.truth), "--input", str(small_photos.degraded / "photo0.png")]
    words += ["--output", str(tmp_path / "out")]
    assert main([*words, "--name", "{lens} {n} {stem}", "--format", "tiff", "--depth", "float"]) == DONE
    assert photo.read(tmp_path / "out" / "unknown lens 1 photo0.tif").depth == 32
    capsys.readouterr()
    for wrong, said in (
        (["--name", "{title}"], "There is no field {title}"),
        (["--format", "jpeg", "--depth", "16"], "JPEG is not written with 16 bits"),
        (["--quality", "0"], "The quality cannot be 0"),
    ):
        assert main([*words, *wrong]) == MENDABLE
        assert said in capsys.readouterr().err
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_restored_photo_is_replaced_kept_or_numbered_only_where_that_is_said(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["restore", "--psf", str(small_photos.truth), "--input", str(small_photos.degraded / "photo0.png")]
    words += ["--output", str(tmp_path)]
    result = tmp_path / "photo0.png"
    assert main(words) == DONE
    capsys.readouterr()
    first = result.stat().st_mtime_ns
    assert main(words) == MENDABLE
    assert "1 of 1 files are there already" in capsys.readouterr().err
    assert main([*words, "--only-missing"]) == DONE
    assert "left as they are: 1" in capsys.readouterr().err
    assert result.stat().st_mtime_ns == first
    assert main([*words, "--number"]) == DONE
    assert (tmp_path / "photo0_2.png").read_bytes() == result.read_bytes()
    assert result.stat().st_mtime_ns == first
    assert main([*words, "--replace"]) == DONE
    assert "are replaced" in capsys.readouterr().err
    assert result.stat().st_mtime_ns > first
    with pytest.raises(SystemExit):
        main([*words, "--replace", "--number"])


def test_the_limit_on_sizes_can_be_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(photo.LIMIT, "0.0005")
    photo.write(Photo(np.full((30, 40, 1), 0.5, dtype=np.float32), 8), tmp_path / "a.png")
    assert main(["photos", str(tmp_path)]) == DONE
    reason = "It is 40 x 30 pixels, more than 0.0005 megapixels. Where it really is so large, allow 1"
    assert reason in capsys.readouterr().err
    assert main(["photos", str(tmp_path), "--largest-photo", "1"]) == DONE
    assert "40 x 30" in capsys.readouterr().out


def test_photos_are_told_by_camera_lens_aperture_and_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, aperture in (("a", 5.6), ("b", 16.0), ("c", 16.0)):
        tags = {271: "Canon", 272: "Canon EOS 6D", exif.EXIF_DIRECTORY: {33437: aperture, 37386: 50.0}}
        pixels = np.full((20, 30, 3), 0.5, np.float32)
        photo.write(photo.Photo(pixels, 8, metadata=Metadata(exif.to_bytes(tags))), tmp_path / f"{name}.jpg")
    (tmp_path / "d.jpg").write_bytes(b"no photo")
    assert main(["photos", str(tmp_path)]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "Canon EOS 6D, unknown lens, f/16, 30 x 20: 2"
    assert lines[1] == f"    {tmp_path / 'b.jpg'}, 50 mm"
    assert lines[3] == "Canon EOS 6D, unknown lens, f/5.6, 30 x 20: 1"
    assert "d.jpg" in told.err
    assert main(["photos", str(tmp_path), "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["photo_skipped"] + ["photo"] * 3 + ["group"] * 2
    assert events[1]["aperture"] == 5.6
    assert events[1]["lens"] is None
    assert events[4]["photos"] == [str(tmp_path / "b.jpg"), str(tmp_path / "c.jpg")]


def test_a_lens_is_told_in_numbers_and_written_for_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = 11
    wide = np.full((size, size), 1e-9)
    wide[4:7, 2:9] = 1 / 21
    psf = tmp_path / "psf.safetensors"
    PsfGrid(np.broadcast_to(wide, (1, 2, 3, size, size)), 0.01).save(psf)
    assert main(["lens", "--psf", str(psf)]) == DONE
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Noise 1.00 % of white"
    assert len(shown) == 3
    assert shown[2].startswith("row 0, column 1: FWHM ")
    assert "red 0.0 px to the right" in shown[2]
    assert main(["lens", "--psf", str(psf), "--json"]) == DONE
    lens, *rows = json_lines(capsys.readouterr().out)
    assert lens == {"event": "lens", "light": "display", "noise_sigma": 0.01, "photon_noise": None}
    assert [(row["event"], row["row"], row["col"]) for row in rows] == [("kernel", 0, 0), ("kernel", 0, 1)]
    assert rows[0]["fwhm_long"] == pytest.approx(7.0, abs=0.5)
    assert rows[0]["red_shift"] == pytest.approx([0.0, 0.0], abs=1e-6)
    for name in ("lens.npz", "lens.pdf"):
        assert main(["lens", "--psf", str(psf), "--output", str(tmp_path / name)]) == DONE
        assert (tmp_path / name).stat().st_size > 1000
    assert main(["lens", "--psf", str(tmp_path / "lens.npz")]) == DONE
    assert main(["lens", "--psf", str(psf), "--output", str(tmp_path / "lens.doc")]) == MENDABLE
    assert "lens.doc is not the name of a PSF file" in capsys.readouterr().err


@pytest.mark.usefixtures("small_amounts")
def test_a_simulated_set_is_learned_and_scored_without_naming_its_truth(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = KnownSet(tmp_path / "set")
    assert main(simulate_words(small_photos, known.root, "--kernel", small_photos.truth)) == DONE
    words = learn_words(small_photos._replace(degraded=known.degraded, clean=small_photos.sharp), tmp_path / "p")
    capsys.readouterr()
    assert main([*words, *options(), "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert rows[0]["event"] == "note"
    assert str(known.truth) in rows[0]["text"]
    assert 0.0 < rows[-1]["ncc"] <= 1.0


@pytest.mark.usefixtures("small_amounts")
def test_the_demo_ends_with_all_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On two small generated pictures a side; tests/engine/test_demo.py looks at the demo itself."""
    monkeypatch.setattr(demo, "CLEAN_SCENES", ())
    monkeypatch.setattr(demo, "DEGRADED_SCENES", ())
    monkeypatch.setattr(demo, "LEAVES", 2)
    monkeypatch.setattr(demo, "LEAVES_SIZE", 128)
    assert main(["demo", "--output", str(tmp_path), *options(kernel_size=15), "--json"]) == DONE
    last = json_lines(capsys.readouterr().out)[-1]
    assert last["event"] == "result"
    assert [name for name in RESULT if last[name] is None] == []
    learned = PsfGrid.load(tmp_path / "project" / "psf.safetensors")
    assert learned.kernels.shape == (1, 1, 3, 15, 15)
    # Typed again without its settings it finds all done: how to resume is said without them too.
    assert main(["demo", "--output", str(tmp_path), "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert not [row for row in rows if row["event"] in ("flow_progress", "kernel_progress")]
    np.testing.assert_array_equal(PsfGrid.load(tmp_path / "project" / "psf.safetensors").kernels, learned.kernels)


# Interrupted


def endless(closed: list[bool], number: signal.Signals, times: int = 1) -> Generator[Event, None, None]:
    """A run in which someone presses Ctrl-C."""
    try:
        yield Note("begun")
        for _ in range(times):
            signal.raise_signal(number)
        while True:
            yield Note("on")
    except GeneratorExit:
        closed.append(True)
        raise


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_run_and_says_how_to_go_on(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before, closed = signal.getsignal(number), list[bool]()
    assert Reporter(as_json=False).run(endless(closed, number), "ddm learn --project p") == INTERRUPTED
    assert closed == [True]
    assert "To go on: ddm learn --project p" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_a_second_signal_ends_at_once() -> None:
    with pytest.raises(SystemExit) as ended:
        Reporter(as_json=False).run(endless([], signal.SIGINT, times=2), "")
    assert ended.value.code == INTERRUPTED


def test_signals_are_given_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(UserError), Interruption():
        raise UserError("x")
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to a process of its own")
def test_ctrl_c_in_a_real_process_keeps_a_checkpoint_that_is_gone_on_from(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my project"
    words = [*learn_words(small_photos, folder), *options(images_flow=8 * 300), "--only", "flow", "--json"]
    command = [sys.executable, "-m", "ddm_gui", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "flow_progress":
                break
        process.send_signal(signal.SIGINT)
        rest, said = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=60) == INTERRUPTED
    json_lines(rest)
    assert f'To go on: ddm learn --project "{folder}"' in said
    assert "Traceback" not in said
    project = Project.open(folder)
    assert project.stage_states()[Stage.FLOW] is StageState.PARTIAL
    about = checkpoint_notes(project.flow_checkpoint)
    assert about is not None
    assert 0 < about["update"] < 300

    assert main(["learn", "--project", str(folder), "--only", "flow", "--json"]) == DONE
    rows = json_lines(capsys.readouterr().out)
    assert next(row["images_seen"] for row in rows if row["event"] == "stage_started") == 8 * about["update"]
    assert project.stage_states()[Stage.FLOW] is StageState.DONE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to a process of its own")
def test_ctrl_c_keeps_what_a_denoiser_has_learned_and_the_same_command_goes_on(
    small_photos: SmallPhotos, own_denoisers: Path
) -> None:
    words = ["denoiser", "--clean", str(small_photos.clean), *DENOISER, "--images", "80000", "--json"]
    command = [sys.executable, "-m", "ddm_gui", *words]
    starts = []
    for _ in range(2):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                row = json.loads(line)
                if row["event"] == "stage_started":
                    starts.append(row["images_seen"])
                if row["event"] == "flow_progress":
                    break
            process.send_signal(signal.SIGINT)
            _, said = process.stdout.read(), process.stderr.read()
            assert process.wait(timeout=60) == INTERRUPTED
        assert "To go on: the same command" in said
        assert "Traceback" not in said
    about = checkpoint_notes(own_denoisers / "clean.training" / "checkpoint.safetensors")
    assert about is not None
    assert starts[0] == 0
    assert 0 < starts[1] < 8 * about["update"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to a process of its own")
def test_ctrl_c_leaves_a_simulated_set_without_half_a_photo_to_go_on_from(
    small_photos: SmallPhotos, tmp_path: Path
) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    pixels = photo.read(small_photos.sharp / "photo0.png").pixels
    for index in range(200):
        photo.write(photo.Photo(pixels, 8), inputs / f"{index:03d}.png")
    known = KnownSet(tmp_path / "set")
    words = ["simulate", "--clean", str(inputs), "--output", str(known.root), "--kernel", "shake", "--json"]
    command = [sys.executable, "-m", "ddm_gui", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, said = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=60) == INTERRUPTED
    assert "Traceback" not in said
    written = sorted(path.name for path in known.degraded.iterdir())
    assert 1 <= len(written) == 1 + len(json_lines(rest)) < 200
    assert sorted(path.name for path in known.sharp.iterdir()) == written
    assert all(photo.read(known.degraded / name).pixels.shape == pixels.shape for name in written)
    assert not known.truth.exists()
    assert main(words) == DONE
    assert len(list(known.degraded.iterdir())) == 200
    assert known.truth.is_file()


def test_a_reader_that_goes_away_ends_the_run_quietly_and_its_checkpoint_is_kept(
    small_photos: SmallPhotos, tmp_path: Path
) -> None:
    """As in `ddm learn … --json | head`."""
    words = [*learn_words(small_photos, tmp_path / "p"), *options(images_flow=8 * 300), "--only", "flow", "--json"]
    command = [sys.executable, "-m", "ddm_gui", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "flow_progress":
                break
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == UNREAD
    project = Project.open(tmp_path / "p")
    assert project.stage_states()[Stage.FLOW] is StageState.PARTIAL
    about = checkpoint_notes(project.flow_checkpoint)
    assert about is not None
    assert 0 < about["update"] < 300


def test_a_demo_in_a_folder_where_another_is_at_work_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path):
        assert main(["demo", "--output", str(tmp_path)]) == MENDABLE
    assert "Another run is at work" in capsys.readouterr().err
    assert not (tmp_path / "degraded").exists()


def test_a_second_process_on_the_same_project_ends_with_2_until_the_first_is_gone(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my project"
    words = [*learn_words(small_photos, folder), *options(images_flow=8 * 4000), "--only", "flow", "--json"]
    again = [*learn_words(small_photos, folder), *options(images_flow=64), "--only", "flow", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "ddm_gui", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "flow_progress":
                break
        before = Project.open(folder)
        assert main(again) == MENDABLE
        (row,) = json_lines(capsys.readouterr().out)
        assert row["what"] == f"Another run is at work in {folder}."
        assert str(process.pid) in row["why"]
        assert Project.open(folder) == before
        process.kill()
    assert main(again) == DONE


# Words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 seconds"), (89.0, "89 seconds"), (480.0, "8 minutes"), (9000.0, "2.5 hours")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_photos_of_a_project_are_restored_by_its_recipe_unless_it_is_said_otherwise(
    small_photos: SmallPhotos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe(TotalVariation(turns=3), 60.0)
    project = Project(tmp_path / "p", (small_photos.clean,), (small_photos.degraded,), Settings(), recipe.content())
    project.save()
    shutil.copy(small_photos.truth, project.psf)
    degraded = small_photos.degraded / "photo0.png"

    def restored(name: str, *more: str) -> np.ndarray:
        words = ["restore", "--project", str(project.root), "--input", str(degraded), "--output", str(tmp_path / name)]
        assert main([*words, *more]) == DONE
        return photo.read(tmp_path / name / "photo0.png").pixels

    def wanted(how: Recipe) -> np.ndarray:
        return restore_photo(photo.read(degraded), PsfGrid.load(project.psf), how).pixels

    half_step = 0.5 / 255 + 1e-6
    for name, more, how in (
        ("saved", (), recipe),
        ("stronger", ("--strength", "100"), Recipe(TotalVariation(turns=3))),
        ("smoother", ("--weight", "0.5"), Recipe(TotalVariation(weight=0.5, turns=3), 60.0)),
        ("other", ("--restorer", "wiener"), Recipe(strength=60.0)),
    ):
        np.testing.assert_allclose(restored(name, *more), wanted(how), atol=half_step, err_msg=name)
    project.with_recipe({"restorer": "tv"}).save()
    words = ["restore", "--project", str(project.root), "--input", str(degraded), "--output", str(tmp_path / "x")]
    assert main(words) == MENDABLE
    assert "recipe that is saved in the project" in capsys.readouterr().err
