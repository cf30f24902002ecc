"""What one warm `Emulator.step` costs, against writing the same by hand and against Unicorn.

    python -m benchmarks.step

The instruction is `mov eax,[rdi+10h]`, the load that device drivers are made of; the device is a Python object. The
hand-written function does what the instruction does and nothing else.
"""

import time

import unicorn
from unicorn import x86_const

from benchmarks.measure import compare, report
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


def main() -> None:
    """Print the comparison, and the cost of a first sight."""
    bus = Device()
    cpu = Cpu(rdi=DEVICE)
    emulator = Emulator(bus)
    machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(0x1000, 0x1000)
    machine.mem_write(0x1000, CODE)
    machine.mmio_map(DEVICE, 0x1000, lambda *_: 0x12345678, None, lambda *_: None, None)

    def hand_written(calls: int) -> None:
        for _ in range(calls):
            by_hand(cpu, bus)

    def step(calls: int) -> None:
        for _ in range(calls):
            emulator.step(cpu, CODE)

    def through_unicorn(calls: int) -> None:
        for _ in range(calls // 20):  # it is slow; the time is scaled below
            machine.reg_write(x86_const.UC_X86_REG_RDI, DEVICE)
            machine.emu_start(0x1000, 0x1003, count=1)
            machine.reg_read(x86_const.UC_X86_REG_RAX)

    warm = compare({"hand-written Python": hand_written, "Emulator.step, warm": step})
    report("mov eax,[rdi+10h], with the call of a Python device", warm)
    slow = compare({"Emulator.step, warm": lambda n: step(n), "Unicorn, one instruction (x 1/20)": through_unicorn})
    print(f"  Unicorn starting one instruction, rdi in and eax out: {slow[1].ratio * 20:.0f} times a warm step")
    forms = [bytes([0x8B, 0x87]) + displacement.to_bytes(4, "little") for displacement in range(0x1000, 0x1800)]
    start = time.perf_counter_ns()
    for code in forms:
        emulator.compile(64, code)
    print(f"  first sight of an instruction: {(time.perf_counter_ns() - start) / len(forms) / 1000:.0f} microseconds")


if __name__ == "__main__":
    main()
