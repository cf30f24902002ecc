"""The law of sources: whatever brings an instruction to the devices, what is recorded of it is the same.

A library caller steps the emulator, this process takes a signal, another process is traced. The same instruction on the
same registers makes the same accesses: same order, place, width, value, flags, text and instruction pointer. What only
the CPU can do has no library caller; the two live sources must still agree.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import asdict, frozen

from decode import decode
from emulate import Emulator, is_supported
from mmio import Access, AddressSpace, Initiator, Trace, Tracer
from mmio.inprocess import ioremap
from mmio.live.vendor import cpu_vendor
from tests.mmio.inprocess.execute import Executor, harmless
from tests.mmio.inprocess.forms import PLACE, registers, suitable
from tests.mmio.ptrace.programs import device_file, run
from tests.mmio.silent import silent_forms

Row: TypeAlias = tuple[object, ...]

WIDTHS = frozenset((1, 2, 4, 8, 16, 32, 64))
PLACE_OF_REGION = 0xFE000000  # the library caller's


class Fixed:
    """Always answers with the same bytes, whatever is written: what one instruction did does not reach the next."""

    length = 4096
    contents = harmless(random.Random(1), length)

    def read(self, offset: int, width: int) -> int:
        return int.from_bytes(self.contents[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None: ...


@frozen
class Step:
    """One instruction and the registers it needs; `pointers` are offsets into the device."""

    code: str
    values: dict[str, int]
    pointers: dict[str, int]

    def registers(self, base: int) -> dict[str, int]:
        """Return the registers to set, with the device at `base`."""
        return self.values | {name: base + offset for name, offset in self.pointers.items()}


def all_steps() -> list[Step]:
    """Return every form this CPU has that makes one access, and string instructions from one end of it to the other."""
    single = [Step(form.examples[64].hex(), registers(form), {"rsi": PLACE}) for form in suitable()]
    strings = [
        Step(prefix + code, {"rcx": 5, "rflags": flags}, {"rsi": 256, "rdi": 768})
        for code in ("a4", "a5", "66a5", "48a5", "aa", "ab", "66ab", "48ab", "ac", "48ad", "a6", "a7", "ae", "48af")
        for prefix in ("", "f3", "f2")
        for flags in (0x202, 0x602)
    ]
    silent = [Step(form.examples[64].hex(), {}, {"rsi": PLACE, "rdi": PLACE}) for form in silent_forms(64)]
    return single + strings + silent


def rows(trace: Iterable[Access], place: int) -> list[Row]:
    """Return what records say that depends neither on the place of the device nor on who asked."""
    return [
        (a.ip - place, a.text, a.direction.name, a.offset, a.width, a.value, a.old, a.flags, a.register) for a in trace
    ]


def by_library(executor: Executor, step: Step) -> list[Row]:
    """Return the rows of a step that a library caller makes with registers and a space of its own."""
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map(PLACE_OF_REGION, Fixed.length, Fixed(), widths=WIDTHS)
    cpu = executor.cpu(**step.registers(PLACE_OF_REGION))
    Emulator(Initiator(space), vendor=cpu_vendor()).step(cpu, bytes.fromhex(step.code))
    return rows(trace, executor.ip)


def traced(steps: str, device: str, place: str) -> None:
    """Execute every step on a mapped file: what the traced program does, which is another Python."""
    executor = Executor(Path(place).parent)
    Path(place).write_text(str(executor.ip))
    memory = mmap.mmap(os.open(device, os.O_RDWR), Fixed.length)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for step in (Step(**fields) for fields in json.loads(Path(steps).read_text())):
        executor.run(bytes.fromhex(step.code), **step.registers(base))
    os._exit(0)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    return Executor(tmp_path_factory.mktemp("sources"))


def test_all_sources_record_the_same(executor: Executor, tmp_path: Path) -> None:
    """Every form makes the same records by `Emulator.step`, in this process, and in another process."""
    steps = all_steps()
    here: list[list[Row]] = []
    with ioremap(Fixed(), widths=WIDTHS) as mapping:
        for step in steps:
            before = len(mapping.trace)
            executor.run(bytes.fromhex(step.code), **step.registers(mapping.address))
            here.append(rows(mapping.trace[before:], executor.ip))

    emulated = [
        (step, seen)
        for step, seen in zip(steps, here, strict=True)
        if is_supported(decode(bytes.fromhex(step.code), 64, cpu_vendor()))
    ]
    assert len(emulated) > 600
    flushes = {form.examples[64].hex() for form in silent_forms(64) if not decode(form.examples[64]).accesses}
    assert flushes  # CLFLUSH, which every x86-64 CPU has
    assert [step.code for step, seen in zip(steps, here, strict=True) if seen and step.code in flushes] == []
    for step, seen in emulated:
        assert by_library(executor, step) == seen

    listed, device, place = tmp_path / "steps.json", device_file(tmp_path), tmp_path / "place"
    listed.write_text(json.dumps([asdict(step) for step in steps]))
    tracer = Tracer()
    tracer.map_file(str(device), Fixed(), widths=WIDTHS)
    call = f"from tests.mmio.test_sources import traced; traced({str(listed)!r}, {str(device)!r}, {str(place)!r})"
    assert run(tracer, sys.executable, "-c", call).status == 0
    there = rows(tracer.trace, int(place.read_text()))
    for one, other in zip(there, (row for seen in here for row in seen), strict=True):
        assert one == other
