"""The figures as a picture: bars of how many times the first alternative each other one takes."""

from pathlib import Path

from benchmarks.measure import Timing

_BAR = 0.28  # inches


def draw(measured: list[tuple[str, list[Timing]]], path: Path) -> None:
    """Draw every comparison of a run, on one logarithmic axis of ratios; the first of each is the line at 1."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    labels: list[str] = []
    ratios: list[float] = []
    for title, timings in measured:
        first, *others = timings
        labels += [f"{title}, times {first.name}", *(timing.name for timing in others)]
        ratios += [float("nan"), *(timing.ratio for timing in others)]
    figure = Figure(figsize=(11, _BAR * len(labels) + 1), layout="constrained")
    axes = figure.subplots()
    places = range(len(labels))
    bars = axes.barh(places, [ratio - 1 for ratio in ratios], left=1, color="#0072b2", height=0.7)
    axes.bar_label(bars, [("" if ratio != ratio else f"{ratio:,.2f}") for ratio in ratios], padding=4, fontsize=8)
    axes.set_yticks(places, labels, fontsize=8)
    for label, ratio in zip(axes.get_yticklabels(), ratios, strict=True):
        label.set_fontweight("bold" if ratio != ratio else "normal")
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # downwards, as the tables are read
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times the first alternative (logarithmic; less is faster)")
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "pagetrap"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
