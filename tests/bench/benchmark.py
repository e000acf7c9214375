"""How exactly one kernel is found: the rows of the benchmark, each by one command, on photos whose blur is known.

    python tests/bench/benchmark.py ROW [--quick] [--preset quick] [--output DIR] [--data DIR]

Rows: gaussian, coma, shake, noise, unknown-noise, seeds, domain (see ROWS). Each run of a row blurs photos, learns the
kernel from the spectral start and, on the same step 1, from a flat one, restores the photos with what was learned and
with the true kernel, and prints a line. `--quick` makes the first run of a row only. A row that was stopped goes on
where it was; finished runs are not made again. The table goes to stdout, and with date, cores and commit to
OUTPUT/PRESET/ROW.json.

A run counts where the learned kernel beats its start. 'matched' runs take one set of photos split in two: what they
reach and the others do not is the difference between the sets of photos; what they miss as well is the search.

Unpaired photos do not say where a kernel lies, and its centroid, which is put into the middle, moves with each of its
errors; a photo that is restored elsewhere loses PSNR and no detail. 'aligned' is PSNR with the learned kernel moved to
where the true one lies.

The photos (Kodak, CBSD68) and Levin's kernels are not the program's: DIR holds them, by default the folder that the
environment variable DDM_TEST_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import shift
from skimage.registration import phase_cross_correlation

from ddm_gui.engine.blur.psf import PsfGrid, centred
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Result, Stage
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.photo import Photo, find_photos
from ddm_gui.engine.pipeline import learn
from ddm_gui.engine.presets import preset
from ddm_gui.engine.project import Project
from ddm_gui.engine.restore.output import Existing, Output
from ddm_gui.engine.restore.photos import restore_photos
from ddm_gui.engine.scores import score_folders
from ddm_gui.engine.simulate.blurs import ComaBlur, DiscBlur, GaussianBlur, ShakeBlur
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.simulated_psf import simulated_psf
from ddm_gui.engine.simulate.simulated_set import simulate_set
from ddm_gui.engine.training import load_checkpoint, save_checkpoint

NOISE = 0.02
SHAKE = "levin2"  # the camera shake of the rows about noise, seeds and photos
SIZE = 25  # px, of a kernel that is learned, unless the true one is larger
LEAVES, LEAVES_SIZE = 24, 500
COLUMNS = (
    "ncc_start",
    "ncc",
    "ncc_flat",
    "kernel_psnr",
    "psnr_before",
    "psnr",
    "psnr_aligned",
    "psnr_flat",
    "psnr_true",
    "noise_sigma",
)


@dataclass(frozen=True)
class Case:
    """One run: whose kernel, how much noise, which clean photos, and what is set differently from the preset."""

    name: str
    kernel: str
    noise: float = NOISE
    clean: str = "cbsd68"  # a folder of the data, 'matched', 'leaves', or 'grey'
    known_noise: bool = False
    flat: bool = True  # also from a flat start
    seed: int = 0  # of step 2


def both(*names: str) -> list[Case]:
    """Kernels with other photos as clean ones; then, from the spectral start only, with photos of the same set."""
    return [
        *(Case(name, name) for name in names),
        *(Case(f"{name}, matched", name, clean="matched", flat=False) for name in names),
    ]


ROWS: dict[str, list[Case]] = {
    "gaussian": both("gaussian", "anisotropic", "disc"),
    "coma": both("coma", "trefoil"),
    "shake": both("levin1", "levin2", "levin4", "borodenko"),
    "noise": [Case(f"noise {s}", SHAKE, noise=s, known_noise=True, flat=False) for s in (0.0, 0.02, 0.04, 0.08)],
    "unknown-noise": [Case(f"noise {s} learned", SHAKE, noise=s, flat=False) for s in (0.02, 0.04, 0.08)],
    "seeds": [Case(f"seed {seed}", SHAKE, flat=False, seed=seed) for seed in range(5)],
    "domain": [
        Case(f"clean: {clean}", "coma", clean=clean, flat=False) for clean in ("cbsd68", "hires", "leaves", "grey")
    ],
}


def true_psf(kernel: str, noise: float, data: Path) -> PsfGrid:
    """The blur of a case."""
    blurs = {
        "gaussian": GaussianBlur(1.0),
        "anisotropic": GaussianBlur(3.0, 1.5, 57.0),
        "disc": DiscBlur(3.0),
        "coma": ComaBlur(coma=0.3, trefoil=0.15, defocus=0.12, angle=126.0, lateral=0.0, diffraction=0.9, softness=0.8),
        "trefoil": ComaBlur(
            coma=0.0, trefoil=0.35, defocus=0.1, angle=57.0, lateral=0.0, diffraction=0.9, softness=0.8
        ),
        "borodenko": ShakeBlur(0.5),
    }
    if kernel in blurs:
        psf = simulated_psf(blurs[kernel], SIZE, noise, seed=3)
        return replace(psf, kernels=psf.kernels[:, :, 1:2]) if psf.channels == 3 else psf  # one blur for all colours
    levin = np.load(data / "kernels" / "uniform" / "Levin09_converted.npz")["k" + kernel.removeprefix("levin")]
    # Centred, as each kernel that is learned: else restored photos lie beside the sharp ones (by 3 px, Levin's fourth).
    return PsfGrid(centred(levin[None, None, None]), noise, provenance={"kernel": kernel})


def drained(run: Generator[Event, None, Any]) -> list[Event]:
    """All events of a run that is pulled to its end."""
    return list(run)


def known_set(case: Case, place: Path, data: Path) -> KnownSet:
    """The degraded photos of a case, made where they are missing."""
    kodak = data / "photos" / "kodak24"
    psf = true_psf(case.kernel, case.noise, data)
    drained(simulate_set([kodak], place, psf, split=case.clean == "matched"))
    return KnownSet(place)


def clean_photos(case: Case, known: KnownSet, shared: Path, data: Path) -> Path:
    """Where the clean photos of a case are; generated ones are made where they are missing."""
    if case.clean == "matched":
        return known.clean
    if case.clean not in ("leaves", "grey"):
        return data / "photos" / case.clean
    folder = shared / case.clean
    if not folder.is_dir():
        folder.mkdir(parents=True)
        if case.clean == "leaves":
            rng = np.random.default_rng(0)
            for index in range(LEAVES):
                photo.write(Photo(dead_leaves(LEAVES_SIZE, LEAVES_SIZE, rng), 8), folder / f"leaves{index}.png")
        else:
            for path in find_photos([data / "photos" / "cbsd68"]):
                grey = photo.read(path).pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
                photo.write(Photo(grey, 8), folder / f"{path.stem}.png")
    return folder


def lend_step_1(lender: Project, borrower: Project) -> None:
    """Gives a project the step 1 of another on the same degraded photos, whatever the seeds of their step 2."""
    saved = load_checkpoint(lender.flow_checkpoint)
    if saved is None or borrower.flow_checkpoint.is_file():
        return
    tensors, about = saved
    borrower.save()
    save_checkpoint(borrower.flow_checkpoint, tensors, {**about, "fingerprint": borrower.fingerprint(Stage.FLOW)})


def learned(project: Project, truth: Path) -> Result:
    """The closing scores of a project that is learned to its end."""
    closing = drained(learn(project, truth=truth))[-1]
    if not isinstance(closing, Result):
        raise AssertionError("a run ends with its result")
    return closing


def restored_psnr(psf: PsfGrid, known: KnownSet, output: Path) -> float:
    """PSNR in dB of the degraded photos restored with a kernel, less a border of k."""
    drained(restore_photos(find_photos((known.degraded,)), Output(output, existing=Existing.REPLACE), psf))
    return score_folders(output, known.sharp, PsfGrid.load(known.truth).size).psnr_mean


def aligned(psf: PsfGrid, truth: PsfGrid) -> PsfGrid:
    """A learned kernel moved to where the true one lies, to a tenth of a pixel."""
    learned, true = psf.kernels[0, 0], truth.kernels[0, 0].mean(axis=0)
    before, after = (psf.size - truth.size + 1) // 2, (psf.size - truth.size) // 2
    true = np.pad(true, (max(before, 0), max(after, 0)))
    offset, *_ = phase_cross_correlation(true, learned.mean(axis=0), upsample_factor=10, normalization=None)
    moved = np.stack([shift(kernel, offset).clip(0) for kernel in learned])
    moved /= moved.sum(axis=(-2, -1), keepdims=True)
    return replace(psf, kernels=moved[None, None].astype(np.float32))


def run_case(case: Case, place: Path, shared: Path, data: Path, name_of_preset: str) -> dict[str, Any]:
    """All numbers of a run. Photos and steps 1 that several runs need are in `shared`."""
    started = time.monotonic()
    which = f"{case.kernel} {case.noise}{' halved' if case.clean == 'matched' else ''}"
    known = known_set(case, shared / "sets" / which, data)
    truth = PsfGrid.load(known.truth)
    changes: dict[str, Any] = {"kernel_size": max(SIZE, truth.size), "seed": case.seed}
    if case.known_noise:
        changes["noise_sigma"] = case.noise
    settings = preset(name_of_preset).with_changes(changes)
    clean = clean_photos(case, known, shared, data)
    lender = Project(shared / "step 1" / which, (clean,), (known.degraded,), preset(name_of_preset))
    drained(learn(lender, only=Stage.FLOW))
    project = Project(place / "spectral", (clean,), (known.degraded,), settings)
    lend_step_1(lender, project)
    result = learned(project, known.truth)
    found, border = PsfGrid.load(project.psf), truth.size
    row: dict[str, Any] = {
        "ncc_start": result.ncc_start,
        "ncc": result.ncc,
        "kernel_psnr": result.kernel_psnr,
        "noise_sigma": result.noise_sigma,
        "ikl": result.ikl,
        "psnr_before": score_folders(known.degraded, known.sharp, border).psnr_mean,
        "psnr": restored_psnr(found, known, place / "restored"),
        "psnr_aligned": restored_psnr(aligned(found, truth), known, place / "restored, aligned"),
        "psnr_true": restored_psnr(truth, known, place / "restored with the true kernel"),
        "seconds_learning": result.seconds,
    }
    if case.flat:
        flat = Project(place / "flat", (clean,), (known.degraded,), settings.with_changes({"start": "flat"}))
        lend_step_1(lender, flat)
        row["ncc_flat"] = learned(flat, known.truth).ncc
        row["psnr_flat"] = restored_psnr(PsfGrid.load(flat.psf), known, place / "restored from flat")
    row["counts"] = bool(row["ncc"] > row["ncc_start"])
    row["seconds"] = time.monotonic() - started
    return {**asdict(case), **row}


def commit() -> str | None:
    """Which commit is measured, where this is a repository."""
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def printed(row: dict[str, Any]) -> str:
    """A line of the table."""
    numbers = " ".join(f"{row[name]:>11.4f}" if row.get(name) is not None else f"{'-':>11}" for name in COLUMNS)
    return (
        f"{row['name']:24s} {numbers} {row['seconds']:>8.0f}{'' if row['counts'] else '  (no better than its start)'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=list(ROWS))
    parser.add_argument("--quick", action="store_true", help="the first run of the row only")
    parser.add_argument("--preset", default="quick", help="how much effort each run makes (default: quick)")
    parser.add_argument("--output", type=Path, default=Path("benchmark"), help="where all is kept (default: benchmark)")
    parser.add_argument("--data", type=Path, default=os.environ.get("DDM_TEST_DATA"))
    arguments = parser.parse_args()
    if arguments.data is None or not (arguments.data / "photos").is_dir():
        sys.exit("Give --data DIR, or name in DDM_TEST_DATA the folder that holds photos/ and kernels/.")
    root = arguments.output.absolute() / arguments.preset
    table = root / f"{arguments.row}.json"
    done = {row["name"]: row for row in json.loads(table.read_text())["runs"]} if table.is_file() else {}
    about = {
        "row": arguments.row,
        "preset": arguments.preset,
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
    }
    print(f"{'':24s} {' '.join(f'{name:>11}' for name in COLUMNS)} {'seconds':>8}", flush=True)
    for case in ROWS[arguments.row][: 1 if arguments.quick else None]:
        if case.name not in done:
            try:
                place = root / arguments.row / case.name
                found = run_case(case, place, root, arguments.data, arguments.preset)
            except UserError as error:
                print(f"{case.name}: {error}", flush=True)
                continue
            done[case.name] = {**found, "commit": commit()}
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text(json.dumps({**about, "runs": list(done.values())}, indent=1))
        print(printed(done[case.name]), flush=True)


if __name__ == "__main__":
    main()
