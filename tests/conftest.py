"""What tests share: where the real photos are, when they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Path:
    """The folder of real photos, kernels and RAW files; a test that asks for it skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DDM_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real test data is absent: {folder} (set DDM_TEST_DATA to where it is)")
    return folder
