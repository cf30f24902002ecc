"""Tables and live lines that fit a terminal, whatever is in them."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access, TraceView
from mmio.pictures import live
from mmio.pictures.columns import aligned
from mmio.pictures.live import Live
from mmio.pictures.sparkline import sparkline
from mmio.pictures.table import lines, table
from mmio.pictures.widths import GAP, Column, cut, displayed, fitted, terminal_width
from tests.mmio.sample_traces import access, accesses

ENCODINGS = ("ascii", "latin-1", "cp437", "utf-8")
WIDTHS = st.integers(20, 200)
NAMES = st.text(st.sampled_from("aB9_.é漢\u0301\x1b…"), max_size=60)
COLUMNS = (
    Column("register", rank=0, least=12, cut="start"),
    Column("reads", right=True, rank=1),
    Column("last", right=True, rank=4),
    Column("ips", rank=3, least=10, cut="items"),
)


class Terminal(io.StringIO):
    """A terminal of so many columns, in an encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return self._encoding

    def isatty(self) -> bool:
        return True


@st.composite
def traces(draw: st.DrawFn) -> list[Access]:
    """Accesses of every kind, of registers that share names so that they are counted together."""
    names = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=4))
    made = draw(st.lists(accesses(), max_size=4))
    for n in range(draw(st.integers(0, 6))):
        made.append(access(n, register=draw(st.sampled_from(names)), ip=n % 3, value=draw(st.integers(0, 1 << 64))))
    return made


def printed(view: TraceView, width: int) -> list[str]:
    """Return the lines of everything that is printed of a trace."""
    whole = (
        view.summary().table(width=width),
        sparkline(view, width),
        table(view, limit=3, width=width),
        table(view, fold=True, width=width),
        *lines(view, width=width, batch=2),
    )
    return "\n".join(whole).split("\n")


def shown(made: Sequence[Access], terminal: Terminal, name: str, *, fold: bool = False) -> list[str]:
    """Return the live lines of accesses on a terminal."""
    printer = Live(terminal, lambda ip: name, fold=fold)
    for number, one in enumerate(made):
        printer.show(one, f"{number:,} more" if fold else "")
    return terminal.getvalue().split("\n")


@given(traces(), WIDTHS)
def test_no_line_of_a_table_is_wider_than_the_terminal(made: list[Access], width: int) -> None:
    """Tables, summaries and bars fit any terminal from 20 columns on."""
    assert [line for line in printed(TraceView.of(made), width) if displayed(line) > width] == []


@given(made=traces(), width=WIDTHS, name=NAMES, fold=st.booleans(), encoding=st.sampled_from(ENCODINGS))
def test_live_lines_fit_and_line_up(made: list[Access], width: int, name: str, fold: bool, encoding: str) -> None:
    """From the first on, live lines are no wider than the terminal, and have blanks between the same columns."""
    terminal = Terminal(encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        told = shown(made, terminal, name, fold=fold)
    assert [line for line in told if displayed(line) > width] == []
    assert [line for line in told if line.encode(encoding).decode(encoding) != line] == []
    widths = fitted(
        live.COLUMNS, {n: w for n, w in live.MOST.items() if fold or live.COLUMNS[n].title != "times"}, width
    )
    starts = [sum(w + len(GAP) for number, w in widths.items() if number < n) for n in widths]
    for line in told:
        cells = [cell for c in line for cell in [c, *"\0" * (displayed(c) - 1)] if displayed(c)]
        assert all(cells[start - len(GAP) : start] in ([], [" "], [" "] * len(GAP)) for start in starts[1:])


@given(traces(), NAMES, st.sampled_from(ENCODINGS))
def test_lines_in_a_file_have_everything(made: list[Access], name: str, encoding: str) -> None:
    """Where there is no terminal nothing is cut, and every line encodes."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    printer = Live(stream, lambda ip: name)
    for one in made:
        printer.write(one)
    stream.seek(0)
    told = stream.read().split("\n")
    assert len(told) == len(made) + 1
    assert all(one.shown in line and one.text in line for one, line in zip(made, told, strict=False))


def test_lines_in_a_file_stand_below_each_other() -> None:
    """What is wider than its column moves what comes behind it as far as the blanks there do not make up for it."""
    stream = io.StringIO()
    printer = Live(stream, lambda ip: "probe")
    for register in ("CTRL", "A_LONG_REGISTER_NAME", "STATUS"):
        printer.write(access(register=register))
    first, second, third = stream.getvalue().splitlines()
    assert first.index("0x00000003") == third.index("0x00000003") < second.index("0x00000003")
    assert first.index("probe") == second.index("probe") == third.index("probe")


@given(traces(), WIDTHS, st.sampled_from(ENCODINGS))
def test_tables_encode(made: list[Access], width: int, encoding: str) -> None:
    """A summary has only characters of the stream's encoding, and bars and ellipses of ASCII where it has no others."""
    text = TraceView.of(made).summary().table(width=width, stream=Terminal(encoding))
    assert text.encode(encoding).decode(encoding) == text


def test_what_comes_first_is_kept_longest() -> None:
    """A column goes where there is no room for it, the last in rank first; numbers are never cut."""
    rows = [("timer.STATUS", "1,204", "0x00000003", "main+0x12 (9), poll+0x4 (3)")]
    wide, narrow, least = (aligned(COLUMNS, rows, width=width).splitlines() for width in (46, 32, 20))
    assert wide[1] == "timer.STATUS  1,204  0x00000003  main+0x12 (9…"
    assert narrow == ["register      reads  ips", "timer.STATUS  1,204  main+0x12 …"]
    assert least == ["register      reads", "timer.STATUS  1,204"]


@pytest.mark.parametrize(
    ("text", "width", "what", "result"),
    [
        ("driver", 6, "end", "driver"),
        ("driver", 5, "end", "driv…"),
        ("driver", 5, "start", "…iver"),
        ("a+1 (9), b+2 (3)", 12, "items", "a+1 (9), …"),
        ("a+1 (9), b+2 (3)", 6, "items", "a+1 (…"),
        ("driver", 1, "end", "d"),
        ("漢字", 3, "end", "漢…"),
    ],
)
def test_cells_are_cut_with_a_mark(text: str, width: int, what: str, result: str) -> None:
    """A cell that is cut says so, unless there is no room to."""
    assert cut(text, width, what) == result  # type: ignore[arg-type]


@given(NAMES, st.integers(1, 40), st.sampled_from(["end", "start", "items"]), st.sampled_from(["…", "..."]))
def test_what_is_cut_fits(text: str, width: int, what: str, mark: str) -> None:
    """Cut text is never wider than it may be."""
    assert displayed(cut(text, width, what, mark)) <= width  # type: ignore[arg-type]


def test_wide_and_combining_characters_are_counted() -> None:
    """A wide character takes two columns, a combining one none."""
    assert [displayed(text) for text in ("abc", "漢", "e\u0301")] == [3, 2, 1]


@pytest.mark.parametrize(("columns", "width"), [("72", 72), ("", None), ("0", None), ("many", None)])
def test_the_width_of_a_terminal(columns: str, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS says how wide a terminal is, if it is a number; nothing is assumed otherwise."""
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width(Terminal()) == width
    assert terminal_width(io.StringIO()) is None
