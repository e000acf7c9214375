"""How the window looks: two sets of colours, the style sheet, the icons, and where their files are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from string import Template

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

ICON_COLOUR = "#808080"  # what the SVG files are drawn in; replaced by the text colour
_ICON = "icon_name"  # property of a button: which icon it has


@dataclass(frozen=True)
class Colours:
    """Every colour of the window, by what it is for."""

    window: str
    panel: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str
    canvas: str
    red: str  # curves of the colour channels
    green: str
    blue: str


# Neutral greys, so that the window does not tint the judgement of a photo's colours.
DARK = Colours(
    window="#1f1f20",
    panel="#29292b",
    raised="#38383b",
    line="#434347",
    text="#e8e8ea",
    muted="#a3a3a9",
    accent="#5aa2f2",
    on_accent="#0c1a2a",
    good="#6cc48a",
    warn="#e3b75c",
    bad="#ee8079",
    canvas="#171718",
    red="#f0706a",
    green="#63c283",
    blue="#6aa9f5",
)
LIGHT = Colours(
    window="#efeff1",
    panel="#fbfbfc",
    raised="#e6e6e9",
    line="#cdcdd2",
    text="#1d1d20",
    muted="#5f5f67",
    accent="#1d6ac4",
    on_accent="#ffffff",
    good="#237a42",
    warn="#8a5d00",
    bad="#b3352b",
    canvas="#dcdcdf",
    red="#c8362c",
    green="#22863f",
    blue="#2268c8",
)


def colours() -> Colours:
    """The set that goes with the application's palette."""
    return DARK if QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def palette(chosen: Colours) -> QPalette:
    """A Qt palette of these colours, for the parts that the style sheet does not name."""
    result = QPalette(QColor(chosen.raised), QColor(chosen.window))
    role = QPalette.ColorRole
    for name, colour in {
        role.WindowText: chosen.text,
        role.Base: chosen.panel,
        role.AlternateBase: chosen.raised,
        role.Text: chosen.text,
        role.Button: chosen.raised,
        role.ButtonText: chosen.text,
        role.ToolTipBase: chosen.raised,
        role.ToolTipText: chosen.text,
        role.PlaceholderText: chosen.muted,
        role.Highlight: chosen.accent,
        role.HighlightedText: chosen.on_accent,
        role.Link: chosen.accent,
    }.items():
        result.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, name, QColor(chosen.muted))
    return result


def follow_system(app: QApplication) -> None:
    """Fusion in the system's light or dark."""
    app.setStyle("Fusion")
    use_scheme(app.styleHints().colorScheme())


def use_scheme(scheme: Qt.ColorScheme) -> None:
    """Light or dark; dark where the system does not say, since photos are judged on grey.

    By a palette of our own: Qt's `setColorScheme` does nothing without a desktop session.
    """
    QApplication.setPalette(palette(LIGHT if scheme == Qt.ColorScheme.Light else DARK))


def style_sheet() -> str:
    """`resources/style.qss` with the colours filled in."""
    icons = resource("icons/up.svg").parent.as_posix()
    return Template(resource("style.qss").read_text(encoding="utf-8")).substitute(asdict(colours()), icons=icons)


def resource(name: str) -> Path:
    """A file of the program: beside the package in an installed copy's wheel, at the top of a checkout.

    Raises:
        FileNotFoundError: there is no such file.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "resources", package.parent / "resources"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"resource {name}")


def icon(name: str, *, on_accent: bool = False) -> QIcon:
    """The icon `resources/icons/<name>.svg`, drawn in the window's text colour, or in that of a filled button; paler
    where disabled.
    """
    chosen = colours()
    result = QIcon()
    result.addPixmap(_drawn(name, chosen.on_accent if on_accent else chosen.text), QIcon.Mode.Normal)
    result.addPixmap(_drawn(name, chosen.muted if on_accent else chosen.line), QIcon.Mode.Disabled)
    return result


def sign(name: str) -> QIcon:
    """The icon in its middle grey, which can be seen on light and dark and is not renewed."""
    return QIcon(_drawn(name, ICON_COLOUR))


def set_icon(button: QAbstractButton, name: str) -> None:
    """Gives a button an icon that `renew_icons` finds again."""
    button.setProperty(_ICON, name)
    button.setIcon(icon(name, on_accent=button.objectName() == "primary"))


def renew_icons(window: QWidget) -> None:
    """Draws the icons of all buttons of a window in the colours of now."""
    for button in window.findChildren(QAbstractButton):
        if name := button.property(_ICON):
            set_icon(button, name)


def app_icon() -> QIcon:
    """The program's own icon."""
    return QIcon(str(resource("icons/ddm.svg")))


@cache
def _drawn(name: str, colour: str) -> QPixmap:
    """An SVG file in one colour, large enough for screens of twice the density."""
    text = resource(f"icons/{name}.svg").read_text(encoding="utf-8").replace(ICON_COLOUR, colour)
    pixmap = QPixmap(QSize(40, 40))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(text.encode())).render(painter)
    painter.end()
    return pixmap
