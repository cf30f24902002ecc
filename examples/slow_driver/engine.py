"""The engine that `engine.c` is for, and a run of the driver on it."""

import ctypes
import os
import subprocess
from pathlib import Path

import mmio
from mmio import Device, bit, register, us

HERE = Path(__file__).parent
LENGTHS = (32, 256, 1024, 2048, 512) * 8

Sleep = ctypes.CFUNCTYPE(None, ctypes.c_uint32)


class Engine(Device):
    """An engine that adds up 64 bytes in a microsecond."""

    ctrl = register(0x00, fields=[bit("EN", 0)])
    stat = register(0x04, on_write="woclr", fields=[bit("DONE", 0)])
    addr = register(0x08, width=8)
    len = register(0x10)
    bell = register(0x14, access="w")
    count = register(0x18, access="r")
    sum = register(0x1C, access="r")

    @bell.written
    def _start(self, old: int, new: int) -> None:
        self.after(us(self.len.value // 64), self._finish)

    def _finish(self) -> None:
        self.sum.value = sum(self.memory.read(self.addr.value, self.len.value))
        self.count.value += 1
        self.stat.DONE = 1


def build(directory: Path, *options: str) -> ctypes.CDLL:
    """Compile the driver and load it; -DBUG_… is an option that plants a mistake."""
    path = directory / f"engine{''.join(options)}.so"
    command = [os.environ.get("CC", "cc"), "-O1", "-g", "-Wall", "-shared", "-fPIC", *options]
    subprocess.run([*command, "-o", path, HERE / "engine.c"], check=True)
    library = ctypes.CDLL(str(path))
    library.engine_sum.restype = ctypes.c_int64
    return library


def drive(library: ctypes.CDLL) -> tuple[bool, mmio.Trace]:
    """Make requests of several lengths; return whether all sums are right, and the trace with the lines of C.

    An access takes a microsecond of the engine's time, and a sleep of the driver as long as it says.
    """
    engine = Engine()
    engine.clock = mmio.Clock(policy="access:1us")
    sleep = Sleep(lambda count: engine.clock.run_for(us(count)))
    trace = mmio.Trace(locate=mmio.Symbols().locate)
    data = [ctypes.create_string_buffer(bytes([number]) * length, length) for number, length in enumerate(LENGTHS)]
    with mmio.ioremap(engine, length=0x1000, trace=trace) as regs:
        library.engine_open(regs)
        sums = [library.engine_sum(regs, each, len(each), sleep) for each in data]
    return sums == [sum(each.raw) for each in data], trace
