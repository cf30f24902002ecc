"""What an initiator adds to a route: where it is, what to record, blocks, code and steps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, WRITE, decode
from emulate import Cpu, Emulator, Ram
from mmio import AddressSpace, DeviceError, Initiator, Trace
from mmio.space.route import Route
from tests.mmio.doubles import Answering, Log, Spy

READ_EAX = bytes.fromhex("8b4704")  # mov eax,[rdi+4]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def space(log: Log) -> AddressSpace:
    """A spy at 0x1000..0x1100 and port 0x60, RAM at 0x2000..0x3000."""
    space = AddressSpace(log)
    space.map(0x1000, 0x100, Spy(), "spy")
    space.map_ports(0x60, 4, Spy(), "ports")
    space.ram(0x2000, 0x1000)
    return space


def test_records_say_who_and_where(space: AddressSpace, log: Log) -> None:
    """Each record has the initiator's ip, instruction and thread, the region and the offset in it."""
    initiator = Initiator(space, thread=7)
    initiator.ip, initiator.instruction = 0x401000, decode(READ_EAX)
    initiator.read(0x1004, 4)
    initiator.port_write(0x61, 1, 0x5A)
    read, write = log
    assert read.region is not None
    assert write.region is not None
    assert (read.direction, read.space, read.address, read.width, read.value) == (READ, "memory", 0x1004, 4, 0x17161514)
    assert (read.ip, read.instruction, read.thread) == (0x401000, decode(READ_EAX), 7)
    assert (read.region.name, read.offset, read.flags, read.old) == ("spy", 4, 0, None)
    assert (write.direction, write.space, write.address, write.width, write.value) == (WRITE, "port", 0x61, 1, 0x5A)
    assert (write.region.name, write.offset) == ("ports", 1)


def test_its_trace_is_its_own(space: AddressSpace, log: Log) -> None:
    """A trace given wins over the space's, and None given later ends recording."""
    own = Log()
    initiator = Initiator(space, own)
    initiator.read(0x1000, 1)
    assert initiator.trace is own
    initiator.trace = None
    initiator.read(0x1000, 1)
    assert (len(own), len(log)) == (1, 0)


def test_an_empty_trace_is_still_a_trace(space: AddressSpace, log: Log) -> None:
    """A trace that is false because nothing is in it yet is used all the same."""
    own = Log()
    assert not own
    Initiator(space, own).read(0x1000, 1)
    assert len(own) == 1


def test_step_puts_the_instruction_into_the_records(space: AddressSpace, log: Log) -> None:
    """An emulator over an initiator tells it what runs, so the records know the place and the instruction."""
    initiator = space.initiator()
    cpu = Cpu(bits=64, rip=0x401000, rdi=0x1000)
    assert Emulator(initiator).step(cpu, READ_EAX) == decode(READ_EAX)
    assert (cpu.eax, cpu.rip) == (0x17161514, 0x401003)
    assert [(r.ip, r.instruction) for r in log] == [(0x401000, decode(READ_EAX))]


@pytest.mark.parametrize(("bits", "rip", "base"), [(64, 0x2010, 0), (32, 0x2010, 0), (16, 0x10, 0x2000)])
def test_step_fetches_code(space: AddressSpace, log: Log, bits: int, rip: int, base: int) -> None:
    """Without code the bytes at cs:rip are fetched, which is no access and not recorded."""
    assert space.write_block(0x2010, bytes.fromhex("b005"))
    cpu = Cpu(bits=bits, rip=rip, cs_base=base)
    initiator = space.initiator()
    assert Emulator(initiator).step(cpu).mnemonic == "mov"
    assert (initiator.ip, cpu.rip, log) == (rip, rip + 2, [])


def test_errors_say_which_instruction(space: AddressSpace) -> None:
    """A wrong answer is blamed on the device, at the instruction that asked."""
    space.map(0x4000, 0x10, Answering(None), "broken")
    initiator = space.initiator()
    cpu = Cpu(bits=64, rip=0x401000, rdi=0x4000)
    with pytest.raises(DeviceError) as caught:
        Emulator(initiator).step(cpu, READ_EAX)
    assert str(caught.value) == (
        "the device answered None, expected an int in 0..0xffffffff; "
        "read of 4 bytes at address 0x4004, 'broken' offset 0x4, ip 0x401000: mov eax,[rdi+4]"
    )
    assert cpu.rip == 0x401000


def test_blocks_are_plain_memory_only(space: AddressSpace, log: Log) -> None:
    """Inside one stretch of RAM blocks move in one piece, unrecorded; elsewhere they do not move outside a REP."""
    initiator = space.initiator()
    assert initiator.write_block(0x2FFC, b"abcd")
    assert initiator.read_block(0x2FFC, 4) == b"abcd"
    for address in (0x1000, 0x2FFD, 0x1FFE, 0x9000):
        assert initiator.read_block(address, 4) is None
        assert not initiator.write_block(address, b"wxyz")
    assert initiator.read_block(0x2FFC, 4) == b"abcd"
    assert log == []


def test_recorded_memory_is_not_plain(space: AddressSpace, log: Log) -> None:
    """RAM mapped like a device is recorded, so every element must pass one by one."""
    space.map(0x8000, 0x100, Ram(0x100), "shared")
    initiator = space.initiator()
    assert initiator.read_block(0x8000, 4) is None
    assert not initiator.write_block(0x8000, b"abcd")
    initiator.write(0x8000, 4, 1)
    assert log.brief == [(WRITE, 0x8000, 4, 1, 0)]


def test_fetch_ends_where_memory_ends(space: AddressSpace) -> None:
    """Code may be shorter than asked for; a device without `fetch` has none."""
    space.ram(0x3000, 8)
    space.write_block(0x2FFE, b"\x01\x02")
    space.write_block(0x3000, b"\x03\x04")
    initiator = space.initiator()
    assert initiator.fetch(0x2FFE, 4) == b"\x01\x02\x03\x04"
    assert initiator.fetch(0x3006, 15) == bytes(2)
    assert initiator.fetch(0x1000, 15) == b""


def test_fetch_stops_at_a_short_answer() -> None:
    """A bus that has fewer bytes than its range promises (a page that is not there) ends the fetch."""

    class Holey(Spy):
        def fetch(self, offset: int, length: int) -> bytes:
            return b"\x90"

    space = AddressSpace()
    space.map(0, 0x10, Holey())
    assert space.fetch(0, 4) == b"\x90"


@pytest.mark.parametrize("name", ["read", "write", "update", "port_read", "port_write"])
def test_the_bus_methods_are_the_routes_own(space: AddressSpace, name: str) -> None:
    """An access costs no extra call: the bus methods of an initiator are those of its routes."""
    method = getattr(space.initiator(), name)
    assert method.__func__ is getattr(Route, name.removeprefix("port_"))


class Elements:
    """Memory that knows no blocks."""

    def __init__(self, memory: Ram) -> None:
        self.read, self.write = memory.read, memory.write


_BOTTOM, _SIZE = 0x1000, 0x60
_PLACES = st.integers(_BOTTOM - 8, _BOTTOM + 2 * _SIZE + 8)


@given(
    code=st.sampled_from(["f3a4", "f366a5", "f3a5", "f348a5", "f3aa", "f366ab", "f3ab", "f348ab"]),
    source=_PLACES,
    destination=_PLACES,
    count=st.integers(0, 0x40),
    down=st.booleans(),
    recorded=st.tuples(st.booleans(), st.booleans()),
    policies=st.sampled_from([{}, {"unaligned": "error"}, {"widths": {1, 4}}]),
    keep=st.sampled_from([None, 5]),
)
def test_blocks_are_recorded_as_their_elements(
    code: str,
    source: int,
    destination: int,
    count: int,
    down: bool,
    recorded: tuple[bool, bool],
    policies: dict[str, Any],
    keep: int | None,
) -> None:
    """Moved in one piece or not, a string instruction leaves the same memory, registers, error and records."""
    outcomes = []
    for whole in (True, False):
        trace = Trace(keep=keep)
        space = AddressSpace(trace)
        memories = [Ram(bytes(range(index, index + _SIZE))) for index in (1, 101)]
        for index, memory in enumerate(memories):
            region = space.map(
                _BOTTOM + index * _SIZE, _SIZE, memory if whole else Elements(memory), f"memory {index}", **policies
            )
            space.unmap(region)
            region.recorded = recorded[index]
            space.memory.add(region)
        cpu = Cpu(rsi=source, rdi=destination, rcx=count, rax=0x1122334455667788, df=int(down), rip=0x400000)
        error = ""
        try:
            Emulator(space).step(cpu, bytes.fromhex(code))
        except Exception as raised:
            error = str(raised)
        records = [(a.sequence, a.direction, a.address, a.width, a.value, a.ip, a.region, a.offset) for a in trace]
        outcomes.append((cpu, [bytes(memory.data) for memory in memories], error, records, trace.dropped))
    assert outcomes[0] == outcomes[1]


def test_a_recorded_block_moves_in_one_piece() -> None:
    """Plain memory that is recorded need not be read byte by byte to be recorded byte by byte."""

    class Counted(Ram):
        reads = 0

        def read(self, address: int, width: int) -> int:
            self.reads += 1
            return super().read(address, width)

    memory, trace = Counted(0x1000), Trace()
    space = AddressSpace(trace)
    space.map(0x1000, 0x1000, memory, "memory")
    space.ram(0x2000, 0x1000)
    Emulator(space).step(Cpu(rsi=0x1000, rdi=0x2000, rcx=0x1000), b"\xf3\xa4")
    assert (len(trace), memory.reads) == (0x1000, 0)


@pytest.mark.parametrize("answer", [None, -1, 1 << 128, 0.5], ids=repr)
@pytest.mark.parametrize("code", ["8b07", "ed", "f00107", "f3ad", "c5fa6f07", "62f17c491007"])
def test_a_space_vouches_for_its_devices(code: str, answer: object) -> None:
    """Whatever an instruction is, a device's answer is looked at here: an emulator need not do it again."""
    space = AddressSpace()
    space.map(0x10, 0x100, Answering(answer), "broken")
    space.map_ports(0x70, 4, Answering(answer), "broken")
    cpu = Cpu(rdi=0x10, rsi=0x10, rdx=0x70, rcx=1, k1=1)
    with pytest.raises(DeviceError, match="the device answered"):
        Emulator(space, bus_checks_answers=True).step(cpu, bytes.fromhex(code))


def test_a_block_moved_downwards_is_recorded_in_its_order() -> None:
    """With DF set the first element is the highest, in the records as in the move."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(0x1000, 0x10, Ram(bytes(range(16))), "memory")
    space.map(0x2000, 0x10, Ram(0x10), "other")
    Emulator(space).step(Cpu(rsi=0x1006, rdi=0x2006, rcx=3, df=1), b"\xf3\x66\xa5")
    assert [(a.letter, a.address, a.value) for a in trace] == [
        (letter, base + at, at | at + 1 << 8) for at in (6, 4, 2) for letter, base in (("R", 0x1000), ("W", 0x2000))
    ]


def test_what_is_watched_is_no_block() -> None:
    """Watched bytes are read and written one access at a time, so that watchpoints hear of each."""
    space = AddressSpace()
    space.ram(0, 0x20)
    assert space.read_block(4, 4) == bytes(4)
    with space.watch(4, 4, on="access"):
        assert space.read_block(4, 4) is None
        assert not space.write_block(4, b"\1\2\3\4")
    assert space.read_block(4, 4) == bytes(4)
