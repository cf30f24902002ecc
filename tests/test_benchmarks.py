"""Two runs of the benchmarks are compared by their ratios, and drawn."""

import json
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from benchmarks import chart, compare
from benchmarks.measure import Timing
from tests.figures import covered, outside, written


def results(path: Path, *timings: Timing) -> Path:
    """Write a RESULTS.json with one table."""
    rows = [{"name": t.name, "nanoseconds": t.nanoseconds, "ratio": t.ratio} for t in timings]
    path.write_text(json.dumps({"made": "", "tables": [{"title": "a load", "rows": rows}]}))
    return path


def test_a_row_that_slowed_with_the_machine_has_not_changed(tmp_path: Path) -> None:
    """The change is that of the ratio: twice the time is none where the first row took twice as long as well."""
    before = compare.load(results(tmp_path / "1", Timing("C", 1000, 1), Timing("a device", 2000, 2)))
    after = compare.load(results(tmp_path / "2", Timing("C", 2000, 1), Timing("a device", 4400, 2.2)))
    table = compare.compared(before, after).splitlines()
    assert table[2:] == [
        "| a load | C | 1.00 | 2.00 | 1.00 | 1.00 | +0.0% |",
        "| a load | a device | 2.00 | 4.40 | 2.00 | 2.20 | +10.0% |",
    ]
    assert compare.compared(before, after, 0.05).splitlines()[2:] == table[3:]
    assert len(compare.compared(before, after, 0.11).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tables": 1}', '{"tables": [{"title": "t", "rows": [{"a": 1}]}]}'])
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str) -> None:
    """The error says which of the two files it is."""
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json is not what `make bench` writes"):
        compare.load(path)


RESULTS = compare.load(chart.RESULTS)


def test_the_chart_shows_the_figures_of_its_rows() -> None:
    """Each bar has its row's time, the baseline is one of them, and all are sorted by time."""
    bars = chart.chosen(RESULTS)
    assert [bar for bar, _ in bars if bar is chart.BASELINE]
    assert sorted(bars, key=lambda one: one[1]) == bars
    axes = chart.figure(bars).axes[0]
    assert [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)] == [time for _, time in bars]


def test_a_bar_without_a_row_is_named() -> None:
    """A run that did not measure what the chart shows is an error that names table and row."""
    with pytest.raises(LookupError, match=r"no table 'a load, by either route' with a row 'trace bit, in C'"):
        chart.chosen({key: timing for key, timing in RESULTS.items() if key[1] != "trace bit, in C"})


def test_what_is_written_in_the_chart_fits() -> None:
    """No text leaves the picture or covers another, and none has markup."""
    drawn = chart.figure(chart.chosen(RESULTS))
    texts = [text for text, _ in written(drawn)]
    assert (outside(drawn), covered(drawn)) == ([], [])
    assert not [text for text in texts if "`" in text]
    assert "logarithmic" in " ".join(texts)


def test_the_chart_is_drawn_again_from_the_results(tmp_path: Path) -> None:
    """The same figures make the same bytes, without measuring."""
    for name in ("1.svg", "2.svg"):
        chart.draw(RESULTS, tmp_path / name)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
