"""Which front end: arguments go to the command line, none opens the window."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """`ddm`: the command line; without an argument it prints its help."""
    from ddm_gui.cli import main as command_line

    return command_line(sys.argv[1:] or ["--help"])


def main_window() -> int:
    """`ddm-gui [project.ddm]`: the window. Qt is imported only here."""
    from ddm_gui.gui.app import run

    project = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    return run(project)


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) > 1 else main_window())
