"""Odd, damaged and hostile files end in a result or in a sentence, and in nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..bench.hostile import FAULTS, generate, outcome


def test_all_that_is_generated(tmp_path: Path) -> None:
    for name in ("files", "out"):
        (tmp_path / name).mkdir()
    generate(tmp_path / "files")
    found = {path.name: outcome(path, tmp_path / "out") for path in (tmp_path / "files").iterdir()}
    counts = Counter(word for word, _ in found.values())
    assert not any(counts[word] for word in FAULTS), [one for one in found.items() if one[1][0] in FAULTS]
    assert min(counts["kept"], counts["refused"]) > 100
    assert all(sentence for _, sentence in found.values())
    assert all(found[f"claims_30000.{kind}"][1].startswith("It is 30000 x 30000") for kind in ("png", "jpg", "tif"))
    assert all(found[f"turned_{index}.tif"][0] == "kept" for index in range(1, 9))
