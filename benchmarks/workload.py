"""A driver of which one instruction in 1,000 touches the device, under pagetrap and under what people use instead.

    python -m benchmarks.workload

What does not touch the device costs pagetrap nothing: it runs on the CPU. The others pay for every instruction, to
translate it or to step over it. Each alternative is given as many rounds as it can do in about half a second; what it
takes with none, such as starting a program, is measured in the same run and taken off.
"""

import ctypes
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import unicorn
from unicorn import x86_const

import mmio
from benchmarks.inprocess import Bare
from benchmarks.measure import Timing, report

_SOURCE: Final = Path(__file__).with_name("workload.c")
_REPEATS: Final = 5
_CODE, _STACK, _DEVICE, _END = 0x100000, 0x200000, 0x300000, 0x100FF0  # of the machine Unicorn makes
Rounds = Callable[[int], None]


def measure() -> list[tuple[str, list[Timing]]]:
    """Time all that are installed."""
    with tempfile.TemporaryDirectory() as directory:
        compiler = os.environ.get("CC", "cc")
        library, program = Path(directory) / "work.so", Path(directory) / "work"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
        subprocess.run([compiler, "-O2", "-g", "-o", program, _SOURCE], check=True)
        loaded = ctypes.CDLL(str(library))
        loaded.work.argtypes = (ctypes.c_void_p, ctypes.c_long)
        alternatives: dict[str, tuple[Rounds, int]] = {
            "pagetrap, in this process": (_trapped(loaded), 50_000),
            "Unicorn, a Python callback for the device": (_emulated(loaded), 2_000),
        }
        if shutil.which("valgrind"):
            lackey = ["valgrind", "--tool=lackey", "--trace-mem=yes", "--log-file=/dev/null", str(program)]
            alternatives["valgrind --tool=lackey --trace-mem=yes"] = (_program(lackey), 1_000)
        if shutil.which("gdb"):
            alternatives["gdb, a watchpoint in software"] = (_program(_gdb(program), last=False), 10)
        return [("1,000 instructions of which one reads the device", _compare(alternatives))]


def _compare(alternatives: dict[str, tuple[Rounds, int]]) -> list[Timing]:
    """Time each with its rounds and with none, in turns; the difference is that of the rounds."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(_REPEATS):
        for name, (run, rounds) in alternatives.items():
            start = time.perf_counter_ns()
            run(0)
            middle = time.perf_counter_ns()
            run(rounds)
            times[name].append((time.perf_counter_ns() - 2 * middle + start) / rounds)
    first = next(iter(times.values()))
    return [
        Timing(name, statistics.median(taken), statistics.median(a / b for a, b in zip(taken, first, strict=True)))
        for name, taken in times.items()
    ]


def _trapped(library: Any) -> Rounds:
    def run(rounds: int) -> None:
        with mmio.ioremap(Bare(), length=0x1000) as mapping:
            library.work(mapping.address, rounds)
            assert len(mapping.trace) == rounds

    return run


def _emulated(library: Any) -> Rounds:
    api: Any = unicorn  # it has no types
    machine = api.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(_CODE, 0x1000)
    machine.mem_map(_STACK, 0x1000)
    machine.mem_write(_CODE, ctypes.string_at(ctypes.cast(library.work, ctypes.c_void_p).value or 0, 256))
    machine.mmio_map(_DEVICE, 0x1000, lambda *_: 0x12345678, None, lambda *_: None, None)

    def run(rounds: int) -> None:
        machine.mem_write(_STACK + 0x800, _END.to_bytes(8, "little"))
        machine.reg_write(x86_const.UC_X86_REG_RSP, _STACK + 0x800)
        machine.reg_write(x86_const.UC_X86_REG_RDI, _DEVICE)
        machine.reg_write(x86_const.UC_X86_REG_RSI, rounds)
        machine.emu_start(_CODE, _END)

    return run


def _gdb(program: Path) -> list[str]:
    """Return the command of gdb that single-steps `work`, to see whether a variable changes."""
    script = ("set can-use-hw-watchpoints 0", "break work", "run", "watch device_register[4]", "continue")
    return ["gdb", "-batch", *(word for line in script for word in ("-ex", line)), "--args", str(program)]


def _program(command: list[str], last: bool = True) -> Rounds:
    def run(rounds: int) -> None:
        subprocess.run([*command, str(rounds)], check=last, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


if __name__ == "__main__":
    report(measure())
