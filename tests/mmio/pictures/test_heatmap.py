"""Heat maps: what is counted, and that the picture shows it."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import Access, TraceView
from mmio.pictures.grid import COLUMNS, ROWS, Filled, Grid
from mmio.pictures.heatmap import LABELLED, LONGEST, HeatMap, label, labelled
from tests.figures import covered, outside
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
    assert [label(grid, row) for row in range(3)] == ["CTRL 0x0", "STATUS 0x4", "0x10"]
    assert grid.gaps() == [1.5]
    many = Grid.of([access(n, offset=n, width=1, register=f"R{n}") for n in range(2 * ROWS)])
    assert label(many, 1) == "0x2"
    assert many.gaps() == []


def test_a_long_name_loses_its_middle() -> None:
    """Of a long name the beginning and the end are shown."""
    grid = Grid.of([access(0, offset=0, register="A_RATHER_LONG_NAME_OF_A_CHANNEL[17].CONTROL")])
    assert label(grid, 0) == "A_RATHER_LONG_…L[17].CONTROL 0x0"
    assert len(label(grid, 0)) <= LONGEST + len(" 0x0")


def test_rows_with_names_are_labelled_first() -> None:
    """If not every row can have a label, the rows of registers have one, and other rows where there is room."""
    grid = Grid.of([access(n, offset=4 * n, register="CTRL" if n in (5, 7) else None) for n in range(20)])
    assert labelled(grid, 1) == list(range(20))
    assert labelled(grid, 4) == [0, 5, 9, 13, 17]


def long_names() -> list[Access]:
    """Return accesses to as many registers as can have labels, with long names."""
    names = [f"A_RATHER_LONG_REGISTER_NAME_{n}_OF_CHANNEL[{n}].CONTROL_AND_STATUS" for n in range(LABELLED)]
    return [access(n, offset=4 * n, register=name) for n, name in enumerate(names)]


def many_rows() -> list[Access]:
    """Return accesses to more rows than can have labels."""
    return [access(n, offset=4 * n, register=f"RING[{n}].TAIL", time=n * 10**7) for n in range(ROWS)]


@pytest.mark.parametrize("made", [long_names, many_rows])
def test_labels_of_a_heat_map_fit(made: Callable[[], list[Access]]) -> None:
    """No label leaves the picture, covers another, or takes the room of the map itself."""
    drawing = HeatMap()
    for one in made():
        drawing.take(one)
    figure = drawing.figure()
    assert (outside(figure), covered(figure)) == ([], [])
    assert figure.axes[0].get_window_extent().width > figure.bbox.width / 4


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
    for text in (
        "reads of timer",
        "writes of timer",
        "0x0",
        "offset, 4 bytes a row",
        "time since the first access (µs)",
    ):
        assert text in svg


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


def exact(accesses: list[Access]) -> Grid:
    """Count accesses that are all in memory, in the plainest way."""
    size = 1
    while all(not ((one.offset or 0) | one.width) % (2 * size) for one in accesses):
        size *= 2

    def rows(one: Access) -> range:
        offset = one.offset or 0
        return range(offset // size, (offset + one.width - 1) // size + 1)

    while len({row for one in accesses for row in rows(one)}) > ROWS:
        size *= 2
    numbers = sorted({row for one in accesses for row in rows(one)})
    began = min(one.time for one in accesses)
    span = max(one.time for one in accesses) - began + 1
    reads, writes = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    begins: dict[int, set[str]] = {}
    for one in accesses:
        begins.setdefault((one.offset or 0) // size * size, set()).add(one.register or "")
        for number in rows(one):
            cell = numbers.index(number), (one.time - began) * COLUMNS // span
            reads[cell] += one.reads
            writes[cell] += one.writes
    names = {row: min(registers) for row, registers in begins.items() if len(registers) == 1}
    return Grid(size, tuple(number * size for number in numbers), names, span, +reads, +writes)


TOUCHED = st.lists(
    st.builds(
        lambda offset, width, time, direction, register: access(
            0, offset=offset, width=width, time=time, direction=direction, register=register
        ),
        st.integers(0, 3000) | st.integers(0, 200).map(lambda n: 4 * n),
        st.sampled_from([1, 2, 4, 4, 4, 8, 64, 5000]),
        st.integers(0, 10_000),
        st.sampled_from([READ, WRITE, READ_WRITE]),
        st.sampled_from([None, "CTRL", "STATUS"]),
    ),
    min_size=1,
    max_size=200,
)


@given(TOUCHED)
def test_counted_while_read_the_grid_is_as_from_memory(accesses: list[Access]) -> None:
    """As long as times need not be rounded, a grid filled one by one is the one of all accesses in memory."""
    assert Grid.of(iter(accesses)) == exact(accesses)


@given(TOUCHED, st.integers(1, 100))
def test_rounded_times_keep_the_sums_of_rows(accesses: list[Access], times: int) -> None:
    """Where times are rounded every access is counted in its rows, in some column of the picture."""
    filled = Filled(times)
    for one in accesses:
        filled.add(one)
    grid, expected = filled.grid(), exact(accesses)
    assert (grid.size, grid.rows, grid.names, grid.span) == (
        expected.size,
        expected.rows,
        expected.names,
        expected.span,
    )
    for counts, exactly in ((grid.reads, expected.reads), (grid.writes, expected.writes)):
        assert all(0 <= column < COLUMNS and count > 0 for (_, column), count in counts.items())
        for row in range(len(grid.rows)):
            assert sum(counts[cell] for cell in counts if cell[0] == row) == sum(
                exactly[cell] for cell in exactly if cell[0] == row
            )


def test_an_even_rhythm_stays_even_when_times_are_rounded() -> None:
    """A register read at equal distances has as many reads in each column, give or take those at its borders."""
    filled = Filled(COLUMNS)
    for n in range(COLUMNS * 100):
        filled.add(access(n, time=1000 * n))
    counts = filled.grid().reads
    assert len(counts) == COLUMNS
    assert all(95 <= count <= 105 for count in counts.values())
