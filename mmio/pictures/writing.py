"""Words in a timeline, written where there is room for them and nowhere else.

What a piece of text takes is reckoned from the metrics of its font before it is drawn. So no two pieces cover each
other, and none covers a bar that comes after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from mmio.pictures.lanes import Lane
from mmio.pictures.notes import Notes, Span
from mmio.pictures.time_axis import TimeAxis
from mmio.pictures.widths import cut
from mmio.records.access import Access
from mmio.records.printable import printable

READS: Final = "#1f77b4"
WRITES: Final = "#d95f02"
PHASE: Final = 0.21  # inches, of a row of phases
PHASE_ROWS: Final = 7
FUNCTION: Final = 0.28  # inches, of the row of functions
_PALE: Final = ("#dbe7f3", "#f3e3d3", "#dfeedd", "#eadff0", "#f0ecd0")
_INK: Final = "#24292f"
_LINE: Final = "#8c959f"
LANES: Final = ("#f4f4f4", "#ffffff")  # in turns
_LONGEST: Final = 90  # characters
_VALUE: Final = 7  # points
_MEASURED: Final = 32  # points, of a character that is measured
_WORDS: Final = 9
_SPACE: Final = 3  # points before a text and behind it
END: Final = 1.16  # of the axis: phases may stand above the counts, too


def points(text: str, size: int, family: str = "sans-serif") -> float:
    """Return how wide a text is if it is bold, in points; another one is no wider."""
    return sum(_advance(character, family) for character in text) * size


@lru_cache(maxsize=4096)
def _advance(character: str, family: str) -> float:
    """Return how far a character moves what comes behind it, in units of the font's size."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=[family], weight="bold")))
    font.set_size(_MEASURED, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance / 65536 / _MEASURED)


@frozen
class Placed:
    """A text, its place on the axis, and its row, the lowest 0."""

    place: float
    row: int
    text: str


def place_phases(spans: Sequence[Span], axis: TimeAxis, point: float, rows: int = PHASE_ROWS) -> list[Placed]:
    """Put phases where they begin, each above those that begin under its text, so that no line crosses a text.

    Args:
        spans: the phases, in order of time.
        axis: places of times.
        point: what is as wide as a point, of the axis.
        rows: how many there may be; a text that would need more is cut, and left out where nothing of it has room.
    """
    placed: list[Placed] = []
    for span in reversed(spans):
        place = axis.place(span.start)
        text = _fitting(cut(printable(span.text), _LONGEST), END - place, point)
        row = 1 + max((one.row for one in placed if one.place < place + _room(text, point)), default=-1)
        if row >= rows:
            row = rows - 1
            text = _fitting(text, min(one.place for one in placed if one.row == row) - place, point)
        placed.append(Placed(place, row, text))
    return placed[::-1]


def _room(text: str, point: float, size: int = _WORDS) -> float:
    return (points(text, size) + 2 * _SPACE) * point


def _fitting(text: str, room: float, point: float, size: int = _WORDS) -> str:
    """Return as much of a text as there is room for, nothing if that is hardly any."""
    return next((shown for shown in _shorter(text) if _room(shown, point, size) <= room), "")


def _shorter(text: str) -> Iterator[str]:
    yield from (cut(text, length) for length in range(len(text), 3, -1))


class Writing:
    """Draws words into a timeline that has its final size.

    Args:
        axes: with an axis from 0 to 1, and lanes of height 1 downwards from -0.5.
        axis: places of times.
        lane: how high a lane is, in inches.
    """

    def __init__(self, axes: Any, axis: TimeAxis, lane: float) -> None:
        self._axes, self._axis, self._lane = axes, axis, lane
        self.point = point_of(axes)

    def functions(self, spans: Sequence[Span]) -> None:
        """Draw a bar for each time a function is at work, with its name if there is room for it."""
        height = FUNCTION / self._lane
        colours: dict[str, str] = {}
        for span, end in self._ended(spans):
            if not span.text:
                continue
            place = self._axis.place(span.start)
            width = max(end - place, self.point)
            colour = colours.setdefault(span.text, _PALE[len(colours) % len(_PALE)])
            self._axes.broken_barh([(place, width)], (-0.5 - 0.9 * height, 0.8 * height), facecolors=colour)
            text = _fitting(cut(printable(span.text), _LONGEST), width, self.point)
            self._text(place, -0.5 - height / 2, text, _WORDS)

    def phases(self, placed: Sequence[Placed], bottom: float, lanes: int) -> None:
        """Draw a line for each phase from its text, which is above `bottom` inches over the lanes, to the last lane."""
        for one in placed:
            middle = -0.5 - (bottom + PHASE * (one.row + 0.5)) / self._lane
            top = middle - 0.4 * PHASE / self._lane
            self._axes.vlines(one.place, top, lanes - 0.5, color=_LINE, linewidth=0.9, zorder=0.5)
            self._text(one.place, middle, one.text, _WORDS, weight="bold")

    def values(self, notes: Notes, lane: Lane, row: int) -> None:
        """Write the values of a register behind its bars, those of reads over those of writes."""
        if lane.name != lane.first.place:  # several registers
            return
        for letter, middle, colour in (("R", row - 0.17, READS), ("W", row + 0.17, WRITES)):
            accesses = notes.values((lane.first.space, lane.first.place), letter)
            for place, room, access in self._with_room(accesses):
                style = {"color": colour, "family": "monospace", "bbox": self._ground(LANES[row % 2])}
                self._text(place, middle, self._value(access, room), _VALUE, **style)

    def _with_room(self, accesses: Mapping[int, Access]) -> Iterator[tuple[float, float, Access]]:
        """Iterate over accesses, each with its place and how far it is to the next one."""
        places = [self._axis.place(time) for time in accesses]
        return zip(places, (b - a for a, b in pairwise([*places, 1.0])), accesses.values(), strict=True)

    def _value(self, access: Access, room: float) -> str:
        """Return the value with its fields, or alone, or nothing, by how much room there is."""
        value = f"{access.value:#x}"
        texts = (f"{value} {printable(access.fields)}".rstrip(), value)
        fits = (one for one in texts if (points(one, _VALUE, "monospace") + 2 * _SPACE) * self.point <= room)
        return next(fits, "")

    @staticmethod
    def _ground(colour: str) -> dict[str, Any]:
        """Return the box behind a value: the line of a phase does not go through it."""
        return {"facecolor": colour, "edgecolor": "none", "pad": 0.4}

    def _ended(self, spans: Sequence[Span]) -> Iterator[tuple[Span, float]]:
        ends = [*(self._axis.place(span.start) for span in spans), 1.0][1:]
        return zip(spans, ends, strict=True)

    def _text(self, place: float, middle: float, text: str, size: int, **style: Any) -> None:
        if text:
            style = {"color": _INK, "va": "center_baseline", "in_layout": False, "parse_math": False} | style
            self._axes.text(place + _SPACE * self.point, middle, text, size=size, **style)


def point_of(axes: Any) -> float:
    """Return what is as wide as a point, in units of the axis of times."""
    low, high = axes.get_xlim()
    return float((high - low) * axes.figure.dpi / 72 / axes.get_window_extent().width)
