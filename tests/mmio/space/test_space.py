"""The address space: mapping, and a whole that equals a dictionary of bytes."""

import re
from itertools import pairwise
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from decode import READ, WRITE
from emulate import Bus, Cpu, Emulator, PageFault, Ram
from mmio import AddressSpace, Initiator, MappingError
from mmio.space.region import Region
from tests.mmio.doubles import Log, Spy

END = 0x60


def random_bytes(length: int, seed: int) -> bytes:
    """Different contents for each region, so that a byte from the wrong one is seen."""
    return Random(seed).randbytes(length)


def test_it_is_a_bus() -> None:
    """A library caller hands the space to an emulator; a store lands in the device, its instruction in the record."""
    spy = Spy()
    space = AddressSpace(log := Log())
    assert isinstance(space, Bus)
    space.map(0xFE000000, 0x100, spy)
    cpu = Cpu(bits=64, rip=0x1234, rdi=0xFE000000, eax=0x11223344)
    Emulator(space).step(cpu, bytes.fromhex("894708"))  # mov [rdi+8],eax
    assert spy.seen == [("write", 8, 4)]
    assert log.brief == [(WRITE, 0xFE000008, 4, 0x11223344, 0)]
    assert [(record.ip, str(record.instruction)) for record in log] == [(0x1234, "mov [rdi+8],eax")]


def test_the_bus_methods_all_work() -> None:
    """Memory, ports, atomics, blocks and code, each through the space itself."""
    space = AddressSpace()
    space.ram(0x1000, 0x100)
    space.map_ports(0x70, 2, Spy())
    space.write(0x1000, 4, 0x04030201)
    assert space.read(0x1001, 2) == 0x0302
    assert space.update(0x1000, 1, lambda old: old + 1) == 1
    assert space.read_block(0x1000, 4) == b"\x02\x02\x03\x04"
    assert space.write_block(0x1000, b"\x90\x90")
    assert space.fetch(0x1000, 2) == b"\x90\x90"
    assert space.port_read(0x70, 2) == 0x1110
    space.port_write(0x71, 1, 0xAA)
    assert space.port_read(0x71, 1) == 0xAA


def test_ports_and_memory_are_two_spaces() -> None:
    """The same number is another place in the other, and overlaps nothing there."""
    space = AddressSpace(unmapped="zeros")
    space.map(0x60, 4, Spy())
    space.map_ports(0x60, 4, Spy())
    space.write(0x60, 1, 1)
    assert (space.read(0x60, 1), space.port_read(0x60, 1)) == (1, 0x10)


def test_a_region_is_named_after_its_device() -> None:
    """Unless it has a name of its own."""
    space = AddressSpace()
    assert space.map(0x1000, 4, Spy()).name == "Spy"
    assert space.map(0x2000, 4, Spy(), "uart").name == "uart"
    assert space.ram(0x3000, 4).name == "ram"


def test_it_prints_as_a_map() -> None:
    """Memory, then ports, as ranges."""
    space = AddressSpace()
    space.ram(0x2000, 0x1000)
    space.map(0x1000, 0x100, Spy(), "uart")
    space.map_ports(0x60, 4, Spy(), "kbd")
    assert str(space) == "0x1000..0x1100 'uart'\n0x2000..0x3000 'ram'\nport 0x60..0x64 'kbd'"


def test_ram_is_not_recorded() -> None:
    """A trace is about devices; memory would drown it."""
    space = AddressSpace(log := Log())
    space.ram(0x1000, 0x100)
    space.write(0x1001, 64, 1 << 511)
    assert space.read(0x1001, 64) == 1 << 511
    space.update(0x1000, 10, lambda old: old)
    assert log == []


def test_the_trace_can_be_put_in_later() -> None:
    """Setting `trace` takes effect for the space at once, and for initiators made from then on."""
    space = AddressSpace()
    space.map(0, 4, Spy())
    space.read(0, 1)
    space.trace = log = Log()
    space.read(0, 1)
    space.initiator().read(0, 1)
    assert log.brief == [(READ, 0, 1, 0x10, 0)] * 2


def test_overlaps_are_refused_and_overlays_are_asked_for() -> None:
    """A device over RAM needs a higher priority."""
    space = AddressSpace()
    space.ram(0x1000, 0x1000)
    message = (
        "0x1800..0x1900 'timer' overlaps 0x1000..0x2000 'ram'; to lay one over the other give it a higher priority"
    )
    with pytest.raises(MappingError, match=f"^{re.escape(message)}$"):
        space.map(0x1800, 0x100, Spy(), "timer")
    space.map(0x1800, 0x100, Spy(), "timer", priority=1)
    assert space.read(0x1800, 1) == 0x10


def test_unmap_by_region_and_by_address() -> None:
    """An address names the topmost region that starts there; a port region is given itself."""
    space = AddressSpace(unmapped="ones")
    space.ram(0x1000, 0x100)
    space.map(0x1000, 4, Spy(), priority=1)
    ports = space.map_ports(0x1000, 4, Spy())
    space.unmap(0x1000)
    assert space.read(0x1000, 1) == 0
    space.unmap(0x1000)
    assert space.read(0x1000, 1) == 0xFF
    space.unmap(ports)
    assert space.port_read(0x1000, 1) == 0xFF


def test_unmapping_nothing_is_an_error() -> None:
    """It says what was asked for."""
    space = AddressSpace()
    region = space.map(0x1000, 4, Spy(), "x")
    with pytest.raises(MappingError, match=r"^no region starts at 0x1001$"):
        space.unmap(0x1001)
    space.unmap(region)
    with pytest.raises(MappingError, match=r"^0x1000\.\.0x1004 'x' is not mapped$"):
        space.unmap(region)


def test_only_devices_are_mapped() -> None:
    """A class in place of its instance, and an object without the two methods, are distinguished from a device."""
    space = AddressSpace()
    with pytest.raises(TypeError, match=r"^map a device, not a class: Spy\(\.\.\.\)$"):
        space.map(0, 4, Spy)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"^5 is not a device: it needs read\(offset, width\) and write\(offset, width, value\)$"
    ):
        space.map_ports(0, 4, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "width"), [(-1, 4), (256, 1), (1 << 64, 8)])
def test_a_caller_must_write_what_fits(value: int, width: int) -> None:
    """A library caller's mistake is not blamed on the device."""
    space = AddressSpace(unmapped="ones")
    with pytest.raises(ValueError, match=f"^value {value:#x} does not fit in {width} bytes$"):
        space.write(0, width, value)
    with pytest.raises(ValueError, match="does not fit"):
        space.port_write(0, width, value)


def test_a_background_answers_where_nothing_is_mapped() -> None:
    """Ordinary memory around the devices: reached through, straddled into, moved in blocks and never recorded."""
    memory = Ram(0x2000)
    space = AddressSpace(log := Log(), background=memory)
    space.map(0x1000, 0x100, Spy(), "spy")
    space.write(0x800, 8, 0x0102030405060708)
    assert memory.read(0x800, 8) == 0x0102030405060708
    assert space.read_block(0x800, 2) == b"\x08\x07"
    assert space.read_block(0xFFF, 2) is None
    memory.write(0xFFE, 2, 0xBBAA)
    assert space.read(0xFFE, 4) == 0x1110BBAA
    assert [(record.address, record.width) for record in log] == [(0x1000, 2)]
    assert space.update(0x10FF, 2, lambda old: 0) == 0x000F
    with pytest.raises(PageFault):
        space.read(0x2000, 1)


def test_a_background_has_ports_too() -> None:
    """Its port half answers at the ports that are not taken."""

    class Machine(Ram):
        def port_read(self, port: int, width: int) -> int:
            return port

        def port_write(self, port: int, width: int, value: int) -> None:
            self.data[port] = value

    machine = Machine(0x100)
    space = AddressSpace(background=machine)
    space.map_ports(0x70, 1, Spy())
    assert (space.port_read(0x70, 1), space.port_read(0x71, 1)) == (0x10, 0x71)
    space.port_write(0x72, 1, 9)
    assert machine.data[0x72] == 9


def test_thousands_of_regions() -> None:
    """Each of 2,000 ranges is found, and when they have gone the ground is one again."""
    space = AddressSpace(unmapped="zeros")
    regions = [space.map(0x1000 * i, 0x800, Ram(0x800)) for i in range(2000)]
    for i in (0, 1, 1000, 1999):
        space.write(0x1000 * i, 4, i + 1)
    assert [space.read(0x1000 * i, 4) for i in (0, 1, 1000, 1999)] == [1, 2, 1001, 2000]
    for region in regions[1:]:
        space.unmap(region)
    assert space.memory.find(0x1000).start == 0x800
    assert space.memory.find(0x1000).end == 1 << 64


class SpaceAndBytes(RuleBasedStateMachine):
    """An address space and a dictionary of bytes return the same values for the same sequence of accesses.

    The dictionary knows no ranges, segments, borders or policies: each region is one byte object per address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.space = AddressSpace(self.log, unmapped="zeros")
        self.initiators = [Initiator(self.space, self.log), self.space.initiator()]
        self.regions: list[tuple[Region, dict[int, int]]] = []
        self.last_read = [(0, 1), (0, 1)]  # where each initiator was last, and may have kept what it found
        self.last_write = [0, 0]

    def _top(self, address: int) -> dict[int, int] | None:
        above = [(region.priority, data) for region, data in self.regions if address in data]
        return max(above, key=lambda entry: entry[0])[1] if above else None

    def _bytes(self, address: int, width: int) -> bytes:
        return bytes((self._top(at) or {}).get(at, 0) for at in range(address, address + width))

    @initialize()
    def begin_with_memory(self) -> None:
        """Something to lay devices over."""
        self.map(0x10, 0x40, 0, {1, 2, 4, 8}, "pass", True)

    @rule(
        start=st.integers(0, END - 1),
        length=st.integers(1, 0x40),
        priority=st.integers(0, 2),
        widths=st.sets(st.sampled_from([2, 4, 8, 16])).map(lambda some: some | {1}),
        unaligned=st.sampled_from(["pass", "split"]),
        ram=st.booleans(),
    )
    def map(self, start: int, length: int, priority: int, widths: set[int], unaligned: str, ram: bool) -> None:
        """Map memory, plain or behind a policy; an overlap in the same layer is refused."""
        taken = any(
            region.priority == priority and any(at in data for at in range(start, start + length))
            for region, data in self.regions
        )
        try:
            if ram and not priority:
                region = self.space.ram(start, length)
            else:
                region = self.space.map(
                    start,
                    length,
                    Ram(length),
                    priority=priority,
                    widths=widths,
                    unaligned=unaligned,  # type: ignore[arg-type]
                )
        except MappingError:
            assert taken
        else:
            assert not taken
            contents = random_bytes(length, seed=len(self.regions))
            assert isinstance(region.device, Ram)
            region.device.data[:] = contents
            self.regions.append((region, dict(enumerate(contents, start))))

    @rule(which=st.integers(0))
    def unmap(self, which: int) -> None:
        """Take one out."""
        if self.regions:
            region, _ = self.regions.pop(which % len(self.regions))
            self.space.unmap(region)

    @rule(address=st.integers(0, END), width=st.sampled_from([1, 2, 4, 6, 8, 10, 16, 32, 64]), who=st.integers(0, 1))
    def read(self, address: int, width: int, who: int) -> None:
        """Read any width anywhere, through either initiator; the records tile what is not plain memory."""
        self.log.clear()
        self.last_read[who] = address, width
        value = self.initiators[who].read(address, width)
        assert value.to_bytes(width, "little") == self._bytes(address, width)
        self._check_records(address, width)

    @rule(address=st.integers(0, END), data=st.binary(min_size=1, max_size=64), who=st.integers(0, 1))
    def write(self, address: int, data: bytes, who: int) -> None:
        """Write any number of bytes anywhere."""
        self.last_write[who] = address
        self.log.clear()
        self.initiators[who].write(address, len(data), int.from_bytes(data, "little"))
        self._write_naively(address, data)
        self._check_records(address, len(data))

    @rule(data=st.binary(min_size=1, max_size=8), who=st.integers(0, 1))
    def write_there_again(self, data: bytes, who: int) -> None:
        """Write where the last write went, whatever has become of the place."""
        self.write(self.last_write[who], data, who)

    @rule(address=st.integers(0, END), width=st.sampled_from([1, 2, 4, 8, 16]), flip=st.integers(0, (1 << 128) - 1))
    def update(self, address: int, width: int, flip: int) -> None:
        """Change in place: the old bytes come back, the new ones stay."""
        flip &= (1 << 8 * width) - 1
        before = self._bytes(address, width)
        old = self.space.update(address, width, lambda value: value ^ flip)
        assert old.to_bytes(width, "little") == before
        self._write_naively(address, (old ^ flip).to_bytes(width, "little"))

    @rule(address=st.integers(0, END), data=st.binary(min_size=1, max_size=32))
    def write_block(self, address: int, data: bytes) -> None:
        """A block is written whole or not at all."""
        if self.space.write_block(address, data):
            self._write_naively(address, data)
            assert self.space.read_block(address, len(data)) == data

    def _write_naively(self, address: int, data: bytes) -> None:
        for at, byte in enumerate(data, address):
            top = self._top(at)
            if top is not None:
                top[at] = byte

    def _check_records(self, address: int, width: int) -> None:
        """The recorded parts ascend, do not overlap, and cover all but plain memory."""
        parts = [(record.address, record.address + record.width) for record in self.log]
        assert all(one[1] <= next_one[0] for one, next_one in pairwise(parts))
        recorded = {at for start, end in parts for at in range(start, end)}
        expected = set()
        for at in range(address, address + width):
            region = self.space.memory.find(at).region
            if region.recorded:
                expected.add(at)
        assert recorded == expected

    @invariant()
    def every_byte_is_equal(self) -> None:
        """Byte by byte, the space reads as the dictionary."""
        whole = b"".join(self.space.read(at, 1).to_bytes(1, "little") for at in range(0, END + 64, 5))
        assert whole == b"".join(self._bytes(at, 1) for at in range(0, END + 64, 5))

    @invariant()
    def what_was_read_last_reads_as_it_is_now(self) -> None:
        """An initiator that comes back finds what is there now, not what it kept."""
        for initiator, (address, width) in zip(self.initiators, self.last_read, strict=True):
            assert initiator.read(address, width).to_bytes(width, "little") == self._bytes(address, width)


TestSpaceAndBytes = SpaceAndBytes.TestCase
TestSpaceAndBytes.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
