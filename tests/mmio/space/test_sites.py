"""What a route remembers of the sites of accesses is seen in no record."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from decode import decode
from mmio import Access, AddressSpace, Trace
from mmio.space.recorder import Recorder
from tests.mmio.doubles import Log

INSTRUCTIONS = [None, *(decode(bytes.fromhex(code)) for code in ("8b07", "8b4710", "660f6f07"))]


class Memory:
    """A device that answers with the low bytes of what it was written last."""

    def __init__(self) -> None:
        self.value = 0

    def read(self, offset: int, width: int) -> int:
        """Return the value's low bytes."""
        return self.value & (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> None:
        """Keep the value."""
        self.value = value


class Machine:
    """Two cards and ports, accessed by one initiator. It does what a step says."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.space = AddressSpace(recorder)
        self.memory = Memory()
        self.remap("first")
        self.space.map(0x2000, 0x1000, self.memory, "second")
        self.space.map_ports(0x1000, 0x10, self.memory, "ports")
        self.bus = self.space.initiator(1)

    def remap(self, name: str) -> None:
        """Put a card with another name in place of the first one."""
        for region in list(self.space.memory):
            if region.start == 0x1000:
                self.space.unmap(region)
        self.space.map(0x1000, 0x1000, self.memory, name)

    def access(self, verb: str, place: int, width: int, value: int) -> None:
        """Make an access of a width that the place can have."""
        value &= (1 << 8 * width) - 1
        match verb:
            case "read":
                self.bus.read(place, width)
            case "write":
                self.bus.write(place, width, value)
            case "update":
                self.bus.update(place, width, lambda old: value)
            case "port_read":
                self.bus.port_read(0x1000 + place % 8, min(width, 4))
            case "port_write":
                self.bus.port_write(0x1000 + place % 8, min(width, 4), value & 0xFF)

    def step(self, state: dict[str, Any], change: str, value: Any) -> None:
        """Change the state as a step says, and make an access in it."""
        self.bus.ip, self.bus.instruction = state["ip"], state["instruction"]
        match change:
            case "thread" | "flags":
                setattr(self.bus, change, value)
            case "remap":
                self.remap(value)
            case "recorder":
                self.bus.trace = self.recorder if value else None
        self.access(state["verb"], state["place"], state["width"], state["value"])


FIRST = {"ip": 0x400000, "instruction": INSTRUCTIONS[1], "place": 0x1000, "width": 4, "value": 1, "verb": "read"}
CHANGES = {
    "ip": st.sampled_from([0x400000, 0x400010]),
    "instruction": st.sampled_from(INSTRUCTIONS),
    "place": st.sampled_from([0x1000, 0x1008, 0x1FF0, 0x1FFE, 0x2000]),
    "width": st.sampled_from([1, 4, 8, 16]),
    "value": st.integers(0, (1 << 128) - 1) | st.integers(0, 255),
    "verb": st.sampled_from(["read", "write", "update", "port_read", "port_write"]),
    "thread": st.sampled_from([1, 2]),
    "flags": st.sampled_from([0, 8]),
    "remap": st.sampled_from(["first", "new"]),
    "recorder": st.booleans(),
    "enabled": st.booleans(),
    "sink": st.booleans(),
    "": st.none(),
}
STEPS = st.lists(st.one_of([st.tuples(st.just(name), values) for name, values in CHANGES.items()]), max_size=40)
"""One thing that changes before each access."""


class Seen(list[Access]):
    """A sink that keeps the accesses."""

    def write(self, record: object) -> None:
        """Keep an access."""
        if isinstance(record, Access):
            self.append(record)


@given(STEPS)
def test_records_are_those_of_single_accesses(steps: list[tuple[str, Any]]) -> None:
    """A trace that gets rows by site has the records that a recorder gets which is told of each access."""
    trace, log = Trace(), Log()
    machines = [Machine(trace), Machine(log)]
    state, seen, expected = dict(FIRST), Seen(), list[Access]()
    attached = False
    for change, value in steps:
        if change in state:
            state[change] = value
        elif change == "enabled":
            trace.enabled = log.enabled = value
        elif change == "sink" and value != attached:
            (trace.attach if value else trace.detach)(seen)
            attached = value
        before = len(trace)
        for machine in machines:
            machine.step(state, change, value)
        expected += trace[before:] if attached else []
    told = [
        (
            r.direction,
            r.space,
            r.address,
            r.width,
            r.value,
            r.ip,
            r.instruction,
            r.flags,
            r.thread,
            r.old,
            r.region and r.region.name,
        )
        for r in log
    ]
    assert told == [
        (a.direction, a.space, a.address, a.width, a.value, a.ip, a.instruction, a.flags, a.thread, a.old, a.region)
        for a in trace
    ]
    assert list(seen) == expected
