"""Both ways to run a program, as a user starts them: what the program printed, how it ended, and what was recorded."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from mmio import open_trace
from mmio.records.access import Access
from tests.native import ROOT

ENGINES = "ptrace", "inprocess"

MODELS = '''
class Pattern:
    """Answers each read with its offset in every byte."""

    length = 0x1000

    def read(self, offset, width):
        return int.from_bytes(bytes(offset + i & 0xFF for i in range(width)), "little")

    def write(self, offset, width, value):
        pass


class Broken(Pattern):
    """Raises at its third access."""

    accesses = 0

    def read(self, offset, width):
        self.accesses += 1
        if self.accesses == 3:
            raise RuntimeError("out of order")
        return 0


class Clock:
    """The MC146818 at 0x70: its update flag rises and falls, the time stands."""

    length = 2
    index = reads = 0
    registers = {0: 0x56, 2: 0x34, 4: 0x12, 6: 1, 7: 0x25, 8: 0x11, 9: 0x26, 11: 0x02, 0x32: 0x20}

    def read(self, offset, width):
        if self.index != 10:
            return self.registers.get(self.index, 0)
        self.reads += 1
        return 0x26 | 0x80 * (self.reads // 20 % 2)

    def write(self, offset, width, value):
        if offset == 0:
            self.index = value & 0x7F


class Bridge:
    """A host bridge behind configuration mechanism 1 at 0xcf8, and nothing else on the bus."""

    length = 8
    address = 0

    def read(self, offset, width):
        if offset < 4:
            return self.address
        if self.address & 0x00FFFF00:
            return (1 << 8 * width) - 1
        word = {0x00: 0x12378086, 0x08: 0x06000002}.get(self.address & 0xFC, 0)
        return word >> 8 * (offset - 4) & (1 << 8 * width) - 1

    def write(self, offset, width, value):
        if offset == 0 and width == 4:
            self.address = value


class Flash:
    """An MX25L512 on a RayeR cable at 0x378, as far as being recognised goes: CS bit 5, SCK bit 6, MOSI bit 7."""

    length = 3
    pins, bits, byte, answer, sent, miso = 0x20, 0, 0, b"", 0, 0

    def read(self, offset, width):
        return self.miso if offset == 1 else self.pins

    def write(self, offset, width, value):
        rising, falling, self.pins = value & ~self.pins, self.pins & ~value, value
        if value & 0x20:
            self.bits, self.answer = 0, b""
        elif rising & 0x40:
            self.byte = (self.byte << 1 | value >> 7) & 0xFF
            self.bits += 1
            if self.bits == 8 and self.byte == 0x9F:
                self.answer = bytes([0xC2, 0x20, 0x10])
        elif falling & 0x40:
            at, bit = divmod(self.bits - 8, 8)
            byte = self.answer[at] if 0 <= at < len(self.answer) else 0
            self.miso = byte << bit >> 1 & 0x40
'''


_HOSTING = Path(__file__).parent / "hosting"


def patch_after(faults: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have programs that are hosted by other processes patched after a number of faults of an instruction."""
    path = os.pathsep.join([str(_HOSTING), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("TEST_FAULTS", str(faults))


class Run(NamedTuple):
    """How a run ended: the command's exit status, what the program and the command printed, the accesses."""

    status: int
    output: str
    complaints: str
    accesses: list[Access]


def pagetrap(
    engine: str, directory: Path, command: str, options: list[str], program: list[str], *, limits: str = ""
) -> Run:
    """Run a program under an engine, in a directory with the device models in `models.py`; `limits` are for ulimit."""
    (directory / "models.py").write_text(MODELS)
    whole = [sys.executable, "-m", "mmio", command, f"--engine={engine}", "-o", "run.jsonl", *options, "--", *program]
    if limits:
        whole = ["/bin/sh", "-c", f'ulimit {limits}; exec "$@"', "sh", *whole]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        whole, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    accesses = list(open_trace(directory / "run.jsonl").load()) if (directory / "run.jsonl").exists() else []
    return Run(done.returncode, done.stdout, done.stderr, accesses)
