"""Heat maps: what is counted, and that the picture shows it."""

import sys
from pathlib import Path

import pytest

from decode import READ_WRITE, WRITE
from mmio import TraceView
from mmio.pictures.heatmap import COLUMNS, ROWS, Grid
from tests.mmio.sample_traces import access


def test_rows_are_the_bytes_touched() -> None:
    """Few bytes have a row each; an access is in the row of every byte it touches, and gaps have no row."""
    grid = Grid.of([access(0, offset=4, width=2), access(1, offset=0x100, width=1, direction=WRITE)])
    assert (grid.size, grid.rows) == (1, (4, 5, 0x100))
    assert grid.reads == {(0, 0): 1, (1, 0): 1}
    assert grid.writes == {(2, COLUMNS - 1): 1}


def test_rows_are_as_wide_as_registers() -> None:
    """Where every access is aligned and as wide as a register, a register is a row."""
    grid = Grid.of([access(0, offset=4), access(1, offset=8, width=8), access(2, offset=0x14)])
    assert (grid.size, grid.rows) == (4, (4, 8, 12, 0x14))


def test_rows_grow_with_the_region() -> None:
    """Of more rows than fit, a power of two is a row, and an access within it counts once."""
    grid = Grid.of([access(n, offset=2 * n, width=2) for n in range(2 * ROWS)])
    assert (grid.size, len(grid.rows)) == (4, ROWS)
    assert grid.reads.total() == 2 * ROWS
    assert grid.rows[:3] == (0, 4, 8)


def test_a_row_has_its_offset_and_register_name() -> None:
    """A row has its offset, and the name of a register that begins there alone; borders show what is left out."""
    made = [access(0, offset=0, register="CTRL"), access(1, offset=4), access(2, offset=16, register=None)]
    grid = Grid.of(made)
    assert [grid.label(row) for row in range(4)] == ["CTRL 0x0", "STATUS 0x4", "0x10", ""]
    assert grid.gaps() == [1.5]
    many = Grid.of([access(n, offset=n, width=1, register=f"R{n}") for n in range(2 * ROWS)])
    assert many.label(1) == "0x2"
    assert many.gaps() == []


def test_atomics_count_as_both() -> None:
    """An atomic is a read and a write."""
    grid = Grid.of([access(direction=READ_WRITE, old=1)])
    assert grid.reads == grid.writes
    assert grid.reads.total() == 1


def test_where_nothing_is_mapped_addresses_count() -> None:
    """Without a region the rows are addresses."""
    assert Grid.of([access(region=None, offset=None, register=None, width=1)]).rows == (0xFE000004,)


def test_the_picture_names_region_offsets_and_directions(tmp_path: Path) -> None:
    """The picture names the region and offsets, and has both directions."""
    import matplotlib

    path = tmp_path / "map.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        TraceView.of([access(n, offset=n * 8, direction=WRITE) for n in range(20)]).heatmap(path)
    svg = path.read_text()
    for label in (
        "reads of timer",
        "writes of timer",
        "0x0",
        "offset, 4 bytes a row",
        "time since the first access (µs)",
    ):
        assert label in svg


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (TraceView.of([]), "a heat map is of one region, got no accesses"),
        (TraceView.of([access(0), access(1, region="nic")]), "a heat map is of one region, got nic, timer; choose one"),
    ],
    ids=["nothing", "two regions"],
)
def test_what_cannot_be_drawn(view: TraceView, reason: str, tmp_path: Path) -> None:
    """Nothing, and several regions, are errors and no file."""
    with pytest.raises(ValueError, match=reason):
        view.heatmap(tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_a_missing_matplotlib_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When matplotlib is missing the error says how to get it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'pagetrap\[plot\]'"):
        TraceView.of([access()]).heatmap(tmp_path / "map.png")
