"""What one warm `Emulator.step` costs, against writing the same by hand and against Unicorn.

    python -m benchmarks.step

Most of it is about `mov eax,[rdi+10h]`, the load that device drivers are made of; the device is a Python object. A
hand-written function does what its instruction does and nothing else: no fault is looked for.
"""

import itertools
from collections.abc import Callable
from typing import Any, Final

import unicorn
from unicorn import x86_const

from benchmarks.measure import Timing, compare, report
from emulate import Cpu, Emulator, Ram
from emulate.flags import PARITY

CODE = bytes.fromhex("8b4710")
DEVICE = 0x10000
MASK = (1 << 64) - 1
STEP = "Emulator.step, seen before"


class Device:
    """A bus that answers at once."""

    def read(self, address: int, width: int) -> int:
        """Return a constant."""
        return 0x12345678

    def write(self, address: int, width: int, value: int) -> None:
        """Take anything."""

    def port_read(self, port: int, width: int) -> int:
        """Return a constant."""
        return 0

    def port_write(self, port: int, width: int, value: int) -> None:
        """Take anything."""


def load(cpu: Cpu, bus: Device) -> None:
    """Do `mov eax,[rdi+10h]`."""
    regs = cpu.regs
    address = regs[7] + 16 & MASK
    regs[0] = bus.read(address, 4)
    regs[16] = regs[16] + 3 & MASK


def set_bits(cpu: Cpu, bus: Device) -> None:
    """Do `or dword ptr [rdi+10h],2`: a read, a write and six flags."""
    regs = cpu.regs
    address = regs[7] + 16 & MASK
    result = bus.read(address, 4) | 2
    bus.write(address, 4, result)
    flags = PARITY[result & 0xFF] | (0 if result else 0x40) | result >> 24 & 0x80
    regs[17] = regs[17] & ~0x8D5 | flags
    regs[16] = regs[16] + 4 & MASK


def load_vector(cpu: Cpu, bus: Device) -> None:
    """Do `vmovdqu ymm0,[rdi]`."""
    regs = cpu.regs
    cpu.vector[0] = bus.read(regs[7], 32)
    regs[16] = regs[16] + 4 & MASK


def port_in(cpu: Cpu, bus: Device) -> None:
    """Do `in al,dx`."""
    regs = cpu.regs
    regs[0] = regs[0] & ~0xFF | bus.port_read(regs[2] & 0xFFFF, 1)
    regs[16] = regs[16] + 1 & MASK


def copy(cpu: Cpu, bus: Ram) -> None:
    """Do `rep movsb` between two places of one RAM that do not overlap."""
    regs = cpu.regs
    count, source, destination = regs[1], regs[6], regs[7]
    bus.data[destination : destination + count] = bus.data[source : source + count]
    regs[1], regs[6], regs[7] = 0, source + count & MASK, destination + count & MASK
    regs[16] = regs[16] + 2 & MASK


KINDS: Final[dict[str, tuple[str, Callable[[Cpu, Any], None]]]] = {
    "or dword ptr [rdi+10h],2": ("834f1002", set_bits),
    "vmovdqu ymm0,[rdi]": ("c5fe6f07", load_vector),
    "in al,dx": ("ec", port_in),
}
_LENGTH: Final = 0x10000  # of the copy


def kinds() -> list[tuple[str, list[Timing]]]:
    """Time other kinds of instructions, each against the same written by hand."""
    cpu, bus = Cpu(rdi=DEVICE, rdx=0x70), Device()
    emulator = Emulator(bus)
    ram = Ram(2 * _LENGTH)
    copier, own = Emulator(ram), Cpu()

    def by_hand(function: Callable[[Cpu, Any], None]) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for _ in range(calls):
                function(cpu, bus)

        return run

    def step(code: bytes) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for _ in range(calls):
                emulator.step(cpu, code)

        return run

    def copying(one: Callable[[], object]) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for _ in range(calls):
                own.rsi, own.rdi, own.rcx = 0, _LENGTH, _LENGTH
                one()

        return run

    found = [
        (f"`{text}`", compare({"hand-written Python": by_hand(function), STEP: step(bytes.fromhex(code))}))
        for text, (code, function) in KINDS.items()
    ]
    both = {
        "hand-written Python": copying(lambda: copy(own, ram)),
        STEP: copying(lambda: copier.step(own, b"\xf3\xa4")),
    }
    return [*found, ("`rep movsb`, 64 KiB of RAM to RAM", compare(both, calls=500))]


def measure() -> list[tuple[str, list[Timing]]]:
    """Time a warm step, and against it a first sight and Unicorn."""
    bus = Device()
    cpu = Cpu(rdi=DEVICE)
    emulator = Emulator(bus)
    api: Any = unicorn  # it has no types
    machine = api.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(0x1000, 0x1000)
    machine.mem_write(0x1000, CODE)
    machine.mmio_map(DEVICE, 0x1000, lambda *_: 0x12345678, None, lambda *_: None, None)
    names = "RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15 RFLAGS"
    registers = [getattr(x86_const, f"UC_X86_REG_{name}") for name in names.split()]
    displacements = itertools.count(0x1000)

    def hand_written(calls: int) -> None:
        for _ in range(calls):
            load(cpu, bus)

    def step(calls: int) -> None:
        for _ in range(calls):
            emulator.step(cpu, CODE)

    def first_sight(calls: int) -> None:
        for _ in range(calls):
            emulator.compile(64, b"\x8b\x87" + next(displacements).to_bytes(4, "little"))

    def through_unicorn(calls: int) -> None:
        for _ in range(calls):
            machine.reg_write(x86_const.UC_X86_REG_RDI, DEVICE)
            machine.emu_start(0x1000, 0x1003, count=1)
            machine.reg_read(x86_const.UC_X86_REG_RAX)

    def through_unicorn_whole(calls: int) -> None:
        for _ in range(calls):
            for register in registers:
                machine.reg_write(register, DEVICE)
            machine.emu_start(0x1000, 0x1003, count=1)
            for register in registers:
                machine.reg_read(register)

    others = {
        STEP: step,
        "Emulator.step, first sight": first_sight,
        "Unicorn, rdi in and eax out": through_unicorn,
        "Unicorn, the general registers and flags in and out": through_unicorn_whole,
    }
    return [
        ("one load, the device called", compare({"hand-written Python": hand_written, STEP: step})),
        ("the same load elsewhere", compare(others, calls=1000)),
        *kinds(),
    ]


if __name__ == "__main__":
    report(measure())
