"""A lens on one page: what is on it, and that it is written whole or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddm_gui.engine.blur.kernel_numbers import ColourShift, KernelNumbers, NodeNumbers
from ddm_gui.engine.blur.lens_page import SIZE, described, field_picture, write_page
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.optics import gaussian

NARROW, WIDE = gaussian(9, 0.6), gaussian(9, 2.0)
GREY = PsfGrid(np.array([[[NARROW], [WIDE], [NARROW]], [[WIDE], [NARROW], [WIDE]]]), 0.01)
COLOURED = PsfGrid(np.array([[[NARROW, WIDE, NARROW]]]))


def test_each_kernel_lies_at_its_node() -> None:
    picture = field_picture(GREY)
    assert picture.shape == (2 * 10 - 1, 3 * 10 - 1, 3)
    for row, col in np.ndindex(2, 3):
        tile = picture[10 * row : 10 * row + 9, 10 * col : 10 * col + 9]
        assert tile.max() == 255
        assert (tile[4, 7] > 20).all() == bool((row + col) % 2)  # the wide ones
    tile = field_picture(COLOURED)
    assert tile.shape == (9, 9, 3)
    assert tile[4, 7, 1] > tile[4, 7, 0]


@pytest.mark.parametrize("psf", [GREY, COLOURED])
def test_a_page_is_a_picture_or_a_pdf(tmp_path: Path, psf: PsfGrid) -> None:
    write_page(psf, tmp_path / "läns.png", "Läns 50 mm")
    with Image.open(tmp_path / "läns.png") as page:
        assert page.size == SIZE
        dark = np.asarray(page.convert("L")) < 100
    assert dark[:130, :600].any()  # the title
    assert dark[180:900, 1150:].any()  # the numbers
    assert not dark[:, -40:].any()  # none of them is cut off
    write_page(psf, tmp_path / "lens.PDF", "Lens")
    assert (tmp_path / "lens.PDF").read_bytes().startswith(b"%PDF")


def test_what_is_no_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the name of a page"):
        write_page(GREY, tmp_path / "lens.docx", "Lens")
    with pytest.raises(UserError, match="cannot be written"):
        write_page(GREY, tmp_path / "nowhere" / "lens.png", "Lens")
    assert not list(tmp_path.iterdir())


def test_numbers_in_words() -> None:
    assert described(NodeNumbers(KernelNumbers(4.04, float("nan"), 0.3, 31.4, 0.0), None, 0.871)) == [
        "FWHM 4.0 x ? px",
        "ellipticity 0.30 at 31°",
        "confidence 0.87",
    ]
    shift = ColourShift(red=(0.5, -0.7), blue=(-0.5, 0.72))
    assert described(NodeNumbers(KernelNumbers(2.0, 2.0, 0.01, 0.0, 0.0), shift)) == [
        "FWHM 2.0 x 2.0 px",
        "red 0.7 px to the left, 0.5 px down",
        "blue 0.7 px to the right, 0.5 px up",
    ]
    assert described(NodeNumbers(KernelNumbers(4.0, 2.0, 0.5, 179.9, 0.0)))[1] == "ellipticity 0.50 at 0°"
