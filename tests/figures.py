"""What is written in a figure of matplotlib, and where: to test that it can be read, whatever was drawn."""

from itertools import combinations

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return the texts of a figure and their boxes in pixels; ticks beyond the ends of an axis have none."""
    figure.draw_without_rendering()
    beyond = {
        label
        for axis in figure.findobj(Axis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    found = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip() and one not in beyond]
    return [(one.get_text(), one.get_window_extent()) for one in found]


def outside(figure: Figure) -> list[str]:
    """Return the texts that are not in the figure as a whole."""
    frame = figure.bbox
    return [
        text
        for text, box in written(figure)
        if box.x0 < frame.x0 or box.y0 < frame.y0 or box.x1 > frame.x1 or box.y1 > frame.y1
    ]


def covered(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts of which one covers a part of the other."""
    return [(one, other) for (one, a), (other, b) in combinations(written(figure), 2) if a.overlaps(b)]
