"""Where restored photos go: folder, names, format, depth, quality, private data, and what of files that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from ddm_gui.engine.photos.naming import FIELDS, OWN_NAME
from ddm_gui.engine.photos.photo_files import DEPTH_WORDS, DEPTHS, FORMATS, KINDS
from ddm_gui.engine.restore.output import Existing, Output, Planned
from ddm_gui.gui.dialogs import plain
from ddm_gui.gui.parts import horizontal, label
from ddm_gui.gui.words import photos

FORMAT_WORDS = {"same": "As each photo is", "png": "PNG", "tiff": "TIFF", "jpeg": "JPEG"}
AS_IT_IS = "As each photo has it"
EXISTING_WORDS = {
    Existing.KEEP: "Leave what is whole, restore the others",
    Existing.REPLACE: "Replace them",
    Existing.NUMBER: "Keep both: number the new ones",
}
NAME_WIDTH = 260  # px


class ExportForm(QWidget):
    """All that a person can choose; `example` shows what comes of the first photo's name."""

    changed = Signal()

    def __init__(self, originals: Sequence[Path], folder: Path) -> None:
        super().__init__()
        self._has_jpeg = any(path.suffix.lower() in KINDS["JPEG"] for path in originals)
        self.folder_edit = QLineEdit(str(folder))
        self.folder_edit.setAccessibleName("Folder for restored photos")
        self.choose_button = QPushButton("Choose…")
        self.choose_button.setAccessibleName("Choose the folder for restored photos")
        self.name_edit = QLineEdit(OWN_NAME)
        self.name_edit.setAccessibleName("Names of the restored photos")
        fields = ", ".join(f"{{{field}}} {words}" for field, words in FIELDS.items())
        self.name_edit.setAccessibleDescription(fields)
        self.name_edit.setFixedWidth(NAME_WIDTH)
        self.example = label("", "muted")
        self.example.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # long names widen nothing
        self.format_box = QComboBox()
        self.format_box.setAccessibleName("File format")
        for name, text in FORMAT_WORDS.items():
            self.format_box.addItem(text, name)
        self.depth_box = QComboBox()
        self.depth_box.setAccessibleName("Depth")
        self.quality_box = QSpinBox()
        self.quality_box.setRange(1, 100)
        self.quality_box.setValue(Output.quality)
        self.quality_box.setAccessibleName("JPEG quality")
        self.quality_box.lineEdit().setAccessibleName("JPEG quality")
        self.quality_box.lineEdit().setTextMargins(4, 0, 0, 0)
        self.private_box = QCheckBox("Leave out position, serial numbers, owner and thumbnails")
        self.existing_box = QComboBox()
        self.existing_box.setAccessibleName("What becomes of files that are there already")
        for choice, text in EXISTING_WORDS.items():
            self.existing_box.addItem(text, choice)
        self._depth_label, self._quality_label = QLabel("Depth"), QLabel("JPEG quality")
        self._existing_label = label("", "warning")
        self._lay_out(fields)
        self.choose_button.clicked.connect(self._choose)
        self.folder_edit.textChanged.connect(self.changed)
        self.name_edit.textChanged.connect(self.changed)
        self.format_box.currentIndexChanged.connect(self._format_chosen)
        self.depth_box.currentIndexChanged.connect(self.changed)
        self.quality_box.valueChanged.connect(self.changed)
        self.private_box.toggled.connect(self.changed)
        self.existing_box.currentIndexChanged.connect(self.changed)
        self._show_what_applies()
        self.show_plan(())

    def _lay_out(self, fields: str) -> None:
        self._depth_label.setBuddy(self.depth_box)
        self._quality_label.setBuddy(self.quality_box)
        self._existing_label.setBuddy(self.existing_box)
        place = horizontal(8)
        place.addWidget(self.folder_edit, 1)
        place.addWidget(self.choose_button)
        name = horizontal(12)
        name.addWidget(self.name_edit)
        name.addWidget(self.example, 1)
        kind = horizontal(8)
        kind.addWidget(self.format_box)
        for part in (self._depth_label, self.depth_box, self._quality_label, self.quality_box):
            kind.addWidget(part)
        kind.addStretch()
        kind.addWidget(self.private_box)
        there = horizontal(8)
        there.addWidget(self._existing_label)
        there.addWidget(self.existing_box)
        there.addStretch()
        form = QGridLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        lines = (
            ("Folder", self.folder_edit, place),
            ("Names", self.name_edit, name),
            ("Format", self.format_box, kind),
        )
        for row, (text, control, line) in zip((0, 1, 3), lines, strict=True):
            words = QLabel(text)
            words.setBuddy(control)
            form.addWidget(words, row, 0)
            form.addLayout(line, row, 1)
        form.addWidget(plain(fields, "muted"), 2, 1)
        form.addLayout(there, 4, 0, 1, 2)

    @property
    def folder(self) -> Path | None:
        """Where the photos go; None where nobody has said."""
        text = self.folder_edit.text().strip()
        return Path(text).expanduser() if text else None

    def output(self, folder: Path) -> Output:
        """What is chosen.

        Raises:
            UserError: no file can be called so.
        """
        return Output(
            folder,
            self.name_edit.text(),
            self.format_box.currentData(),
            self.depth_box.currentData(),
            self.quality_box.value(),
            self.private_box.isChecked(),
            Existing(self.existing_box.currentData()),
        )

    def show_plan(self, plan: Sequence[Planned]) -> None:
        """What comes of the first photo's name, and how many files are there already."""
        first = plan[0] if plan else None
        self.example.setText(f"{first.source.name} becomes {first.target.name}" if first is not None else "")
        self.example.setToolTip(self.example.text())
        there = sum(item.there for item in plan)
        verb = "is" if there == 1 else "are"
        self._existing_label.setText(f"{there:,} of {photos(len(plan))} {verb} there already")
        self._existing_label.setVisible(there > 0)
        self.existing_box.setVisible(there > 0)

    def _format_chosen(self) -> None:
        self._show_what_applies()
        self.changed.emit()

    def _show_what_applies(self) -> None:
        """Depths that the format holds, where there is a choice; the quality where JPEG is written."""
        chosen = self.format_box.currentData()
        depths = DEPTHS[FORMATS[chosen]] if chosen in FORMATS else ()
        self.depth_box.blockSignals(True)
        self.depth_box.clear()
        self.depth_box.addItem(AS_IT_IS, None)
        for depth in depths:
            self.depth_box.addItem(DEPTH_WORDS[depth].capitalize(), depth)
        self.depth_box.blockSignals(False)
        self._depth_label.setVisible(len(depths) > 1)
        self.depth_box.setVisible(len(depths) > 1)
        writes_jpeg = chosen == "jpeg" or (chosen == "same" and self._has_jpeg)
        self._quality_label.setVisible(writes_jpeg)
        self.quality_box.setVisible(writes_jpeg)

    def _choose(self) -> None:
        dialog = QFileDialog(self, "Choose the folder for restored photos", str((self.folder or Path.home()).parent))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.folder_edit.setText)
        dialog.open()
