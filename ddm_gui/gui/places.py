"""Where a project goes when the person names no folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import platformdirs


def default_project_folder(subject: str, day: date) -> Path:
    """A folder that does not exist yet: `<documents>/ddm projects/<subject> <day>`, numbered where that is taken."""
    home = Path(platformdirs.user_documents_dir()) / "ddm projects"
    name = f"{subject} {day.isoformat()}"
    folder = home / name
    number = 2
    while folder.exists():
        folder = home / f"{name} ({number})"
        number += 1
    return folder
