"""A guest under KVM whose devices are models in Python, and pagetrap completes what KVM cannot emulate.

    python kvm_demo.py              KVM runs the guest
    python kvm_demo.py --emulate    pagetrap alone runs it: the same accesses, for machines without KVM

Exit status 0 when the guest has said what it should.
"""

import argparse
import struct
import sys
from mmap import mmap

from guest import START, TEXT, Machine
from kvm import EXIT_HLT, EXIT_INTERNAL_ERROR, EXIT_IO, EXIT_MMIO, INTERNAL_ERROR_EMULATION, SLOTS, VCpu

from decode import Instruction
from emulate import Bus, Cpu, Emulator

HLT = 0xF4


def run_on_kvm(machine: Machine) -> list[Instruction]:
    """Run the guest until it halts; return the instructions that KVM could not do.

    Raises:
        RuntimeError: KVM has stopped for a reason that this example does not handle.
    """
    cpu = VCpu(machine.memory.data)
    emulator = Emulator(machine.space, slots=SLOTS)
    exits = machine.space.initiator()  # a bus of its own: an exit does not say which instruction it is about
    completed = []
    try:
        cpu.start(START)
        while (reason := cpu.run()) != EXIT_HLT:
            if reason == EXIT_MMIO:
                answer_memory(exits, cpu.run_area)
            elif reason == EXIT_IO:
                answer_port(exits, cpu.run_area)
            elif reason == EXIT_INTERNAL_ERROR and cpu.run_area[32] == INTERNAL_ERROR_EMULATION:
                cpu.load()
                completed.append(emulator.step(cpu))
                cpu.store()
            else:
                raise RuntimeError(f"expected an access or a halt, but KVM stopped with exit reason {reason}")
    finally:
        cpu.close()
    return completed


def answer_memory(bus: Bus, run: mmap) -> None:
    """Make the access of a KVM_EXIT_MMIO: an address, 8 bytes of data, the width, the direction."""
    address, data, width, is_write = struct.unpack_from("<Q8sIB", run, 32)
    if is_write:
        bus.write(address, width, int.from_bytes(data[:width], "little"))
    else:
        run[40 : 40 + width] = bus.read(address, width).to_bytes(width, "little")


def answer_port(bus: Bus, run: mmap) -> None:
    """Make the accesses of a KVM_EXIT_IO: `count` of them, their data one after the other (INS and OUTS have many)."""
    is_write, width, port, count, offset = struct.unpack_from("<BBHIQ", run, 32)
    for at in range(offset, offset + count * width, width):
        if is_write:
            bus.port_write(port, width, int.from_bytes(run[at : at + width], "little"))
        else:
            run[at : at + width] = bus.port_read(port, width).to_bytes(width, "little")


def run_emulated(machine: Machine) -> None:
    """Run the guest until it halts, every instruction of it in the emulator."""
    cpu = Cpu(bits=32, eip=START)
    emulator = Emulator(machine.space)
    while machine.memory.read(cpu.eip, 1) != HLT:
        emulator.step(cpu)


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a guest on KVM with devices in Python.")
    parser.add_argument("--emulate", action="store_true", help="without KVM: pagetrap executes every instruction")
    machine = Machine()
    if parser.parse_args().emulate:
        run_emulated(machine)
    else:
        try:
            completed = run_on_kvm(machine)
        except OSError as error:
            print(f"KVM cannot be used here: {error}; python kvm_demo.py --emulate runs without it", file=sys.stderr)
            return 1
        for instruction in completed:
            print(f"KVM could not emulate, pagetrap has: {instruction}")
    print(machine.trace[:8].table())
    print(bytes(machine.uart.sent).decode(), end="")
    return 0 if machine.uart.sent == TEXT else 1


if __name__ == "__main__":
    sys.exit(main())
