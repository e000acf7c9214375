"""Step 2 for one kernel: which procedure's updates are counted. The way there is in `test_pipeline`."""

from __future__ import annotations

from ddm_gui.engine.matching.uniform_matching import updates_needed, work
from ddm_gui.engine.settings import Settings


def test_the_papers_procedure_has_no_stretches() -> None:
    settings = Settings().with_changes({"procedure": "alternating", "images_kernel": 3200, "batch_size": 32})
    assert updates_needed(settings) == 100
    assert work(settings, 70) == 70.0
