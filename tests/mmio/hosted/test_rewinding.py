"""Threads that a signal finds in a stub or on its way: at each instruction, the registers are those of the program."""

import random
from ctypes import addressof, c_uint8, c_uint64, create_string_buffer, memmove, string_at
from functools import cache
from typing import Any

import pytest

from decode import READ, decode
from emulate import Cpu, Emulator
from mmio.hosted.rewinding import Rewinding
from mmio.hosted.trampoline import FEATURES, Crossing
from mmio.linux import libc
from mmio.live.signal_frame import RFLAGS, RIP, RSP, SLOTS, XSAVE, Frame
from mmio.patching import stub
from mmio.patching.direct import plain

LOADS = {
    "mov": "8b472c",
    "adc": "13472c",
    "sbb of ah": "1a672c",
    "in": "ec",
    "in of a number": "e52c",
    "cmov": "0f42472c",
    "movups": "440f104f2c",
    "movaps": "0f285f2c",
}
STORES = {
    "mov": "89472c",
    "mov of ah": "88672c",
    "mov of a constant": "c7472c11223344",
    "setc": "0f92472c",
    "out": "ee",
    "movupd": "66440f11472c",
    "movntdq": "660fe7472c",
}
ALL = [*LOADS.values(), *STORES.values()]
STACK = 4096
FLAGS = 0x8D5  # those of an arithmetic instruction
RESERVED = 0x202


class Memory:
    """The memory of this process."""

    def read(self, address: int, width: int) -> int:
        """Read as the CPU does."""
        return int.from_bytes(string_at(address, width), "little")

    def write(self, address: int, width: int, value: int) -> None:
        """Write as the CPU does."""
        memmove(address, value.to_bytes(width, "little"), width)

    def port_read(self, port: int, width: int) -> int:
        """Refuse: no port is accessed."""
        raise NotImplementedError

    def port_write(self, port: int, width: int, value: int) -> None:
        """Refuse: no port is accessed."""
        raise NotImplementedError


class Place:
    """A stub in memory, on a crossing, and a stack."""

    def __init__(self, code: str) -> None:
        self.instruction = decode(bytes.fromhex(code), 64)
        self.plain = plain(self.instruction, -stub.LOADED_BELOW, -stub.STORED_BELOW)
        wide = self.plain is not None and self.plain.wide
        self.crossing = Crossing()
        self.crossing.words[FEATURES] = 7
        arena = libc.map_pages(2 * stub.CODE, libc.PROT_READ | libc.PROT_WRITE)
        self.site, self.slot = arena + 0x8000, arena + 5 * stub.SLOT
        made = stub.code(self.slot, self.site, self.instruction, self.plain, stored_later=True)
        memmove(self.slot, made, len(made))
        self.words: Any = (c_uint64 * stub.WORDS).from_address(self.slot + stub.CODE)
        stores = self.instruction.accesses[0].direction != READ
        function = self.crossing.from_stubs.of(stores, wide)
        for index, word in enumerate(stub.words(function, self.site, self.instruction, writes=stores)):
            self.words[index] = word
        self.words[stub.START], self.words[stub.LAST] = 0, 0x2000
        self.words[stub.STORED] = self.crossing.stored
        self.words[stub.LOWER] = stub.STORED_BELOW if wide else 0
        self.stack = create_string_buffer(STACK)
        self.rewinding = Rewinding(self.crossing)
        self.next = self.site + self.instruction.length

    def registers(self, seed: int, operand: int) -> Cpu:
        """Return registers at the instruction, whose operand is somewhere."""
        values = random.Random(seed)
        cpu = Cpu(bits=64)
        cpu.regs[:16] = [values.getrandbits(64) for _ in range(16)]
        cpu.rsp, cpu.rdi, cpu.rip = addressof(self.stack) + STACK - 64, operand - 0x2C, self.site
        cpu.rdx = values.randrange(0x2000)
        cpu.regs[17] = RESERVED | values.getrandbits(12) & FLAGS
        cpu.vector[:] = [values.getrandbits(128) for _ in range(32)]
        return cpu

    def rewound(self, cpu: Cpu) -> list[int]:
        """Return the registers that a handler would see."""
        frame = Frame(addressof(context := create_string_buffer(512)))
        area = create_string_buffer(512)  # what FXSAVE leaves
        frame.regs[XSAVE] = addressof(area)
        frame.vector[:16] = cpu.vector[:16]
        for number, place in enumerate(SLOTS):
            frame.regs[place] = cpu.regs[number]
        inside = 0 <= cpu.rip - self.slot < stub.SLOT
        self.rewinding.rewind(frame, self.slot if inside else None)
        assert context is not None
        self.vector = list(frame.vector[:16])
        return [frame.regs[place] for place in SLOTS]


@cache
def place_of(code: str) -> Place:
    """Return the one stub of an instruction."""
    return Place(code)


@pytest.fixture
def place() -> Place:
    """Return the stub of a load."""
    return place_of(LOADS["mov"])


@pytest.mark.parametrize("direct", [0, 1])
@pytest.mark.parametrize("code", ALL)
def test_before_the_access_it_is_the_instruction(code: str, direct: int) -> None:
    """From the jump on until signals are blocked, the registers are those at the instruction."""
    place = place_of(code)
    place.words[stub.DIRECT] = direct
    for seed in range(4):
        cpu = place.registers(seed, 0x1800)
        expected, emulator, seen = list(cpu.regs), Emulator(Memory()), 0
        cpu.rip = place.slot
        while cpu.rip != place.crossing.labels["block"]:
            assert place.rewound(cpu) == expected, hex(cpu.rip - place.slot)
            emulator.step(cpu)
            seen += 1
        assert place.rewound(cpu) == expected
        assert seen > (45 if direct and code in STORES.values() else 30)


@pytest.mark.parametrize("code", STORES.values(), ids=STORES)
def test_a_store_is_made_below_the_stack_first(code: str) -> None:
    """Where the device is called directly: what the instruction would store, and the address, are kept together."""
    place = place_of(code)
    place.words[stub.DIRECT] = 1
    for seed in range(8):
        cpu = place.registers(seed, 0x1800)
        stored = Cpu(bits=64)
        stored.regs[:], stored.vector[:] = list(cpu.regs), list(cpu.vector)
        bus = Stored()
        Emulator(bus).compile(64, place.instruction.code).run(stored, bus)
        cpu.rip, emulator = place.slot, Emulator(Memory())
        while cpu.rip != place.crossing.labels["block"]:
            emulator.step(cpu)
        kept = cpu.rsp
        value = Memory().read(kept + 0x28 - place.words[stub.LOWER], bus.width)
        assert (word(kept + 0x30), value) == (bus.address, bus.value)


class Stored:
    """Where something has been stored, and what."""

    address = width = value = 0

    def write(self, address: int, width: int, value: int) -> None:
        """Note it."""
        self.address, self.width, self.value = address, width, value

    port_write = write

    def read(self, _address: int, width: int) -> int:
        """Refuse: a store reads nothing."""
        raise NotImplementedError(width)

    port_read = read


def word(address: int) -> int:
    """Return eight bytes of memory."""
    return int(c_uint64.from_address(address).value)


@pytest.mark.parametrize("seed", range(4))
def test_a_miss_is_the_instruction_until_it_is_executed(place: Place, seed: int) -> None:
    """Where the access goes elsewhere, the registers are those at the instruction, and then those behind it."""
    value = (c_uint8 * 8)(*range(8))
    cpu = place.registers(seed, addressof(value))
    expected, emulator = list(cpu.regs), Emulator(Memory())
    cpu.rip = place.slot
    while cpu.rip != place.slot + stub.COPY:
        assert place.rewound(cpu) == expected, hex(cpu.rip - place.slot)
        emulator.step(cpu)
    assert place.rewound(cpu) == expected
    emulator.step(cpu)
    expected[0], expected[16] = 0x03020100, place.next
    assert place.rewound(cpu) == expected
    emulator.step(cpu)
    assert (cpu.rip, list(cpu.regs)) == (place.next, expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("label", ["unblocked", "unsaved"])
def test_on_the_way_back_it_is_what_was_answered(place: Place, seed: int, label: str) -> None:
    """From the unblocking of signals on, the registers are those behind the instruction; or those at it: no access."""
    cpu = place.registers(seed, 0x1800)
    before, emulator = list(cpu.regs), Emulator(Memory())
    cpu.rip = place.slot
    while cpu.rip != place.crossing.labels["block"]:
        emulator.step(cpu)
    frame = cpu.rsp
    expected = before
    if label == "unblocked":  # as the exit has put it there
        values = random.Random(seed + 9)
        expected = [*(values.getrandbits(64) for _ in range(16)), place.next, RESERVED | 0x41]
        expected[4] = before[4]
        for register, offset in {0: 0x30, 11: 0x38, 10: 0x40, 7: 0x48, 6: 0x50, 2: 0x58, 1: 0x60, 3: 0x68}.items():
            c_uint64.from_address(frame + offset).value = expected[register]
        c_uint64.from_address(frame + 0x80).value = expected[17]
        for register in (5, 8, 9, 12, 13, 14, 15):
            cpu.regs[register] = expected[register]
    cpu.rip = place.crossing.labels[label]
    end = place.next if label == "unblocked" else place.slot + stub.COPY
    while cpu.rip != end:
        assert place.rewound(cpu) == expected, hex(cpu.rip - place.crossing.labels[label])
        emulator.step(cpu)
    assert [*cpu.regs[:16], cpu.regs[17]] == [*expected[:16], expected[17]]


@pytest.mark.parametrize("code", LOADS.values(), ids=LOADS)
def test_a_load_is_done_wherever_its_value_is(code: str) -> None:
    """From the unblocking of signals after a direct call on, the registers are those behind the instruction."""
    place = place_of(code)
    for seed in range(4):
        cpu, value = place.registers(seed, 0x1800), random.Random(seed).getrandbits(128)
        done, bus = Cpu(bits=64), Answering(value)
        done.regs[:], done.vector[:] = list(cpu.regs), list(cpu.vector)
        Emulator(bus).compile(64, place.instruction.code).run(done, bus)
        expected, emulator = list(done.regs), Emulator(Memory())
        cpu.rip = place.slot
        while cpu.rip != place.crossing.labels["block"]:
            emulator.step(cpu)
        kept = cpu.rsp  # as the exit leaves it
        c_uint64.from_address(kept + 0x30).value = word(kept + 0x78)
        c_uint64.from_address(kept + 0x78).value = value & (1 << 64) - 1
        if place.words[stub.LOWER]:
            Memory().write(kept + 0x28 - stub.STORED_BELOW, 16, value)
        c_uint64.from_address(kept + 0x70).value += stub.BEHIND
        cpu.rip, seen = place.crossing.labels["loaded"], 0
        while cpu.rip != place.next:
            assert place.rewound(cpu) == expected, hex(cpu.rip)
            assert place.vector == done.vector[:16]
            emulator.step(cpu)
            seen += 1
        assert (list(cpu.regs), cpu.vector[:]) == (expected, done.vector[:])
        assert seen == 15


class Answering(Stored):
    """A bus that answers with one value."""

    def __init__(self, value: int) -> None:
        self.value = value

    def read(self, _address: int, width: int) -> int:
        """Return as many bytes of it."""
        return self.value & (1 << 8 * width) - 1

    port_read = read


def test_elsewhere_nothing_is_changed(place: Place) -> None:
    """A thread that is in no stub keeps its registers."""
    cpu = place.registers(1, 0x1800)
    assert place.rewound(cpu) == list(cpu.regs)


def test_names_of_registers() -> None:
    """The frame's words that rewinding sets are those of the stack pointer, the instruction pointer and the flags."""
    assert (SLOTS[4], SLOTS[16], SLOTS[17]) == (RSP, RIP, RFLAGS)
