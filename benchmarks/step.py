"""What one warm `Emulator.step` costs, against writing the same by hand and against Unicorn.

    python -m benchmarks.step

The instruction is `mov eax,[rdi+10h]`, the load that device drivers are made of; the device is a Python object. The
hand-written function does what the instruction does and nothing else.
"""

import itertools
from typing import Any

import unicorn
from unicorn import x86_const

from benchmarks.measure import Timing, compare, report
from emulate import Cpu, Emulator

CODE = bytes.fromhex("8b4710")
DEVICE = 0x10000
MASK = (1 << 64) - 1


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


def by_hand(cpu: Cpu, bus: Device) -> None:
    """Do `mov eax,[rdi+10h]`."""
    regs = cpu.regs
    address = regs[7] + 16 & MASK
    regs[0] = bus.read(address, 4)
    regs[16] = regs[16] + 3 & MASK


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
    displacements = itertools.count(0x1000)

    def hand_written(calls: int) -> None:
        for _ in range(calls):
            by_hand(cpu, bus)

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

    warm = "Emulator.step, seen before"
    others = {warm: step, "Emulator.step, first sight": first_sight, "Unicorn, rdi in and eax out": through_unicorn}
    return [
        ("one load, the device called", compare({"hand-written Python": hand_written, warm: step})),
        ("the same load elsewhere", compare(others, calls=1000)),
    ]


if __name__ == "__main__":
    report(measure())
