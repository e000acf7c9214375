"""A second program from which folders are dragged: a window with one label for each folder.

    python drag_source.py X Y FOLDER...

Prints a JSON list once it is shown: the middle of each label on the screen. Runs until it is ended.
"""

from __future__ import annotations

import json
import sys

from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget


class Source(QLabel):
    """A folder that can be dragged away, as in a file manager."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.setFixedSize(160, 60)
        self._folder = folder

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begins the drag; returns when the button is let go."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            data = QMimeData()
            data.setUrls([QUrl.fromLocalFile(self._folder)])
            drag = QDrag(self)
            drag.setMimeData(data)
            drag.exec(Qt.DropAction.CopyAction)


def main() -> int:
    """Shows the window at a place on the screen."""
    app = QApplication(sys.argv[:1])
    window = QWidget()
    layout = QVBoxLayout(window)
    sources = [Source(folder) for folder in sys.argv[3:]]
    for source in sources:
        layout.addWidget(source)
    window.move(int(sys.argv[1]), int(sys.argv[2]))
    window.show()

    def tell() -> None:
        middles = [source.mapToGlobal(source.rect().center()) for source in sources]
        print(json.dumps([[point.x(), point.y()] for point in middles]), flush=True)

    QTimer.singleShot(500, tell)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
