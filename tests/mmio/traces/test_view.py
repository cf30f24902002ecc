"""Looking at a trace."""

import pytest

from decode import READ, READ_WRITE, WRITE, Direction
from mmio import Trace, TraceView
from mmio.records.events import Event, Mark
from tests.mmio.sample_traces import START, access, machine

TRACE = TraceView.of(
    [
        access(0, direction=WRITE, value=1, offset=0, address=START, register="CTRL"),
        Mark(1, 500, "begin"),
        access(1, value=2, ip=0x401010),
        access(2, value=3, width=2, thread=1),
        access(3, value=4, old=3, direction=READ_WRITE),
        access(4, region="cmos", space="port", address=0x71, offset=1, register=None, width=1, value=5),
        Mark(5, 9000, "end"),
    ]
)


def numbers(view: TraceView) -> list[int]:
    return [a.sequence for a in view]


@pytest.mark.parametrize(
    ("criteria", "passing"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"region": "timer"}, [0, 1, 2, 3]),
        ({"region": {"timer", "cmos"}}, [0, 1, 2, 3, 4]),
        ({"register": "CTRL"}, [0]),
        ({"offset": 0}, [0]),
        ({"offset": range(2)}, [0, 4]),
        ({"address": range(START, START + 4)}, [0]),
        ({"width": (1, 2)}, [2, 4]),
        ({"direction": WRITE}, [0, 3]),
        ({"direction": READ}, [1, 2, 3, 4]),
        ({"direction": READ_WRITE}, [3]),
        ({"ip": 0x401010}, [1]),
        ({"value": [4, 5]}, [3, 4]),
        ({"space": "port"}, [4]),
        ({"thread": 1}, [2]),
        ({"since": 1000, "until": 3000}, [1, 2]),
        ({"predicate": lambda a: a.value > 3}, [3, 4]),
        ({"region": "timer", "width": 4, "direction": READ, "predicate": lambda a: a.value != 2}, [3]),
        ({"region": "no such"}, []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_filter_passes_what_meets_every_criterion(criteria: dict[str, object], passing: list[int]) -> None:
    """A filter passes the accesses that meet all of its criteria, each a value or a collection of values."""
    assert numbers(TRACE.filter(**criteria)) == passing  # type: ignore[arg-type]


def test_filters_add_up() -> None:
    """A filtered trace is filtered further like any other, and its numbers stay those of the trace."""
    reads = TRACE.filter(direction=READ)
    assert numbers(reads.filter(region="timer")) == [1, 2, 3]
    assert reads[0].sequence == 1


def test_index_and_slice() -> None:
    """A trace is a sequence: an index gives an access, also from the end, a slice a trace."""
    assert TRACE[0].sequence == 0
    assert TRACE[-1].sequence == 4
    assert numbers(TRACE[1:3]) == [1, 2]
    assert numbers(TRACE[::-2]) == [4, 2, 0]
    assert len(TRACE[1:3]) == 2
    with pytest.raises(IndexError):
        TRACE[5]


def test_equal_accesses_make_equal_traces() -> None:
    """Two traces are equal when their accesses are; events do not count."""
    assert TraceView.of(TRACE) == TRACE
    assert TRACE[:3] != TRACE
    assert TRACE[:3] != TRACE[1:4]
    assert list(TRACE) != TRACE


def order(view: TraceView) -> list[int | str]:
    return [r.text if isinstance(r, Mark) else r.sequence for r in view.records()]


def test_events_stay_at_their_place() -> None:
    """`records` gives events between the accesses they stood between, whatever was filtered out."""
    assert order(TRACE) == [0, "begin", 1, 2, 3, 4, "end"]
    assert order(TRACE.filter(register="CTRL")) == [0, "begin", "end"]
    assert order(TRACE.filter(space="port")) == ["begin", 4, "end"]
    assert order(TRACE[:0]) == ["begin", "end"]


def test_live_trace_may_grow_while_it_is_read() -> None:
    """Iterating over a trace that grows gives what it held at the start."""
    trace = Trace()
    initiator = machine(trace)
    initiator.read(START, 4)
    seen = 0
    for _ in trace:
        initiator.read(START, 4)
        seen += 1
    assert seen == 1
    assert len(trace) == 2


def test_printing_is_limited() -> None:
    """A printed trace shows its first rows and says how many more there are; `repr` is one line."""
    view = TraceView.of(access(n) for n in range(1040))
    lines = str(view).splitlines()
    assert len(lines) == 1 + 40 + 1
    assert lines[-1] == "… 1,000 more"
    assert repr(view) == "<TraceView of 1,040 accesses>"


def test_html_for_notebooks() -> None:
    """In a notebook a trace is a table, escaped, with the same rows."""
    html = TraceView.of([access(register="<b>")])._repr_html_()
    assert html.startswith("<table")
    assert "timer.&lt;b&gt;" in html
    assert "<b>" not in html


def test_events_are_a_copy() -> None:
    """What is done to a view's events is not done to the trace's."""
    trace = Trace()
    before: list[Event] = list(trace.events)
    assert isinstance(trace.events, list)
    trace.events.clear()
    assert list(trace.events) == before


@pytest.mark.parametrize(
    ("wanted", "passing"),
    [
        (["W timer.CTRL"], "W"),
        (["W4 CTRL=1", "R STATUS"], "any"),
        (["timer"], "timer"),
    ],
)
def test_filter_takes_words(wanted: list[str], passing: str) -> None:
    """A filter takes accesses and places in words, of which any may hold."""
    tests = {
        "W": lambda one: one.writes and one.register == "CTRL",
        "any": lambda one: (one.writes and one.register == "CTRL") or (one.reads and one.register == "STATUS"),
        "timer": lambda one: one.region == "timer",
    }
    found = TRACE.filter(*wanted)
    assert found
    assert numbers(found) == [one.sequence for one in TRACE if tests[passing](one)]


@pytest.mark.parametrize(("word", "direction"), [("R", READ), ("w", WRITE), ("read", READ), ("RW", READ_WRITE)])
def test_directions_are_words(word: str, direction: Direction) -> None:
    """A direction may be given as its letter, or in words."""
    assert numbers(TRACE.filter(direction=word)) == numbers(TRACE.filter(direction=direction))


@pytest.mark.parametrize(
    ("wanted", "criteria", "problem"),
    [
        ((), {"direction": "X"}, r"^direction is 'R', 'W' or 'RW' \(in words: read, write, read_write\), not 'X'$"),
        ((), {"register": "CTLR"}, r"^no register is called 'CTLR'; did you mean 'CTRL'\?$"),
        ((), {"region": "tmr"}, r"^no region is called 'tmr'; did you mean 'timer'\?$"),
        (("STATSU",), {}, r"^no register or field is called 'STATSU'; did you mean 'STATUS'\?$"),
        (("W CTLR",), {}, r"^no register or field is called 'CTLR'; did you mean 'CTRL'\?$"),
        (("W CTRL EN=1",), {}, "'CTRL EN' is no name of the trace"),
    ],
)
def test_filters_refuse_names_that_nothing_has(wanted: tuple[str, ...], criteria: dict[str, str], problem: str) -> None:
    """A name that no device of the trace has is an error, not an empty selection."""
    trace = Trace()
    machine(trace).read(START, 4)
    with pytest.raises(ValueError, match=problem):
        trace.filter(*wanted, **criteria)  # type: ignore[arg-type]


def test_a_register_that_was_not_accessed_is_none_of_the_accesses() -> None:
    """A name that a device has selects nothing where nothing was done to it; so does any name of a file's trace."""
    trace = Trace()
    machine(trace).read(START, 4)
    assert not trace.filter(register="STATUS")
    assert not TraceView.of(trace.records()).filter(register="CTLR")
