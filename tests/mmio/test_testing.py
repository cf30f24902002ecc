"""The traps of one test."""

from ctypes import c_uint32

import pytest

from mmio import Mapping, Trace
from mmio.testing import SHOWN, Traps
from tests.mmio.inprocess.models import Bytes


def read(mapping: Mapping, times: int) -> None:
    for _ in range(times):
        assert c_uint32.from_address(mapping.address).value == 0


def test_closes_every_mapping() -> None:
    """All mappings are closed together."""
    traps = Traps(lambda trace: None)
    mappings = [traps(Bytes(64)), traps(Bytes(64))]
    traps.close()
    assert [mapping.closed for mapping in mappings] == [True, True]


def test_tells_each_trace_once() -> None:
    """A trace that two mappings share is told once."""
    told: list[Trace] = []
    traps = Traps(told.append)
    shared = Trace()
    traps(Bytes(64), trace=shared)
    traps(Bytes(64), trace=shared)
    own = traps(Bytes(64))
    traps.close()
    assert [id(trace) for trace in told] == [id(shared), id(own.trace)]


@pytest.mark.parametrize(
    ("times", "headline"),
    [(0, "card: no accesses"), (SHOWN, f"card: {SHOWN} accesses"), (999, f"card: 999 accesses, the last {SHOWN}")],
)
def test_report_shows_the_last_accesses(times: int, headline: str) -> None:
    """The report has a table of the last accesses of each trace, and says how many there were."""
    traps = Traps(lambda trace: None)
    read(traps(Bytes(64), name="card"), times)
    traps.close()
    first, *rows = traps.report().splitlines()
    assert first == headline
    assert len([row for row in rows if "card+0x0" in row]) == min(times, SHOWN)


def test_what_happened_last_is_in_the_report() -> None:
    """Of more accesses than are shown, it is the first that are left out."""
    traps = Traps(lambda trace: None)
    mapping = traps(Bytes(64), name="card")
    read(mapping, SHOWN)
    mapping.space.read(mapping.address + 8, 1)
    traps.close()
    assert "card+0x8" in traps.report().splitlines()[-1]


def test_ports_are_closed_and_reported_too() -> None:
    """What goes for memory goes for ports."""
    told: list[Trace] = []
    traps = Traps(told.append)
    assert not traps.used
    ports = traps.ports(0x300, 4, Bytes(4), name="card")
    assert traps.used
    assert told == [ports.trace]
    traps.close()
    assert ports.closed
    assert traps.report() == "card: no accesses"
