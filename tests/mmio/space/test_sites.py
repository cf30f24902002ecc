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

    def step(self, step: dict[str, Any]) -> None:
        """Set what the step sets, and make its access."""
        self.bus.ip, self.bus.instruction = step["ip"], step["instruction"]
        if self.bus.thread != step["thread"]:
            self.bus.thread = step["thread"]
        if self.bus.flags != step["flags"]:
            self.bus.flags = step["flags"]
        match step["before"]:
            case "remap":
                self.remap(f"at {step['value'] % 3}")
            case "same recorder":
                self.bus.trace = self.recorder
            case "no recorder":
                self.bus.trace = None
        self.access(step["verb"], step["place"], step["width"], step["value"])
        self.bus.trace = self.recorder if step["before"] == "no recorder" else self.bus.trace


STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "ip": st.sampled_from([0x400000, 0x400010]),
            "instruction": st.sampled_from(INSTRUCTIONS),
            "place": st.sampled_from([0x1000, 0x1008, 0x1FF0, 0x1FFE, 0x2000]),
            "width": st.sampled_from([1, 4, 8, 16]),
            "value": st.integers(0, (1 << 128) - 1) | st.integers(0, 255),
            "verb": st.sampled_from(["read", "read", "write", "write", "update", "port_read", "port_write"]),
            "thread": st.sampled_from([1, 1, 1, 2]),
            "flags": st.sampled_from([0, 0, 0, 8]),
            "before": st.sampled_from([*[""] * 6, "remap", "same recorder", "no recorder", "off", "on", "sink"]),
        }
    ),
    max_size=30,
)


class Seen(list[Access]):
    """A sink that keeps the accesses."""

    def write(self, record: object) -> None:
        """Keep an access."""
        if isinstance(record, Access):
            self.append(record)


@given(STEPS)
def test_records_are_those_of_single_accesses(steps: list[dict[str, Any]]) -> None:
    """A trace that gets rows by site has the records that a recorder gets which is told of each access."""
    trace, log = Trace(), Log()
    machines = [Machine(trace), Machine(log)]
    seen, expected = Seen(), list[Access]()
    attached = False
    for step in steps:
        match step["before"]:
            case "off" | "on":
                trace.enabled = log.enabled = step["before"] == "on"
            case "sink":
                (trace.detach if attached else trace.attach)(seen)
                attached = not attached
        before = len(trace)
        for machine in machines:
            machine.step(step)
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
