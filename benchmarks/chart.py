"""Draw what one access costs by each way to see it, as bars: `python -m benchmarks.chart` draws RESULTS.json again.

The bars are rows of several tables of one run: pagetrap in this process and on another one, programs in C that stop in
the same places and do nothing, and the trace bit. So they are absolute times on one axis, and the ratios beside them
are to one of the bars, the baseline.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.compare import Key, load
from benchmarks.measure import Timing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS: Final = Path(__file__).with_name("RESULTS.json")
PAGETRAP: Final = "#0072b2"
OTHERS: Final = "#9aa0a6"
_INK: Final = "#24292f"
_BEHIND: Final = 0.4  # of the axis: room for what stands behind the longest bar


@frozen
class Bar:
    """One bar: its label, and the table and row whose time it shows. `own`: it is pagetrap that is timed."""

    label: str
    title: str
    row: str
    own: bool = False


BASELINE: Final = Bar("signal handler in C that does nothing", "one load from a trapped page", "C handler")
BARS: Final = (
    Bar("pagetrap in this process", "one load from a trapped page", "pagetrap, declared device", own=True),
    BASELINE,
    Bar("pagetrap run --engine=inprocess", "a load of a whole program", "inprocess, elapsed", own=True),
    Bar("ptrace tracer in C that does nothing", "a load of a traced program", "C, skipping"),
    Bar("pagetrap trace, run: by ptrace", "a load of a traced program", "a device", own=True),
    Bar("trace bit in C, as Linux's mmiotrace", "a load, by either route", "trace bit, in C"),
)


def chosen(timings: Mapping[Key, Timing]) -> list[tuple[Bar, float]]:
    """Return the bars, each with its time in microseconds, the shortest first.

    Raises:
        LookupError: a row was not measured.
    """
    found = []
    for bar in BARS:
        rows = (timing for (title, name), timing in timings.items() if _is(bar, title, name))
        timing = next(rows, None)
        if timing is None:
            raise LookupError(f"no table {bar.title!r} with a row {bar.row!r} for the bar {bar.label!r}")
        found.append((bar, timing.nanoseconds / 1000))
    return sorted(found, key=lambda one: one[1])


def _is(bar: Bar, title: str, name: str) -> bool:
    return title.startswith(bar.title) and name.startswith(bar.row)


def figure(bars: Sequence[tuple[Bar, float]]) -> "Figure":
    """Return the chart."""
    from matplotlib.figure import Figure

    unit = next(time for bar, time in bars if bar is BASELINE)
    made = Figure(figsize=(8.6, 0.46 * len(bars) + 1.4), layout="constrained", facecolor="white")
    axes = made.subplots()
    places = range(len(bars))
    drawn = axes.barh(
        places, [time for _, time in bars], color=[PAGETRAP if bar.own else OTHERS for bar, _ in bars], height=0.66
    )
    texts = [f"{time:,.1f} µs" + ("" if bar is BASELINE else f", {_ratio(time / unit)} times") for bar, time in bars]
    for text, (bar, _) in zip(axes.bar_label(drawn, texts, padding=5, fontsize=11, color=_INK), bars, strict=True):
        text.set_fontweight("bold" if bar.own else "normal")
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})  # the dashed line does not go through it
    axes.set_yticks(places, [bar.label for bar, _ in bars], fontsize=11, color=_INK)
    for label, (bar, _) in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_color(PAGETRAP if bar.own else _INK)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xscale("log")
    times = [time for _, time in bars]
    low = min(times) / 3
    axes.set_xlim(low, low * (max(times) / low) ** (1 / (1 - _BEHIND)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(unit, color=_INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    made.suptitle("What one access to a register costs", x=0.01, ha="left", fontsize=13, fontweight="bold", color=_INK)
    made.supxlabel("µs an access (logarithmic scale), and times the signal handler in C (dashed line)", fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return made


def _ratio(ratio: float) -> str:
    return f"{ratio:,.1f}" if ratio < 10 else f"{ratio:,.0f}"


def draw(timings: Mapping[Key, Timing], path: Path) -> None:
    """Draw the chart to a file, the same bytes for the same figures.

    Raises:
        LookupError: a row was not measured.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "pagetrap"}):
        figure(chosen(timings)).savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})


def main() -> None:
    """Draw the figures of a run that has been kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS, metavar="RESULTS.json")
    parser.add_argument("picture", type=Path, nargs="?", default=RESULTS.with_suffix(".svg"), metavar="RESULTS.svg")
    options = parser.parse_args()
    try:
        draw(load(options.results), options.picture)
    except (OSError, ValueError, LookupError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
