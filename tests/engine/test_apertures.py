"""Which f-numbers are asked for, as cameras round them."""

from __future__ import annotations

import pytest

from ddm_gui.engine.apertures import asked, counted, written
from ddm_gui.engine.errors import UserError


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("5.6", (5.6, 5.66, 5.599999904632568), (5.0, 6.3, 2.8, None)),
        ("f/3,5", (3.5, 3.56), (3.2, 4.0)),
        (" F22 ", (22.0, 22.6), (20.0, 25.0)),
        ("11-16", (11.0, 11.3, 13.0, 16.0), (10.0, 18.0, None)),
        ("f/16 - f/11", (11.0, 16.0), (10.0, 18.0)),
    ],
)
def test_an_aperture_or_a_range_of_them(
    text: str, inside: tuple[float, ...], outside: tuple[float | None, ...]
) -> None:
    wanted = asked(text, "clean_aperture")
    assert wanted is not None
    assert [wanted.hold(aperture) for aperture in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)


def test_any_asks_for_nothing() -> None:
    assert asked(" Any", "clean_aperture") is None


@pytest.mark.parametrize("text", ["", "wide", "0", "-5.6", "5.6-", "5-8-11", "1e3", "nan", "5.6\n8"])
def test_what_reads_as_no_aperture_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(UserError, match="clean_aperture") as caught:
        asked(text, "clean_aperture")
    assert "11-16" in caught.value.why


def test_written_as_photographers_do() -> None:
    assert [written(value) for value in (1.8, 2.798, 4.0, 5.599999, 9.96, 22.6)] == [
        *("f/1.8", "f/2.8", "f/4", "f/5.6", "f/10", "f/23")
    ]
    assert counted([16.0, None, 5.6, 5.599999, 1.4]) == "f/1.4 (1), f/5.6 (2), f/16 (1), unknown aperture (1)"
