"""What traps in this process, and whose it is."""

from typing import Any

from decode import READ, WRITE
from emulate import Cpu, Emulator, Ram
from mmio.inprocess.trapped_ranges import Territory
from mmio.linux.trampoline import PORTS, TRAPS_START, trampoline
from mmio.space.region import Region
from mmio.traces.trace import Trace
from tests.mmio.inprocess.models import Bytes


class Somebody:
    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = trace or Trace()
        self.failures: list[BaseException] = []


def claimed(territory: Territory, start: int, owner: Somebody, length: int = 0x1000) -> Region:
    region = territory.space.map(start, length, Bytes(length))
    territory.claim(region, owner)
    return region


def test_entry_knows_the_range() -> None:
    """The entry is told the range from the lowest to the highest page, and whether there are ports."""
    words = trampoline().words
    territory, owner = Territory(), Somebody()
    low, high = claimed(territory, 0x10000, owner), claimed(territory, 0x50000, owner, 0x10)
    port = territory.space.map_ports(0x70, 2, Bytes(2))
    territory.claim(port, owner)
    assert (words[TRAPS_START], words[TRAPS_START + 1], words[PORTS]) == (0x10000, 0x41000, 1)
    territory.release(low)
    territory.release(port)
    assert (words[TRAPS_START], words[TRAPS_START + 1], words[PORTS]) == (0x50000, 0x1000, 0)
    territory.release(high)
    assert words[TRAPS_START + 1] == 0


def test_owners() -> None:
    """A place belongs to whoever claimed its region, a port apart from the address of the same number."""
    territory, one, two = Territory(), Somebody(), Somebody()
    regions = [claimed(territory, 0x1000, one), claimed(territory, 0x2000, two)]
    assert territory.owner_at("memory", 0x1FFF) is one
    assert territory.owner_at("memory", 0x2000) is two
    assert territory.owner_at("memory", 0x3000) is territory.owner_at("port", 0x1000) is None
    for region in regions:
        territory.release(region)


def test_records_go_to_the_owner() -> None:
    """Each owner's trace gets its own regions' records; when there is only one trace, it is recorded in directly."""
    territory, one, two = Territory(), Somebody(), Somebody()
    told: list[Any] = []
    territory.record_to = told.append
    first = claimed(territory, 0x1000, one)
    assert told == [one.trace]
    second = claimed(territory, 0x2000, two)
    assert told[1:] == [territory]
    territory.space.initiator().read(0x1000, 4)
    territory.space.initiator().read(0x2004, 1)
    assert [[(a.direction, a.address) for a in owner.trace] for owner in (one, two)] == [
        [(READ, 0x1000)],
        [(READ, 0x2004)],
    ]
    territory.release(first)
    assert told[2:] == [two.trace]
    territory.release(second)


def test_a_block_is_recorded_by_each_owner() -> None:
    """A copy from one owner's memory to another's is in both traces, each with its own side."""
    territory, one, two = Territory(), Somebody(), Somebody()
    territory.claim(source := territory.space.map(0x1000, 0x1000, Ram(bytes(range(16)) * 256)), one)
    territory.claim(destination := territory.space.map(0x2000, 0x1000, Ram(0x1000)), two)
    initiator = territory.space.initiator()
    cpu = Cpu(rsi=0x1000, rdi=0x2000, rcx=3)
    Emulator(initiator).step(cpu, bytes.fromhex("f366a5"))  # rep movsw
    for owner, direction, start in ((one, READ, 0x1000), (two, WRITE, 0x2000)):
        seen = [(access.direction, access.address, access.width, access.value) for access in owner.trace]
        assert seen == [(direction, start + 2 * i, 2, (2 * i + 1) << 8 | 2 * i) for i in range(3)]
    territory.release(source)
    territory.release(destination)
