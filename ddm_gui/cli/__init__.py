"""The command line: a file per command; their options are the settings."""

from __future__ import annotations

import argparse
import os
import sys
import traceback

import ddm_gui
from ddm_gui.cli import demo, denoiser, learn, lens, photos, restore, score, simulate
from ddm_gui.cli.exit_codes import BUG, DONE, MENDABLE, UNREAD
from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import allow


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code.

    0 done, 2 the person can mend it, 1 a bug, 130 interrupted, 141 nobody reads what is printed any more (`| head`).
    """
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As Python's manual has it (module signal, "Note on SIGPIPE"): at its end it would print what is left over.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return UNREAD


def _run(argv: list[str] | None) -> int:
    """`main`, while somebody reads what is printed."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return DONE
    reporter = Reporter(as_json=arguments.json)
    if getattr(arguments, "largest_photo", None) is not None:
        allow(arguments.largest_photo)
    try:
        return int(arguments.action(arguments, reporter))
    except UserError as error:
        reporter.error(error)
        return MENDABLE
    except BrokenPipeError:
        raise
    except Exception:  # a bug: its traceback is what whoever mends it needs
        reporter.close()
        traceback.print_exc()
        print(f"This is a bug in ddm_gui {ddm_gui.__version__}; the lines above say where.", file=sys.stderr)
        return BUG


def build_parser() -> argparse.ArgumentParser:
    """The parser of `ddm`, each setting an option of the same name."""
    parser = argparse.ArgumentParser(
        prog="ddm",
        description="Learns how a lens, a microscope or a camera blurs, from ordinary photographs, and takes it away.",
        epilog="Without a command this help is shown. `ddm-gui` opens the window.",
    )
    parser.add_argument("--version", action="version", version=f"ddm_gui {ddm_gui.__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(dest="command", metavar="command")

    for command in (learn, restore, denoiser, photos, lens, score, simulate, demo):
        command.add(commands)
    return parser
