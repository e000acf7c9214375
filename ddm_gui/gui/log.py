"""Where what went wrong inside the program is written down, for the person who will mend it."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

_logger = logging.getLogger("ddm_gui")


def log_file() -> Path:
    """The log, in the folder that the system has for logs."""
    return platformdirs.user_log_path("ddm_gui", appauthor=False) / "ddm_gui.log"


def write_bug(error: BaseException) -> Path:
    """Appends the traceback to the log, and returns where that is. The log starts anew at 1 MB, one older is kept."""
    file = log_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(file, maxBytes=1 << 20, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _logger.addHandler(handler)
    try:
        _logger.error("a bug", exc_info=(type(error), error, error.__traceback__))
    finally:
        _logger.removeHandler(handler)
        handler.close()
    return file
