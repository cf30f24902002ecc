"""Pictures of a trace. What they look like no test can say; that they show what they should, these do."""

import sys
from pathlib import Path

import pytest

from mmio import TraceView
from mmio.pictures.timeline import MAX_LANES, _runs
from tests.mmio.sample_traces import START, access


def picture(view: TraceView, tmp_path: Path) -> str:
    """Draw an SVG whose labels are text, and return it."""
    import matplotlib

    path = tmp_path / "trace.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        view.timeline(path)
    return path.read_text()


def test_picture_names_registers(tmp_path: Path) -> None:
    """The picture has a label for each register, the counts, and the unit of time."""
    svg = picture(TraceView.of([access(0), access(1, register=None, offset=8), access(2000)]), tmp_path)
    for label in (
        "timer.STATUS",
        "timer+0x8",
        "3 accesses to 2 registers",
        "time since the first access (ms)",
        "▀ reads",
    ):
        assert label in svg


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_suffix_chooses_the_picture_format(suffix: str, magic: bytes, tmp_path: Path) -> None:
    """PNG, SVG and PDF are drawn."""
    path = tmp_path / f"trace.{suffix}"
    TraceView.of([access()]).timeline(path)
    assert path.read_bytes().startswith(magic)


def test_only_the_busiest_of_too_many_registers_are_drawn(tmp_path: Path) -> None:
    """Of too many registers the busiest are drawn, and the title says how many there are."""
    many = [access(n, register=f"R{n}", offset=n, address=START + n) for n in range(MAX_LANES + 5)]
    svg = picture(TraceView.of([*many, access(999, register=f"R{MAX_LANES + 4}", offset=MAX_LANES + 4)]), tmp_path)
    assert f"{MAX_LANES + 6} accesses to {MAX_LANES + 5} registers, the busiest {MAX_LANES} shown" in svg
    assert f"timer.R{MAX_LANES + 4}" in svg
    assert f"timer.R{MAX_LANES + 3}" not in svg


def test_elements_of_a_long_array_share_a_lane(tmp_path: Path) -> None:
    """The elements of a long array share a lane, and the title says how many registers there are."""
    many = [access(n, register=f"RING[{n}].TAIL", offset=n, address=START + n) for n in range(2000)]
    svg = picture(TraceView.of([*many, access(2000)]), tmp_path)
    assert "2,001 accesses to 2,001 registers in 2 lanes" in svg
    assert "timer.RING[…].TAIL" in svg


def test_long_traces_stay_small(tmp_path: Path) -> None:
    """A hundred thousand accesses to a register make a picture no larger than its columns need."""
    view = TraceView.of(access(n) for n in range(100_000))
    assert len(picture(view, tmp_path)) < 200_000


def test_nothing_to_draw(tmp_path: Path) -> None:
    """A trace without accesses is an error, and no file."""
    path = tmp_path / "trace.png"
    with pytest.raises(ValueError, match="no accesses to draw"):
        TraceView.of([]).timeline(path)
    assert not path.exists()


def test_a_missing_matplotlib_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When matplotlib is missing the error says how to get it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'pagetrap\[plot\]'"):
        TraceView.of([access()]).timeline(tmp_path / "trace.png")


def test_neighbouring_columns_are_one_bar() -> None:
    """However many accesses stand side by side, they are drawn once."""
    assert list(_runs([0, 1, 2, 7, 9, 10])) == [(0, 3), (7, 1), (9, 2)]
    assert list(_runs([])) == []
