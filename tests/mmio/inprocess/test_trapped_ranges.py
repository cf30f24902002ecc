"""The ranges that trap in this process, and the owner of each."""

from typing import Any

from decode import READ, WRITE
from emulate import Cpu, Emulator, Ram
from mmio.inprocess.patching import Counts
from mmio.inprocess.trapped_ranges import TrappedRanges
from mmio.linux.trampoline import PORTS, TRAPS_START, trampoline
from mmio.space.region import Region
from mmio.traces.trace import Trace
from tests.mmio.inprocess.models import Bytes


class MappingLike:
    """An owner of regions, as a mapping is."""

    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = trace or Trace()
        self.failures: list[BaseException] = []
        self.counts = Counts()


def claimed(trapped_ranges: TrappedRanges, start: int, owner: MappingLike, length: int = 0x1000) -> Region:
    region = trapped_ranges.space.map(start, length, Bytes(length))
    trapped_ranges.claim(region, owner)
    return region


def test_a_claim_sets_the_ranges_of_the_trampoline() -> None:
    """The trampoline gets the range from the lowest to the highest page, and whether there are ports."""
    words = trampoline().words
    trapped_ranges, owner = TrappedRanges(), MappingLike()
    low, high = claimed(trapped_ranges, 0x10000, owner), claimed(trapped_ranges, 0x50000, owner, 0x10)
    port = trapped_ranges.space.map_ports(0x70, 2, Bytes(2))
    trapped_ranges.claim(port, owner)
    assert (words[TRAPS_START], words[TRAPS_START + 1], words[PORTS]) == (0x10000, 0x41000, 1)
    trapped_ranges.release(low)
    trapped_ranges.release(port)
    assert (words[TRAPS_START], words[TRAPS_START + 1], words[PORTS]) == (0x50000, 0x1000, 0)
    trapped_ranges.release(high)
    assert words[TRAPS_START + 1] == 0


def test_owners() -> None:
    """A place belongs to the owner that claimed its region, a port apart from the address of the same number."""
    trapped_ranges, one, two = TrappedRanges(), MappingLike(), MappingLike()
    regions = [claimed(trapped_ranges, 0x1000, one), claimed(trapped_ranges, 0x2000, two)]
    assert trapped_ranges.owner_at("memory", 0x1FFF) is one
    assert trapped_ranges.owner_at("memory", 0x2000) is two
    assert trapped_ranges.owner_at("memory", 0x3000) is trapped_ranges.owner_at("port", 0x1000) is None
    for region in regions:
        trapped_ranges.release(region)


def test_records_go_to_the_owner() -> None:
    """Each owner's trace gets its own regions' records; when there is only one trace, it is recorded in directly."""
    trapped_ranges, one, two = TrappedRanges(), MappingLike(), MappingLike()
    told: list[Any] = []
    trapped_ranges.record_to = told.append
    first = claimed(trapped_ranges, 0x1000, one)
    assert told == [one.trace]
    second = claimed(trapped_ranges, 0x2000, two)
    assert told[1:] == [trapped_ranges]
    trapped_ranges.space.initiator().read(0x1000, 4)
    trapped_ranges.space.initiator().read(0x2004, 1)
    assert [[(a.direction, a.address) for a in owner.trace] for owner in (one, two)] == [
        [(READ, 0x1000)],
        [(READ, 0x2004)],
    ]
    trapped_ranges.release(first)
    assert told[2:] == [two.trace]
    trapped_ranges.release(second)


def test_a_block_is_recorded_by_each_owner() -> None:
    """A copy from one owner's memory to another's is in both traces, each with its own side."""
    trapped_ranges, one, two = TrappedRanges(), MappingLike(), MappingLike()
    trapped_ranges.claim(source := trapped_ranges.space.map(0x1000, 0x1000, Ram(bytes(range(16)) * 256)), one)
    trapped_ranges.claim(destination := trapped_ranges.space.map(0x2000, 0x1000, Ram(0x1000)), two)
    initiator = trapped_ranges.space.initiator()
    cpu = Cpu(rsi=0x1000, rdi=0x2000, rcx=3)
    Emulator(initiator).step(cpu, bytes.fromhex("f366a5"))  # rep movsw
    for owner, direction, start in ((one, READ, 0x1000), (two, WRITE, 0x2000)):
        seen = [(access.direction, access.address, access.width, access.value) for access in owner.trace]
        assert seen == [(direction, start + 2 * i, 2, (2 * i + 1) << 8 | 2 * i) for i in range(3)]
    trapped_ranges.release(source)
    trapped_ranges.release(destination)
