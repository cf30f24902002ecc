"""At which accesses a fault happens."""

from statistics import mean

import pytest

from mmio import Clock
from mmio.faults import parse
from mmio.faults.armed import Armed, draw
from mmio.faults.places import Spot


def armed(line: str, clock: Clock | None = None) -> Armed:
    clock = clock or Clock()
    return Armed(parse(line).faults[0], [Spot(0, 4)], (1, 1), None, lambda: clock.now)


@pytest.mark.parametrize(
    ("line", "events", "happens"),
    [
        ("S stuck bit0=1", "RWRR", "R.RR"),
        ("S stuck bit0=1 after 2 reads", "RRWRR", "...RR"),
        ("S stuck bit0=1 after 1 write", "RRWRR", "...RR"),
        ("S stuck bit0=1 after 3 accesses", "RRWRR", "...RR"),
        ("S stuck bit0=1 at read 2", "RWRRR", "..R.."),
        ("S stuck bit0=1 for 2 reads", "RRRRR", "RR..."),
        ("S stuck bit0=1 after 1 read for 2 reads", "RRRRR", ".RR.."),
        ("S lost at write 2", "WRWW", "..W."),
        ("S lost after 1 write", "WRWW", "..WW"),
        ("S removed at access 3", "RWRWR", "..RWR"),
        ("S removed at write 2", "RWRWR", "...WR"),
        ("S removed at access 2 ", "RRWR", ".RWR"),
        ("S removed after 1 access for 2 accesses", "RRWRR", ".RW.."),
        ("S bus-error at access 2", "RWR", ".W."),
        ("S bus-error at read 2", "RWR", "..R"),
        ("S bus-error after 1 read", "RWR", ".WR"),
        ("S bus-error for 1 write", "RWRW", ".W.."),
    ],
)
def test_when_it_happens(line: str, events: str, happens: str) -> None:
    """R is a read, W a write; a removed device stays so."""
    fault = armed(line)
    units = {"R": "read", "W": "write"}
    told = "".join(event if fault.count(units[event]) else "." for event in events)  # type: ignore[arg-type]
    assert told == happens
    assert fault.applied == sum(event != "." for event in happens)


def test_times_are_the_clocks() -> None:
    """It begins at a time, and lasts as long after it has first happened."""
    clock = Clock()
    fault = armed("S stuck bit0=1 from 10us for 5us", clock)
    assert not fault.count("read")
    clock.advance(10_000)
    assert fault.count("read")
    clock.advance(14_999)
    assert fault.count("read")
    clock.advance(15_000)
    assert not fault.count("read")


def test_chance_is_the_seeds() -> None:
    """Equal seeds draw the same, others something else, and the share is the probability."""
    one, same, other = (armed(f"S stuck bit0=1 with probability 0.25 seed {seed}") for seed in (1, 1, 2))
    drawn = [[fault.count("read") for _ in range(400)] for fault in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 60 < sum(drawn[0]) < 140
    assert mean(draw(5, number) for number in range(10_000)) == pytest.approx(0.5, abs=0.02)


def test_a_restored_state_goes_on_the_same() -> None:
    """What was counted and drawn is all there is."""
    fault = armed("S stuck bit0=1 after 2 reads with probability 0.5 seed 3 for 9 reads")
    for _ in range(5):
        fault.count("read")
    state = fault.state()
    first = [fault.count("read") for _ in range(40)]
    fault.restore(state)
    assert [fault.count("read") for _ in range(40)] == first
