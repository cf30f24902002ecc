"""What a trapped access in this process costs, against a C handler that only skips the instruction.

    python -m benchmarks.inprocess

All alternatives execute the same `mov eax,[rdi+10h]` on an inaccessible page. The floor is a SIGSEGV handler in
C that adds the length of the instruction to rip. pagetrap's decodes, finds the device, calls it, records, and resumes;
it is called by a signal each time. Or the instruction itself, which is rewritten once it has faulted some times, calls
the device. If the process has a signal handler in C, signals are blocked meanwhile, which takes two system calls.

What happens once for a mapping is measured on its own: to open it, the faults until the instruction is rewritten, to
rewrite it, and to close the mapping.
"""

import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mmio
from benchmarks.measure import Taken, Timing, compare, report

_SOURCE = Path(__file__).with_name("skip.c")
_FAULTS = 40  # of an instruction, after which it has been rewritten


class Bare:
    """A duck-typed device that answers at once."""

    def read(self, offset: int, width: int) -> int:
        """Return a constant."""
        return 0x12345678

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


class Declared(mmio.Device):
    """The same as a declared device: a register with fields and a handler."""

    status = mmio.register(0x10, width=4, reset=0x12345678, fields=[mmio.bit("READY", 0), mmio.field("CODE", 15, 8)])

    @status.reads
    def _status(self) -> int:
        return 0x12345678


def library() -> ctypes.CDLL:
    """Compile and load the C side."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "skip.so"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", target, _SOURCE], check=True)
        loaded = ctypes.CDLL(str(target))
    loaded.skip_loads.argtypes = (ctypes.c_long, ctypes.c_int)
    loaded.load.argtypes = loaded.load_vector.argtypes = (ctypes.c_void_p, ctypes.c_long)
    return loaded


def measure() -> list[tuple[str, list[Timing]]]:
    """Time all alternatives in one run."""
    native = library()

    def loads(
        device: mmio.DeviceLike, recorded: bool, patching: bool = True, *, handler: bool = False, vector: bool = False
    ) -> Callable[[int], Taken]:
        load = native.load_vector if vector else native.load

        def run(calls: int) -> Taken:
            native.handle(handler)
            with mmio.ioremap(device, length=0x1000, patching=patching) as mapping:
                mapping.trace.enabled = recorded
                load(mapping.address, _FAULTS)
                start = time.perf_counter_ns()
                load(mapping.address, calls)
                taken = Taken(time.perf_counter_ns() - start)
            native.handle(False)
            return taken

        return run

    def mappings(faults: int, patching: bool = True) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for _ in range(calls):
                with mmio.ioremap(Bare(), length=0x1000, patching=patching) as mapping:
                    native.load(mapping.address, faults)

        return run

    timings = compare(
        {
            "C handler that skips the instruction": lambda calls: native.skip_loads(calls, False),
            "by signals only, bare device, trace off": loads(Bare(), False, False),
            "by signals only, bare device, recorded": loads(Bare(), True, False),
            "by signals only, declared device, recorded": loads(Declared(), True, False),
            "pagetrap, bare device, trace off": loads(Bare(), False),
            "pagetrap, bare device, recorded": loads(Bare(), True),
            "pagetrap, declared device, recorded": loads(Declared(), True),
            "with a signal handler in C, bare device, trace off": loads(Bare(), False, handler=True),
            "with a signal handler in C, bare device, recorded": loads(Bare(), True, handler=True),
            "with a signal handler in C, declared device, recorded": loads(Declared(), True, handler=True),
        },
        rounds=45,
    )
    vectors = compare(
        {
            "C handler that skips the instruction": lambda calls: native.skip_loads(calls, True),
            "by signals only, bare device, trace off": loads(Bare(), False, False, vector=True),
            "by signals only, bare device, recorded": loads(Bare(), True, False, vector=True),
            "pagetrap, bare device, trace off": loads(Bare(), False, vector=True),
            "pagetrap, bare device, recorded": loads(Bare(), True, vector=True),
        },
    )
    once = compare(
        {
            "opened and closed": mappings(0),
            f"and {_FAULTS} loads by signals only": mappings(_FAULTS, False),
            f"and {_FAULTS} loads, the instruction rewritten": mappings(_FAULTS),
        },
        calls=20,
    )
    return [
        (f"one load from a trapped page, after the first {_FAULTS}", timings),
        (f"one load of 16 bytes, of which the device is asked for 8 at a time, after the first {_FAULTS}", vectors),
        ("one mapping", once),
    ]


if __name__ == "__main__":
    report(measure())
