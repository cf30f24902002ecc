"""Expected accesses, as lines."""

import re
from pathlib import Path

import pytest
from attrs import evolve

from decode import READ_WRITE, WRITE
from mmio import AddressSpace, Device, ExpectationError, Trace, TraceView, array, bit, field, open_trace, register
from mmio.traces.expect import assert_accesses
from mmio.traces.expected import Expected, notation
from tests.mmio.sample_traces import MOV, POLL, START, access

WRITE_CTRL = access(0, direction=WRITE, address=START, offset=0, register="CTRL", value=1)
READ_STATUS = access(1)


@pytest.mark.parametrize(
    "line",
    ["R4 STATUS", "R4 timer.STATUS", "R4 +0x4", "R4 timer+0x4", "R4 0xfe000004", "R4 STATUS=3", "R4 STATUS=0b11"],
)
def test_places_have_several_names(line: str) -> None:
    """A register, an offset with or without its region, and an address all name the place; a value may be added."""
    assert_accesses([READ_STATUS], [line])


@pytest.mark.parametrize(
    "line", ["W4 STATUS", "R2 STATUS", "R4 CTRL", "R4 STATUS=0x4", "R4 other.STATUS", "RW4 STATUS"]
)
def test_anything_else_does_not_match(line: str) -> None:
    """Another direction, width, place or value is another access."""
    with pytest.raises(AssertionError):
        assert_accesses([READ_STATUS], [line])


def test_ports_and_unmapped_addresses() -> None:
    """Ports are named as ports; where nothing is mapped the address is the only name."""
    port = access(space="port", address=0x71, width=1, region=None, offset=None, register=None)
    assert_accesses([port], ["R1 port 0x71"])
    assert not Expected.parse("R1 0x71").matches(port)
    assert_accesses([access(region=None, offset=None, register=None)], ["R4 0xfe000004"])


def test_atomics_are_compared_by_what_they_wrote() -> None:
    """An atomic is RW, with the value written."""
    atomic = access(direction=READ_WRITE, old=2, value=3)
    assert notation(atomic) == "RW4 STATUS=0x3"
    assert_accesses([atomic], ["RW4 STATUS=3"])


def test_failure_is_a_diff() -> None:
    """The message counts both sides and shows missing lines with -, added accesses with + and their instruction."""
    view = TraceView.of([evolve(WRITE_CTRL, instruction=MOV), READ_STATUS, READ_STATUS])
    with pytest.raises(AssertionError) as caught:
        assert_accesses(view, ["W4 CTRL=0x3", "R4 STATUS"])
    assert str(caught.value).splitlines() == [
        "expected 2 accesses (-), the driver made 3 (+)",
        "- W4 CTRL=0x3",
        "+ W4 CTRL=0x1    at 0x401000: mov eax,[rdi+10h]",
        "  R4 STATUS=0x3",
        "+ R4 STATUS=0x3    at 0x401000",
    ]


def test_a_failure_names_the_code_that_did_it() -> None:
    """By the location in the trace; code without one is an address."""
    view = TraceView.of([POLL, access(0, instruction=MOV), access(1, ip=0x5000)])
    with pytest.raises(AssertionError) as caught:
        assert_accesses(view, [])
    assert str(caught.value).splitlines()[1:] == [
        "+ R4 STATUS=0x3    at poll+0x4 (driver.so) driver.c:42: mov eax,[rdi+10h]",
        "+ R4 STATUS=0x3    at 0x5000",
    ]


def test_diff_hides_what_is_as_expected() -> None:
    """Of many equal accesses those next to a difference are shown."""
    view = TraceView.of([*[READ_STATUS] * 100, WRITE_CTRL])
    with pytest.raises(AssertionError) as caught:
        assert_accesses(view, ["R4 STATUS"] * 100)
    _, hidden, *rest = str(caught.value).splitlines()
    assert hidden == "  … 97 as expected"
    assert [line[:2] for line in rest] == ["  ", "  ", "  ", "+ "]


@pytest.mark.parametrize("line", ["", "R CTRL", "X4 CTRL", "R0 CTRL", "R4 CTRL=", "R4 CTRL=zz", "R4"])
def test_a_bad_line_is_an_error_that_shows_it(line: str) -> None:
    """A line that is no access is an error that shows it, not a failed expectation."""
    with pytest.raises(ValueError, match=r"expected an access such as .* got") as caught:
        assert_accesses([], [line])
    assert repr(line) in str(caught.value)


def test_notation_is_understood() -> None:
    """What an access is written as matches it."""
    for one in (WRITE_CTRL, READ_STATUS, access(register=None), access(region=None, offset=None, register=None)):
        assert Expected.parse(notation(one)).matches(one)


def test_regions_are_told_apart_where_there_are_several() -> None:
    """The lines of a diff then say which."""
    other = access(1, region="other")
    with pytest.raises(AssertionError) as caught:
        assert_accesses([READ_STATUS, other], ["R4 timer.STATUS"])
    assert str(caught.value).splitlines()[:2] == [
        "expected 1 access (-), the driver made 2 (+)",
        "  R4 timer.STATUS=0x3",
    ]
    assert notation(other, region=True) == "R4 other.STATUS=0x3"


def test_what_is_no_list_is_refused() -> None:
    """One line is not a list of lines, and a mapping is not its trace."""
    with pytest.raises(TypeError, match=r"^expected is a list of lines, not one: \['R4 STATUS'\]$"):
        assert_accesses([READ_STATUS], "R4 STATUS")
    with pytest.raises(TypeError, match=r"^accesses is a trace or a list of accesses, such as mapping.trace, not "):
        assert_accesses(object(), ["R4 STATUS"])  # type: ignore[arg-type]


class Card(Device):
    ctrl = register(0x00, fields=[bit("UP", 1), field("MODE", 7, 4)])
    status = register(0x04, fields=[bit("READY", 0)])


def card_trace() -> Trace:
    """Return a trace of a card that is started, polled three times, and switched off."""
    trace = Trace()
    space = AddressSpace(trace)
    card = Card()
    space.map(START, 8, card, "card")
    space.write(START, 4, 0x22)
    for ready in (0, 0, 1):
        card.status.READY = ready
        space.read(START + 4, 4)
    space.write(START, 4, 0)
    return trace


@pytest.mark.parametrize(
    "lines",
    [
        ["W4 CTRL.UP=1", "R4 STATUS *", "R4 STATUS.READY=1", "W4 CTRL=0"],
        ["W4 card.CTRL.MODE=2", "R4 STATUS.READY=0 +", "…"],
        ["W4 CTRL=0x2/0xf", "R4 STATUS *3", "W4 CTRL.UP=0"],
        ["W4 CTRL", "any order {R4 STATUS=1; R4 STATUS=0 *2}", "never R CTRL", "…"],
    ],
)
def test_fields_masks_counts_and_orders(lines: list[str]) -> None:
    """A value may be that of a field, or masked; items say how often and in which order."""
    assert_accesses(card_trace(), lines)


def test_failure_of_items_shows_what_matched_and_what_came() -> None:
    """The message has the expected and the done side by side, up to the first access that does not fit."""
    with pytest.raises(AssertionError) as caught:
        assert_accesses(card_trace(), ["W4 CTRL.UP=1", "R4 STATUS *", "W4 CTRL.UP=1"])
    assert [line.rstrip() for line in str(caught.value).splitlines()] == [
        "access 4 is W4 CTRL=0x0; expected R4 STATUS * or W4 CTRL.UP=1",
        "   expected      access  done",
        "   W4 CTRL.UP=1       0  W4 CTRL=0x22",
        "   R4 STATUS *        1  R4 STATUS=0x0",
        "                         … 1 more",
        "                      3  R4 STATUS=0x1",
        "-  R4 STATUS *",
        "-  W4 CTRL.UP=1",
        "+                     4  W4 CTRL=0x0",
    ]


@pytest.mark.parametrize(
    ("lines", "headline"),
    [
        (["never W CTRL=0", "…"], "access 4 is W4 CTRL=0x0, which must not come: never W CTRL=0"),
        (["…", "W4 CTRL=1"], "the trace ends after 5; expected W4 CTRL=1"),
        (["W4 CTRL ?"], "access 1 is R4 STATUS=0x0; expected the end"),
        (
            ["W4 CTRL", "any order {R4 STATUS=0; R4 STATUS=1; W4 CTRL}", "…"],
            "access 1 is R4 STATUS=0x0; expected any order {R4 STATUS=0; R4 STATUS=1; W4 CTRL}, of which 1 came and "
            "R4 STATUS=1, W4 CTRL did not",
        ),
    ],
)
def test_headline_of_a_failure(lines: list[str], headline: str) -> None:
    """The first line says what came first that does not fit, and what might have come."""
    with pytest.raises(AssertionError) as caught:
        assert_accesses(card_trace(), lines)
    assert str(caught.value).splitlines()[0] == headline


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("never W CTRL.RESET=1", "no register or field is called 'CTRL.RESET'"),
        ("never W CTRL.UP=2", "CTRL.UP has 1 bit, so it is never 0x2"),
        ("{R4 STATSU +} ?", r"no register or field is called 'STATSU'; did you mean 'STATUS'\?"),
        ("W4 crad+0x10 ?", r"no region is called 'crad'; did you mean 'card'\?"),
        ("W4 CTRL UP=1", r"'CTRL UP' is no name of the trace, .* did you mean 'CTRL.UP'\?"),
    ],
)
def test_a_name_no_device_has_is_refused(line: str, problem: str) -> None:
    """It is an error where it stands, although the expectation would be met."""
    with pytest.raises(ExpectationError, match=problem):
        assert_accesses(card_trace(), ["…", line, "…"])


@pytest.mark.parametrize("place", ["+0x10", "0xfe000010", "port 0x70", "card+0x20", "other.CTRL", "other+0x4"])
def test_a_place_that_may_be_somewhere_is_no_mistake(place: str) -> None:
    """Numbers are of any place, and a region that is like none may be one that the driver has not touched."""
    assert_accesses(card_trace(), [f"W4 {place} ?", "…"])


def test_counts_too_large_are_refused() -> None:
    """Counts that multiply beyond all memory are an error of the expectation."""
    with pytest.raises(ExpectationError, match="these counts make more than"):
        assert_accesses(card_trace(), ["{{R4 A *1000} *1000} *1000"])


def test_a_list_of_accesses_may_be_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain list needs no automaton, so its bound is none for it; each line is looked at once."""
    monkeypatch.setattr("mmio.traces.matching.MAX_STATES", 10)
    made = [evolve(READ_STATUS, sequence=n, value=n) for n in range(20_000)]
    lines = [notation(one) for one in made]
    assert_accesses(made, lines)
    with pytest.raises(AssertionError, match="expected 20000 accesses"):
        assert_accesses(made, [*lines[:-1], "R4 STATUS=7"])
    with pytest.raises(ExpectationError, match="these counts make more than 10"):
        assert_accesses(made, [*lines[:-1], "R4 STATUS ?"])


class Named(Device):
    """Fields whose values have names, in a register each and in one of an array."""

    ctrl = register(
        0x00,
        fields=[
            field("RATE", 9, 8, enum={0: "AUTO", 1: "FAST"}),
            field("MODE", 5, 4, enum={0: "SLOW", 1: "FAST", 2: "AUTO"}),
            bit("UP", 0),
        ],
    )
    stat = register(0x04, fields=[bit("DONE", 0, enum={0: "BUSY", 1: "IDLE"})])
    pair = array(0x08, count=2, fields=[field("KIND", 3, 0, enum={7: "RAW"})])


def named_trace() -> Trace:
    trace = Trace()
    space = AddressSpace(trace)
    space.map(START, 0x10, Named(), "card")
    space.write(START, 4, 0x11)
    space.read(START + 4, 4)
    space.write(START + 0xC, 4, 7)
    space.write(START, 8, 0x1_0000_0020)
    return trace


@pytest.mark.parametrize("saved", [False, True])
def test_a_value_of_a_field_has_a_name(tmp_path: Path, saved: bool) -> None:
    """The name that the device's records show, also where the trace comes from a file and the device is gone."""
    trace: Trace | TraceView = named_trace()
    if saved:
        trace.save(tmp_path / "named.jsonl")
        trace = open_trace(tmp_path / "named.jsonl").load()
    lines = ["W4 CTRL.MODE=FAST", "R4 card.STAT.DONE=BUSY", "W4 PAIR[1].KIND=RAW", "W4 CTRL.MODE=AUTO"]
    assert_accesses(trace, [*lines[:3], "…"])
    assert [access.sequence for access in trace.filter("W CTRL.MODE=FAST")] == [0]
    for wrong in ("W4 CTRL.MODE=SLOW", "R4 card.STAT.DONE=IDLE", "W4 PAIR[0].KIND=RAW", "W4 CTRL.RATE=FAST"):
        with pytest.raises(AssertionError):
            assert_accesses(trace, ["…", wrong, "…"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("W4 CTRL.MODE=FASTER", "CTRL.MODE has no value 'FASTER'; did you mean 'FAST'?"),
        ("W4 card.CTRL.MODE=XX", "card.CTRL.MODE has no value 'XX'; it has AUTO, FAST, SLOW"),
        ("W4 CTRL.UP=YES", "CTRL.UP has no value 'YES', nor any other name of a value"),
        ("W4 card.CTRL=FAST", "card.CTRL is a register, and only a field has named values"),
        ("W4 CTRL=FAST", "'FAST' is no value such as 1, 0x1 or 0x1/0xff; only the value of a field has a name, as"),
        ("W4 CTRL.MODE=FAST/3", "'FAST/3' is no value such as"),
    ],
)
def test_a_name_no_value_has_is_refused(line: str, problem: str) -> None:
    """In an expectation and in a filter: neither could ever be met."""
    with pytest.raises(ExpectationError) as caught:
        assert_accesses(named_trace(), ["…", f"{line} ?", "…"])
    assert problem in str(caught.value)
    with pytest.raises(ValueError, match=re.escape(problem)):
        named_trace().filter(line)


def test_a_filter_of_a_value_that_does_not_fit_is_refused() -> None:
    """As an expectation is."""
    with pytest.raises(ValueError, match=r"CTRL\.UP has 1 bit, so it is never 0x2"):
        card_trace().filter("W CTRL.UP=2")
