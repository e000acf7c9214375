"""Labels, buttons, actions and layouts, as every view makes them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QSizePolicy, QVBoxLayout, QWidget


def label(text: str = "", name: str = "", *, wrap: bool = False) -> QLabel:
    """A label; `name` is its look in the style sheet. Its text is taken as it is: file names may look like HTML."""
    result = QLabel(text)
    result.setTextFormat(Qt.TextFormat.PlainText)
    result.setObjectName(name)
    result.setWordWrap(wrap)
    return result


def show_look(words: QLabel, name: str) -> None:
    """Gives a label another look of the style sheet."""
    if words.objectName() != name:
        words.setObjectName(name)
        words.style().unpolish(words)
        words.style().polish(words)


class Waiting(QLabel):
    """Words in the middle of a place that something will fill; they have no say in how high it is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName("muted")
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)

    def hasHeightForWidth(self) -> bool:
        """Else a layout that shows the words shares out its height in another way than one that does not."""
        return False


def button(text: str, name: str = "", *, checkable: bool = False, default: bool = False) -> QPushButton:
    """A button; `name` is its look in the style sheet."""
    result = QPushButton(text)
    result.setObjectName(name)
    result.setCheckable(checkable)
    result.setDefault(default)
    return result


def action(
    menu: QMenu, text: str, slot: Callable[[], object], shortcut: QKeySequence.StandardKey | str | None = None
) -> QAction:
    """A line of a menu."""
    result = QAction(text, menu)
    result.triggered.connect(lambda: slot())
    if shortcut is not None:
        result.setShortcut(QKeySequence(shortcut))
    menu.addAction(result)
    return result


def vertical(spacing: int, parent: QWidget | None = None) -> QVBoxLayout:
    """A column without margins."""
    result = QVBoxLayout() if parent is None else QVBoxLayout(parent)
    result.setSpacing(spacing)
    result.setContentsMargins(0, 0, 0, 0)
    return result


def horizontal(spacing: int, parent: QWidget | None = None) -> QHBoxLayout:
    """A row without margins."""
    result = QHBoxLayout() if parent is None else QHBoxLayout(parent)
    result.setSpacing(spacing)
    result.setContentsMargins(0, 0, 0, 0)
    return result
