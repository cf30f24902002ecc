"""Two runs of the benchmarks are compared by their ratios."""

import json
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.measure import Timing


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
