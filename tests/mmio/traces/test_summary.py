"""One row a register."""

import pytest

from decode import READ_WRITE, WRITE
from mmio import Trace, TraceView
from mmio.traces.summary import Order, RegisterSummary, Summary
from tests.mmio.sample_traces import START, access, machine

SUMMARY = TraceView.of(
    [
        access(0, value=9, ip=0x30),
        access(1, direction=WRITE, value=1, offset=0, address=START, register="CTRL", width=2, ip=0x10),
        access(2, value=5, ip=0x20, width=1),
        access(3, value=7, old=5, direction=READ_WRITE, ip=0x20),
        access(4, region=None, offset=None, register=None, address=0x5000, ip=0),
    ]
).summary()


def test_counts_each_register() -> None:
    """A register's row has its reads and writes, widths, first and last value, and the ips by frequency."""
    assert list(SUMMARY)[1:] == [
        RegisterSummary("timer.CTRL", 0, 1, (2,), 1, 1, ((0x10, 1),)),
        RegisterSummary("timer.STATUS", 3, 1, (1, 4), 9, 7, ((0x20, 2), (0x30, 1))),
    ]


def test_unknown_ip_is_not_counted() -> None:
    """An access whose instruction is unknown adds no ip."""
    assert SUMMARY[0] == RegisterSummary("0x5000", 1, 0, (4,), 3, 3, ())


def test_prints_as_a_table() -> None:
    """Printed, it is a table; a resolver names the ips."""
    rows = SUMMARY.table(resolve=lambda ip: f"f+{ip:#x}").splitlines()
    assert rows[0].split() == [
        "register",
        "reads",
        "writes",
        "widths",
        "first",
        "last",
        "ips,",
        "most",
        "frequent",
        "first",
    ]
    assert rows[3].split() == ["timer.STATUS", "3", "1", "1,", "4", "0x9", "0x7", "f+0x20", "(2),", "f+0x30", "(1)"]
    assert str(SUMMARY) == SUMMARY.table()
    assert "timer.STATUS" in SUMMARY._repr_html_()


def test_only_the_most_frequent_ips_are_printed() -> None:
    """Of many ips three are printed, and that there are more."""
    row = TraceView.of(access(n, ip=n % 5 + 1) for n in range(11)).summary().table().splitlines()[1]
    assert row.endswith("0x1 (3), 0x2 (2), 0x3 (2), …")


@pytest.mark.parametrize("keep", [None, 7])
def test_trace_counts_its_records_in_groups(keep: int | None) -> None:
    """A trace counts like records together; the summary is that of its accesses one by one."""
    trace = Trace(keep=keep)
    timer = machine(trace)
    for n in range(12):
        timer.ip = n % 3
        timer.write(START + n % 2 * 4, 1 + n % 2, n)
        timer.read(START + 4, 4)
        timer.update(START, 4, lambda old: old + 1)
        timer.port_read(0x70, 1)
    assert list(trace.summary()) == list(TraceView.of(trace).summary())
    assert sum(row.reads + row.writes for row in trace.summary()) == sum(a.reads + a.writes for a in trace)


def test_an_empty_summary_says_so() -> None:
    """A summary of nothing says so."""
    assert str(Summary([])) == "no accesses"


@pytest.mark.parametrize(
    ("by", "places"),
    [
        ("address", ["0x5000", "timer.CTRL", "timer.STATUS"]),
        ("name", ["0x5000", "timer.CTRL", "timer.STATUS"]),
        ("reads", ["timer.STATUS", "0x5000", "timer.CTRL"]),
        ("writes", ["timer.CTRL", "timer.STATUS", "0x5000"]),
        ("accesses", ["timer.STATUS", "0x5000", "timer.CTRL"]),
    ],
)
def test_a_summary_is_sorted(by: Order, places: list[str]) -> None:
    """By address, by name, or by how often, the most frequent first; registers that are alike stay as they were."""
    assert [register.place for register in SUMMARY.sorted(by)] == places


def test_an_unknown_order_is_refused() -> None:
    """The error has the orders there are, and what was given."""
    with pytest.raises(ValueError, match=r"^by is one of address, name, reads, writes, accesses, not 'size'$"):
        SUMMARY.sorted("size")  # type: ignore[arg-type]
