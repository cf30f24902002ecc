"""Names of recorded instructions."""

from mmio import Trace, TraceView
from mmio.traces.naming import locations, names
from tests.mmio.sample_traces import POLL, START, access, machine


def test_what_a_trace_says() -> None:
    """An instruction is called what the events say, also in a part of the trace; any other is its address."""
    view = TraceView.of([POLL, access(0), access(1, ip=0x5000)])
    for part in (view, view[1:], view.filter(ip=0x5000)):
        assert locations(part) == {0x401000: POLL.location}
        assert [names(part)(ip) for ip in (0x401000, 0x5000)] == ["poll+0x4 (driver.so) driver.c:42", "0x5000"]


def test_a_trace_that_still_records() -> None:
    """A trace of this process knows names as soon as it has asked for them."""
    trace = Trace(locate=lambda ip: POLL.location)
    assert names(trace)(0x401000) == "0x401000"
    machine(trace).read(START, 4)
    assert names(trace)(0x401000) == str(POLL.location)


def test_accesses_without_events() -> None:
    """A list of accesses says nothing of where their instructions are."""
    assert locations([access(0)]) == {}
    assert names([access(0)])(0x401000) == "0x401000"
