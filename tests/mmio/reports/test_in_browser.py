"""Reports in a browser: what is seen, filtered and zoomed there is what the trace holds."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import AddressSpace, Trace, TraceView, open_trace, save
from mmio.records.events import Mark
from mmio.records.printable import printable
from mmio.reports.page import framed
from mmio.traces.selection import Selection
from tests.browser import Browser, browser
from tests.mmio.reports.pages import START, Uart, driven
from tests.mmio.sample_traces import access

# One browser for all of them: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

POLLS = 300
MILLION = 1_000_000
TEXTS = "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)"
REGISTERS = "const at = report.kinds.findIndex(([kind]) => kind === 'register') + 1;"
REGISTERS += "return [...document.querySelectorAll(`#rows td:nth-child(${at})`)].map((cell) => cell.textContent)"
PARTS = ("accesses", "registers", "coverage", "differences", "notes")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window for all tests; each opens its own page in it."""
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def page(window: Browser, tmp_path: Path) -> Iterator[Browser]:
    """A page of a driver's trace with all parts, opened; at the end the console must have had nothing to say."""
    driven(POLLS).report(Uart, against=driven(5), title="a driver").save(tmp_path / "report.html")
    show(window, tmp_path / "report.html")
    yield window
    assert window.errors() == []


def show(window: Browser, path: Path) -> None:
    """Open a page as on a desktop, and wait until it has been drawn."""
    window.look()
    window.open(path)
    window.wait("await opened; await drawn()")


def drawn(window: Browser) -> None:
    """Wait until what was asked for has been drawn."""
    window.wait("await drawn()")


def filtered(window: Browser, **wanted: str) -> list[int]:
    """Return the rows that the form lets through when its fields are these."""
    script = "report.form.reset(); for (const [name, value] of Object.entries(arguments[0])) "
    script += "report.form.elements[name].value = value; report.filter(); return [...report.rows]"
    rows: list[int] = window.run(script, wanted)
    return rows


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_part_fits_the_window(page: Browser, phone: bool, dark: bool, tmp_path: Path) -> None:
    """On a desktop and on a phone, in light and dark, no part is wider than the window."""
    page.look(phone=phone, dark=dark)
    for part in PARTS:
        page.run("report.show(arguments[0])", part)
        drawn(page)
        sizes = page.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1], part
        page.screenshot(tmp_path / f"{part}.png")
    channels = page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(channels) < 200) is dark


def test_typing_a_register_shows_its_accesses(page: Browser) -> None:
    """What is typed into the first field leaves the accesses to that register, in the table and in the count."""
    page.type("[name=only]", "uart.CTRL; W uart.DATA")
    page.wait("while (report.rows.length === report.trace.count) await drawn()")
    drawn(page)
    assert page.run(REGISTERS) == ["uart.CTRL", "uart.DATA"]
    assert page.run(TEXTS, "#count") == [f"2 of {POLLS + 2} accesses"]


def test_each_field_chooses(page: Browser) -> None:
    """Every field of the form narrows the rows by what it is about."""
    last = POLLS + 1
    assert filtered(page, direction="W") == [0, last]
    assert filtered(page, without="STATUS") == [0, last]
    assert filtered(page, value="0x1200..0x1300; 0xcafe", direction="W") == [0, last]
    assert filtered(page, code="uart_init") == [0, last]
    assert filtered(page, code="readl") == list(range(1, last))
    assert filtered(page, code="0x401000") == [0, last]
    assert filtered(page, text="uart.c:42") == [0, last]
    assert filtered(page, text="cafe") == [last]
    assert filtered(page, text="fast") == [0]
    assert filtered(page, only="stat", direction="R") == list(range(1, last))  # a part of a name, while it is typed
    assert filtered(page, only="R STATUS.LEVEL=7") == [8, 8 + 256]


def test_a_mistake_in_a_field_is_told_and_changes_nothing(page: Browser) -> None:
    """A text that is no number or access is answered by what is expected, and the rows stay."""
    page.run("report.form.elements.value.value = '0x10..'; report.filter()")
    told = 'expected a number such as 0x10, or a range 0x10..0x20 or 0x10+0x8, got "0x10.."'
    assert page.run(TEXTS, "#count.wrong") == [told]
    assert page.run("return report.rows.length") == POLLS + 2


NAMES = ("CTRL", "STATUS", "FIFO[0]", "FIFO[12]", "A..B", "CTRL+2", "tx.DATA", None)
MIXED = TraceView.of(
    access(
        n,
        direction=(READ, WRITE, READ_WRITE)[n % 3],
        old=n if n % 3 == 2 else None,
        width=(1, 2, 4, 8, 16)[n % 5],
        value=n * 0x1234567 % 256,
        space="port" if n % 7 == 0 else "memory",
        region=(None, "timer", "uart")[n % 4 % 3],
        offset=None if n % 4 % 3 == 0 else n % 11 * 4,
        address=0x70 + n % 11 * 4,
        register=NAMES[n % len(NAMES)],
        layout=(("EN", 0, 0), ("MODE", 6, 4)) if n % 2 else (),
    )
    for n in range(600)
)
PLACES = st.sampled_from(
    [
        *("CTRL", "STATUS", "FIFO", "FIFO[12]", "FIFO*", "A", "B", "tx.DATA", "timer", "uart", "uart.*", "timer.C??L"),
        *("uart+0x8", "uart+0x8..0x10", "+0x4..0x9", "timer+0x4", "tim*+0x0..0x8", "uart.CTRL+2"),
        *("0x70+8", "0x74..0x80", "116", "port 0x70", "port 0x70..0x79"),
    ]
)
ACCESSES = st.builds(
    "{} {}{}".format,
    st.sampled_from(("R", "W", "RW", "R4", "W1", "RW16")),
    st.sampled_from(
        ("CTRL", "uart.CTRL", "CTRL.EN", "timer.STATUS.MODE", "+0x8", "uart+0x8", "0x70", "port 0x70", "NO")
    ),
    st.sampled_from(("", "=0", "=1", "=0x1", "=0b11", "=5", "=0x10/0xf0", "=0/0x1")),
)


@settings(max_examples=25)
@given(
    only=st.lists(PLACES | ACCESSES, max_size=2),
    without=st.lists(PLACES | ACCESSES, max_size=2),
    direction=st.sampled_from(("", "R", "W")),
    value=st.lists(st.sampled_from(("1", "0x10..0x20", "0x80+0x20")), max_size=2),
)
def test_filters_choose_what_the_command_line_does(
    mixed: Browser, only: list[str], without: list[str], direction: str, value: list[str]
) -> None:
    """The same words leave the same accesses in the page as `--only`, `--without`, `--reads`, `--value` do."""
    chosen = Selection.parse(only=only, without=without, reads=direction == "R", writes=direction == "W", value=value)
    wanted = [row for row, each in enumerate(MIXED) if chosen.matches(each)]
    words = {"only": "; ".join(only), "without": "; ".join(without), "direction": direction, "value": "; ".join(value)}
    strict = "const wanted = arguments[0]; return [...filtered(report.trace, wanted, false)]"
    assert mixed.run(strict, words) == wanted


@pytest.fixture(scope="module")
def mixed(window: Browser, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A page of accesses of many kinds."""
    path = tmp_path_factory.mktemp("mixed") / "report.html"
    MIXED.report().save(path)
    show(window, path)
    return window


def test_zooming_narrows_the_window_and_the_table(page: Browser) -> None:
    """Keys on the timeline change the window of time, and the table has the accesses within it."""
    page.run("document.querySelector('.lanes').focus()")
    whole = page.run("return [report.timeline.from, report.timeline.to]")
    page.type(".lanes", "++")
    first, last = page.run("return [report.timeline.from, report.timeline.to]")
    assert last - first == pytest.approx((whole[1] - whole[0]) / 4)
    times = page.run("return [...report.trace.times]")
    within = [row for row, time in enumerate(times) if first <= time <= last]
    assert page.run("return [...report.rows]") == within
    assert page.run(TEXTS, "#count")[0].endswith("accesses in this window of time")
    page.type(".lanes", "0")
    assert page.run("return report.rows.length") == POLLS + 2


def test_dragging_over_the_strip_zooms_there(page: Browser) -> None:
    """The strip above the timeline chooses the window that is dragged over it."""
    page.drag(".overview", 0.25, 0.5)
    start, end, first, last = page.run("const t = report.timeline; return [t.start, t.end, t.from, t.to]")
    assert first == pytest.approx(start + (end - start) * 0.25, abs=(end - start) * 0.01)
    assert last == pytest.approx(start + (end - start) * 0.5, abs=(end - start) * 0.01)


def test_a_mark_of_the_timeline_chooses_its_access(page: Browser) -> None:
    """A click on a mark shows the access, in the table and in detail."""
    page.run("report.timeline.draw()")
    x, y = page.run("const t = report.timeline; return [t.x(t.trace.times[0]), t.laneHeight * 0.75]")
    assert page.run("return report.timeline.nearest(arguments[0], arguments[1])", x, y) == 0
    page.click_at(".lanes canvas", x, y)
    assert page.run(TEXTS, "#detail h2") == ["uart.CTRL 0x00001221"]
    assert page.run("return document.querySelector('#rows tr[aria-selected]').dataset.row") == "0"


def test_keys_move_in_the_table(page: Browser) -> None:
    """Arrows, Page Down and End choose accesses; the chosen one is shown in detail, with its fields."""
    page.run("report.table.table.focus()")
    page.keys("ArrowDown", "ArrowDown", "ArrowUp")
    assert page.run(TEXTS, "#detail h2") == ["uart.CTRL 0x00001221"]
    assert page.run(TEXTS, "#detail .fields td") == [
        "0",
        "EN",
        "1",
        "",
        "5:4",
        "MODE",
        "2",
        "FAST",
        "23:8",
        "DIV",
        "0x12",
        "",
    ]
    page.keys("End")
    assert page.run(TEXTS, "#detail h2") == ["uart.DATA 0x0000cafe"]
    assert page.run("return report.table.table.getAttribute('aria-activedescendant')") == f"Accesses-{POLLS + 1}"


def test_every_control_is_reached_by_the_tab_key(page: Browser) -> None:
    """Tab goes from the parts through the filter, the tools and the timeline to the table."""
    reached = []
    page.run("document.querySelector('#tabs button').focus()")
    for _ in range(16):
        page.keys("Tab")
        reached.append(page.run("const e = document.activeElement; return e.name || e.ariaLabel || e.textContent"))
    fields = ["only", "without", "direction", "value", "code", "text", "Clear"]
    tools = ["Zoom in", "Zoom out", "Earlier", "Later", "Show all of the trace"]
    assert reached[:12] == [*fields, *tools]
    assert reached[12].startswith("Timeline")
    assert reached[13] == "Accesses"


def test_registers_are_counted(page: Browser) -> None:
    """The registers have the counts and the last values of the summary, can be sorted, and lead to their accesses."""
    page.run("report.show('registers')")
    drawn(page)
    cells = page.run(TEXTS, "#registers tbody td")
    rows = [cells[at : at + 6] for at in range(0, len(cells), 6)]
    summary = driven(POLLS).summary()
    counted = [[each.place, str(each.reads), str(each.writes), f"{each.last:#010x}"] for each in summary]
    assert [row[:4] for row in rows] == counted
    page.run("document.querySelectorAll('#registers th button')[1].click()")
    drawn(page)
    assert page.run(TEXTS, "#registers tbody td:first-child")[0] == "uart.STATUS"
    page.run("report.registers.table.select(0); document.querySelector('#registers aside button').click()")
    assert page.run("return report.rows.length") == POLLS


def test_differences_lead_to_the_access(page: Browser) -> None:
    """The rows of the comparison are there; choosing one that this trace has shows it among the accesses."""
    page.run("report.show('differences')")
    drawn(page)
    assert page.run("return report.trace.data.differences.rows.length") == len(
        list(driven(POLLS).diff(driven(5)).rows())
    )
    missing = page.run("return report.trace.data.differences.rows.findIndex((row) => row[0] === '-')")
    sequence = page.run("return Number(report.trace.data.differences.rows[arguments[0]][1])", missing)
    page.run("report.differences.select(arguments[0])", missing)
    assert page.run("return report.timeline.selected") == sequence


def test_notes_lead_to_the_access_that_follows(page: Browser) -> None:
    """A mark of the trace is a note, and leads to the access after it."""
    page.run("report.show('notes'); report.notes.select(0)")
    assert page.run("return report.timeline.selected") == 1
    assert page.run(TEXTS, "#notes td:last-child") == ["begins to poll"]


def _decoded(window: Browser, path: Path, view: TraceView) -> None:
    view.report().save(path)
    show(window, path)
    script = "return [...report.wanted].map((row) => [report.trace.shown(row).replace(' \\u2192 ', ' -> '), "
    script += "report.trace.worded(row), report.trace.placeName(report.trace.place(row))])"
    assert window.run(script) == [[each.shown, each.fields, each.place] for each in view]


def test_values_and_fields_read_as_in_python(window: Browser, tmp_path: Path) -> None:
    """Values, fields and places are written as `Access` writes them: of a live trace, of a file, of wide accesses."""
    _decoded(window, tmp_path / "live.html", driven(20))
    save(driven(20), tmp_path / "run.jsonl")
    _decoded(window, tmp_path / "file.html", open_trace(tmp_path / "run.jsonl").load())
    described = [evolve(each, layout=()) for each in MIXED]  # without a device `Access` knows no meaning
    _decoded(window, tmp_path / "mixed.html", TraceView.of(described))
    wide = [access(0, width=64, value=1 << 500), access(1, direction=READ_WRITE, width=8, value=(1 << 64) - 1, old=0)]
    _decoded(window, tmp_path / "wide.html", TraceView.of(wide))


def test_accesses_out_of_order_are_still_found(window: Browser, tmp_path: Path) -> None:
    """Threads take the time themselves, so it may go back; the timeline and its window have every access."""
    view = TraceView.of([access(n, time=time) for n, time in enumerate((50, 10, 40, 20, 30))])
    view.report().save(tmp_path / "report.html")
    show(window, tmp_path / "report.html")
    assert window.run("report.timeline.window(10, 30); return [...report.rows]") == [1, 3, 4]
    assert window.run("return [...report.timeline.items]") == [1, 3, 4, 2, 0]


def test_an_empty_trace_is_shown(window: Browser, tmp_path: Path) -> None:
    """Without accesses the page says so, and nothing fails."""
    Trace().report().save(tmp_path / "report.html")
    show(window, tmp_path / "report.html")
    window.run("report.timeline.zoom(0.5); report.show('registers')")
    drawn(window)
    assert window.run(TEXTS, "#count") == ["0 of 0 accesses"]
    assert window.errors() == []


def test_hostile_names_are_only_text(window: Browser, tmp_path: Path) -> None:
    """Names that are markup, script, control characters or half a character are shown as text, in every part."""
    texts = _hostile(random.Random(1))
    view = TraceView.of(
        [*(access(n, region=text, register=text) for n, text in enumerate(texts)), Mark(0, 0, texts[0])]
    )
    view.report(against=view[:1], title=texts[0]).save(tmp_path / "report.html")
    show(window, tmp_path / "report.html")
    for part in ("registers", "differences", "notes", "accesses"):
        window.run("report.show(arguments[0])", part)
        drawn(window)
    shown = window.run("return [...report.wanted].map((row) => report.trace.register(report.trace.place(row)))")
    assert shown == list(map(printable, texts))
    assert window.run("return [document.scripts.length, document.images.length, window.hurt]") == [2, 0, None]
    assert filtered(window, only=printable(texts[0])) == [0]
    assert window.errors() == []


def _hostile(chosen: random.Random) -> list[str]:
    """Return names that would do something if they were taken for markup, and random ones of such characters."""
    fixed = [
        "<img src=x onerror=hurt=1>",
        "</script><script>hurt=1</script>",
        "<!--<script>",
        "\u202eabc",
        "a\x00b",
        "\ud800",
        "${hurt=1}",
    ]
    characters = "<>&\"'/!-=;\u2028\u202e\x00\x1b\ud800é"
    return fixed + ["".join(chosen.choices(characters, k=8)) for _ in range(50)]


def test_a_notebook_shows_the_report_in_a_frame(window: Browser, tmp_path: Path) -> None:
    """The frame of a notebook runs the page, which has no way out of it."""
    html = f"<!DOCTYPE html><title>notebook</title>{driven(POLLS).report()._repr_html_()}"
    (tmp_path / "notebook.html").write_text(html)
    window.open(tmp_path / "notebook.html")
    with window.frame("iframe"):
        window.wait("await opened; await drawn()")
        assert window.run(TEXTS, "#count") == [f"{POLLS + 2} of {POLLS + 2} accesses"]
        assert (
            window.run("try { parent.document.title; return 'open' } catch (error) { return error.name }")
            == "SecurityError"
        )
    assert window.errors() == []
    assert framed("", "x").startswith("<iframe")


def test_a_million_accesses_are_usable(window: Browser, tmp_path: Path) -> None:
    """A report of a million accesses is a few megabytes; it opens, filters, zooms and scrolls to its last row."""
    trace = _million()
    trace.report().save(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 8 << 20
    show(window, tmp_path / "report.html")
    assert window.run("return report.rows.length") == MILLION
    window.run("report.form.elements.only.value = 'W uart.DATA'; report.filter()")
    assert window.run("return report.rows.length") == MILLION // 10
    assert filtered(window, only="W uart.DATA=0x9") == [99]
    window.run("report.form.reset(); report.filter(); report.table.select(999999)")
    assert window.run("return report.table.body.lastChild.dataset.row") == "999999"
    assert window.run("report.timeline.zoom(0.0001); report.timeline.draw(); return report.rows.length") < 1000
    assert window.errors() == []


def _million() -> Trace:
    """Return a trace of nine polls and a write, again and again; what is written is counted up."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(START, 0x100, Uart(), "uart")
    driver = space.initiator(0)
    for number in range(MILLION // 10):
        for _ in range(9):
            driver.read(START + 4, 4)
        driver.write(START + 8, 4, number)
    return trace
