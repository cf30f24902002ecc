"""Choosing accesses, by value and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import Trace
from mmio.records.events import Mark, Record
from mmio.records.symbols import Location
from mmio.traces.selection import Code, PlacePattern, Selected, Selection, nanoseconds, span
from tests.mmio.sample_traces import START, access, accesses, machine

STATUS = access()
ELEMENT = access(region="nic", register="FIFO[3]+2", offset=0x4E, address=START + 0x4E, width=2)
CMOS = access(space="port", region="cmos", register=None, offset=1, address=0x71, width=1)
NOWHERE = access(region=None, register=None, offset=None, address=0x1000)
ALL = {"status": STATUS, "element": ELEMENT, "cmos": CMOS, "nowhere": NOWHERE}


@pytest.mark.parametrize(
    ("place", "touched"),
    [
        ("timer", "status"),
        ("STATUS", "status"),
        ("timer.STATUS", "status"),
        ("timer.S*", "status"),
        ("*.STAT?S", "status"),
        ("timer.*", "status"),
        ("timer.CTRL", ""),
        ("nic.FIFO", "element"),
        ("nic.FIFO[3]+2", "element"),
        ("nic.FIFO[3]", "element"),
        ("FIFO[2]+2", ""),
        ("timer+4", "status"),
        ("timer+0x7", "status"),
        ("timer+8", ""),
        ("timer+0..5", "status"),
        ("timer+0+4", ""),
        ("+0..8", "status cmos"),
        ("*+0x4c+4", "element"),
        ("0xfe000000", ""),
        ("0xfe000000+0x100", "status element"),
        ("0xfe000007", "status"),
        ("0x71", ""),
        ("4096", "nowhere"),
        ("port 0x71", "cmos"),
        ("port 0x70..0x72", "cmos"),
        ("port 0x70..0x71", ""),
    ],
)
def test_a_place_has_every_access_that_touches_it(place: str, touched: str) -> None:
    """A place goes by its names, its offsets or its addresses, and has every access that touches one byte of it."""
    assert " ".join(name for name, each in ALL.items() if PlacePattern.parse(place).has(each)) == touched


def test_part_of_a_register() -> None:
    """A part of a register has the name that records give it, whatever its offset."""
    part = access(register="CTRL+1", offset=1, width=1)
    assert [PlacePattern.parse(text).has(part) for text in ("CTRL+1", "timer.CTRL+1", "timer+1", "CTRL+2", "CTRL")] == [
        True,
        True,
        True,
        False,
        True,
    ]


def test_place_across_registers() -> None:
    """An access across two registers is to both."""
    both = access(register="dma[1].CTRL..dma[1].STAT")
    assert [
        PlacePattern.parse(text).has(both) for text in ("dma[1].CTRL", "dma.STAT", "timer.dma[1].STAT", "dma[0].*")
    ] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("text", ["", "+", "+x", "port x", "0x", "0xfe..", "5..4", "5+0", "uart+0x10..0x10"])
def test_a_malformed_place_is_an_error_with_an_example(text: str) -> None:
    """What is no place is an error that shows what one looks like."""
    with pytest.raises(ValueError, match=r"expected a (place such as 'uart'|number such as 0x10|range that ends)"):
        PlacePattern.parse(text)


@given(st.integers(0, 1 << 64), st.integers(1, 1 << 20))
def test_a_range_has_an_end_or_a_length(first: int, length: int) -> None:
    """A range is written by its end or by its length, in any base, and a number is a range of one."""
    numbers = range(first, first + length)
    assert span(f"{first:#x}..{first + length:#x}") == numbers
    assert span(f"{first}+{length:#x}") == numbers
    assert span(f"{first:#x}") == numbers[:1]


@pytest.mark.parametrize(
    ("text", "ns"),
    [("12.000345", 12_000_345_000), ("1s", 10**9), ("2.5ms", 2_500_000), ("5us", 5000), ("5µs", 5000), ("7ns", 7)],
)
def test_a_time_without_a_unit_is_in_seconds(text: str, ns: int) -> None:
    """A time is in seconds unless it says otherwise."""
    assert nanoseconds(text) == ns


@pytest.mark.parametrize("text", ["", "5 ms", "-1", "1e9", "1.", "soon"])
def test_a_malformed_time_is_an_error_with_an_example(text: str) -> None:
    """What is no time is an error that shows what one looks like."""
    with pytest.raises(ValueError, match=r"expected a time such as 12\.000345 \(seconds\), 20ms"):
        nanoseconds(text)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({}, True),
        ({"only": ["nic", "timer"]}, True),
        ({"only": ["nic"]}, False),
        ({"without": ["CTRL"]}, True),
        ({"without": ["CTRL", "STATUS"]}, False),
        ({"only": ["timer"], "without": ["timer+4"]}, False),
        ({"reads": True}, True),
        ({"writes": True}, False),
        ({"reads": True, "writes": True}, True),
        ({"width": ["1", "4"]}, True),
        ({"width": ["1..4"]}, False),
        ({"value": ["0x3"]}, True),
        ({"value": ["4..0x10"]}, False),
        ({"thread": ["0"]}, True),
        ({"thread": ["1+9"]}, False),
        ({"ip": ["0x401000"]}, True),
        ({"ip": ["0x400000..0x401000"]}, False),
        ({"since": "1us", "until": "2us"}, True),
        ({"until": "1us"}, False),
        ({"since": "1001ns"}, False),
        ({"only": ["timer"], "width": ["8"]}, False),
    ],
)
def test_alternatives_of_one_thing_pass_and_all_things_must(words: dict[str, list[str]], wanted: bool) -> None:
    """Several texts for one thing are alternatives, and different things must all hold."""
    selection = Selection.parse(**words)  # type: ignore[arg-type]
    assert selection.matches(access(1)) is wanted


@pytest.mark.parametrize(
    "words",
    [{"only": ["0x"]}, {"width": ["wide"]}, {"value": ["3..2"]}, {"ip": ["0x40zz"]}, {"thread": [""]}, {"since": "x"}],
)
def test_a_word_without_meaning_is_an_error(words: dict[str, list[str]]) -> None:
    """Words that mean nothing are an error."""
    with pytest.raises(ValueError, match="expected a"):
        Selection.parse(**words)  # type: ignore[arg-type]


NUMBERS = ("offset", "address", "width", "value", "ip", "thread")


@given(st.sampled_from([*NUMBERS, "since", "until"]), st.integers(max_value=-1))
def test_a_negative_number_is_refused(name: str, number: int) -> None:
    """Law: no access has one, so a selection of it would choose nothing and look like an answer."""
    with pytest.raises(ValueError, match=rf"^{name} is an? (int|time in ns, )"):
        Selection(**{name: number})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*NUMBERS, "since", "until", "region", "register", "space", "direction"])
@pytest.mark.parametrize("junk", [1.5, b"x", print], ids=["float", "bytes", "function"])
def test_what_no_access_can_have_is_refused(name: str, junk: object) -> None:
    """A value of another kind is told by the name of the argument."""
    with pytest.raises(TypeError, match=f"^{name} is "):
        Selection(**{name: junk})  # type: ignore[arg-type]


def test_contradictions_are_refused() -> None:
    """An end that is not after its beginning, and a space that there is not."""
    with pytest.raises(ValueError, match="until is a time after since, which is 5 ns, not 5 ns"):
        Selection(since=5, until=5)
    with pytest.raises(ValueError, match="space is 'memory' or 'port', not 'mem'"):
        Selection(space="mem")
    assert Selection(since=0, until=1, space="port", thread=0).since == 0


def test_a_pattern_that_nothing_can_fit_is_refused() -> None:
    """One that a register fits which was not accessed chooses nothing; before an offset it is one of regions."""
    trace = Trace()
    machine(trace).read(START, 4)
    assert [len(trace.filter(words)) for words in ("t*r+0x0", "t*r+0x40", "CT*", "STAT*", "t*r.STAT?S")] == [
        1,
        0,
        1,
        0,
        0,
    ]
    for words in ("X*", "x*+0x0", "timer.X*"):
        with pytest.raises(ValueError, match=r"^no region or register fits '.+'; there are CTRL, STATUS$"):
            trace.filter(words)


def test_code_by_name() -> None:
    """Code goes by its module or function when it is known where instruction pointers are, else that is an error."""
    modules = {0x1000: Location("lib.so", 0x10, "uart_init", 4), 0x2000: Location("program", 0x20)}
    by_module, by_function = Selection.parse(ip=["lib*.so"]), Selection.parse(ip=["uart_init", "0x3000"])
    ips = [access(n, ip=ip) for n, ip in enumerate((0x1000, 0x2000, 0x3000))]
    assert [by_module.located(modules.get).matches(each) for each in ips] == [True, False, False]
    assert [by_function.located(modules.get).matches(each) for each in ips] == [True, False, True]
    with pytest.raises(ValueError, match=r"cannot tell which code is lib\*\.so"):
        by_module.matches(ips[0])
    assert Selection().located(modules.get) == Selection()


def test_code_is_looked_up_once() -> None:
    """Where an instruction pointer is does not change, so it is asked once."""
    asked: list[int] = []
    code = Code.parse(["lib.so"])
    known = Code(code.addresses, code.names, asked.append)
    assert 0x1000 not in known
    assert 0x1000 not in known
    assert asked == [0x1000]


@given(accesses())
def test_an_atomic_is_read_and_write(each: object) -> None:
    """Reads and writes are all there is, and what is both is an atomic."""
    reads, writes = (Selection(direction=direction).matches(each) for direction in (READ, WRITE))  # type: ignore[arg-type]
    assert reads or writes
    assert Selection(direction=READ_WRITE).matches(each) == (reads and writes)  # type: ignore[arg-type]


def test_a_sink_behind_a_selection_gets_what_is_wanted() -> None:
    """A sink behind a selection gets the accesses that are wanted, and every event."""

    class List(list[Record]):
        write = list.append

    found = List()
    mark = Mark(1, 0, "x")
    sink = Selected(found, Selection.parse(only=["timer"]))
    for record in (STATUS, mark, CMOS):
        sink.write(record)
    assert found == [STATUS, mark]
