"""Where mistakes are made: a directory with a device model, a driver, a program and a trace, as a user has them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.mistakes.mistake import Mistake, masked
from tests.native import ROOT, build_c
from tests.needs import need

CARD: Final = """\
from mmio import Device, bit, field, register

class Card(Device):
    ctrl = register(0x00, fields=[bit("EN", 0), field("MODE", 5, 4)])
    status = register(0x04, access="r", fields=[bit("READY", 0)])
    data = register(0x08)
"""

# In assembly, so that messages name the same instruction whatever the compiler.
DRIVER: Final = r"""
#include <stdint.h>
uint8_t load8(void *p) { uint8_t v; asm volatile("movb (%1),%0" : "=a"(v) : "D"(p) : "memory"); return v; }
uint32_t load(void *p) { uint32_t v; asm volatile("movl (%1),%0" : "=a"(v) : "D"(p) : "memory"); return v; }
void store(void *p, uint32_t v) { asm volatile("movl %1,(%0)" :: "D"(p), "S"(v) : "memory"); }
"""

PEEK: Final = r"""
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR);
    void *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || p == MAP_FAILED) { perror(argv[1]); return 1; }
    uint32_t v;
    void *from = (char *)p + (argc > 2 ? strtoul(argv[2], 0, 0) : 0);
    asm volatile("movl (%1),%0" : "=a"(v) : "D"(from) : "memory");
    printf("%#x\n", v);
    return 0;
}
"""

RUN: Final = "pagetrap trace -q -o run.jsonl --map '*/regs.bin' ./peek regs.bin 4"


@cache
def workshop() -> Path:
    """Return the directory, made once."""
    place = tempfile.TemporaryDirectory(prefix="pagetrap-")
    _KEPT.append(place)
    path = Path(place.name)
    (path / "card.py").write_text(CARD)
    (path / "regs.bin").write_bytes(bytes(range(256)) * 16)
    build_c(DRIVER, path).rename(path / "driver.so")
    compiler = os.environ.get("CC", "cc")  # which building the driver has found to be there
    command = [compiler, "-O2", "-x", "c", "-", "-o", str(path / "peek")]
    subprocess.run(command, input=PEEK, text=True, check=True)
    shutil.copy(ROOT / "examples/descriptions/timer.svd", path)
    (path / "bin").mkdir()
    python = shlex.quote(sys.executable)
    need(shutil.which("make"), "make (apt-get install make)")
    # Whatever a Makefile's target does, it does not touch this project's own .venv.
    make = f"{shutil.which('make')} --no-print-directory -C {shlex.quote(str(ROOT))} VENV={path}/venv"
    for name, words in (("pagetrap", f"{python} -m mmio"), ("make", make)):
        script = path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)
    _execute(path, ["sh", "-c", RUN]).check_returncode()
    return path


_KEPT: Final[list["tempfile.TemporaryDirectory[str]"]] = []  # removed when the process ends


@cache
def message_of(mistake: Mistake) -> str:
    """Make a mistake and return its message, without what differs from run to run."""
    place = workshop()
    if mistake.setup is not None:
        mistake.setup(place)
    command = [sys.executable, "-c", mistake.typed] if mistake.language == "python" else ["sh", "-c", mistake.typed]
    done = _execute(place, [*mistake.under, *command])
    output = done.stderr if mistake.language == "sh" else done.stdout + _last_words(done.stderr)
    return masked(output.strip(), place)


def _last_words(stderr: str) -> str:
    """Return what stands below the traceback: the error itself. Of a crash, what faulthandler calls it."""
    if stderr.startswith("Fatal Python error"):
        return stderr.partition("\n")[0]
    _, traceback, after = stderr.rpartition("Traceback (most recent call last):\n")
    if not traceback:
        return stderr
    return re.sub(r"\A(?:[ ].*\n|\n)*", "", after)


def _execute(place: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE"))}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join([str(place / "bin"), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60)
