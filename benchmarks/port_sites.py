"""Count which IN and OUT of real programs are patched, and by which kind of jump.

    python -m benchmarks.port_sites [FILE …]

Each file is mapped and all its port instructions are patched, without being executed: a program with its libraries as
the engine in this process maps them, a library also as a driver that Python loads. Where it lies and what lies around
it decides, so each is done several times, in a process of its own; the numbers are those of the worst time. Bytes that
are data in the middle of code count when they look like IN or OUT.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from elftools.elf.elffile import ELFFile
from iced_x86 import Decoder, Mnemonic

from decode import decode
from decode.refusal import MAX_LENGTH
from mmio.hosted import elf_image
from mmio.hosted.program_area import Area
from mmio.linux import libc
from mmio.linux.proc_maps import mappings
from mmio.linux.stub_functions import StubFunctions
from mmio.patching.memory import NearMemory
from mmio.patching.sites import NoRoom, NotPatched, Sites

_FILES: Final = (
    *("/usr/bin/inb", "/usr/sbin/hwclock", "/usr/sbin/flashrom"),
    *(f"/usr/lib/x86_64-linux-gnu/{name}" for name in ("libpci.so.3", "libpciaccess.so.0")),
)
_TIMES: Final = 5
_PLACED, _OVER, _LEFT = "a jump in its place", "over the next ones", "not patched"
_HEADER: Final = "| file | mapped by | bytes | IN and OUT | a jump in its place | over the next ones | not patched |"


def port_instructions(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the addresses in a file's text, and the bytes, of what decodes as IN or OUT one after the other."""
    with open(path, "rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        assert text is not None
        code, start = text.data(), text["sh_addr"]
    for instruction in Decoder(64, code, ip=start):
        if instruction.mnemonic in (Mnemonic.IN, Mnemonic.OUT):
            at = instruction.ip - start
            yield instruction.ip, code[at : at + instruction.len]


def patched(path: str, base: int, map_exactly: Callable[[int, int, int], bool], over: bool) -> Counter[str]:
    """Patch what a file has, where it is mapped; count by the instructions' bytes and what became of them."""
    sites = Sites(StubFunctions(0, 0, 0, 0, 0), NearMemory(lambda start: True, map_exactly), over_followers=over)
    left, found = dict(port_instructions(path)), Counter[str]()
    for _ in range(2):  # one from which no jump leads is tried again when the next one has been patched
        for at, code in list(left.items()):
            try:
                site = sites.patch(base + at, decode(code[:MAX_LENGTH], 64))
            except NoRoom:
                continue
            except NotPatched as why:
                raise RuntimeError(f"{path}+{at:#x}: {why}") from why
            found[f"{min(len(code), 2)} {_OVER if len(site.starts) > 1 else _PLACED}"] += 1
            del left[at]
    found.update(f"{min(len(code), 2)} {_LEFT}" for code in left.values())
    return found


def as_hosted(path: str) -> Counter[str]:
    """Map a program, or a library alone, as the engine in this process does."""
    area = Area()
    image = elf_image.read(path)
    base = elf_image.load(image, area).base
    if image.interpreter is not None:
        elf_image.load(elf_image.read(image.interpreter), area)
    for line in subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout.splitlines():
        if "=> /" in line:
            elf_image.load(elf_image.read(line.split()[2]), area)
    return patched(path, base, area.map_exactly, over=True)


def as_driver(path: str) -> Counter[str]:
    """Load a library as a driver is loaded into Python."""
    ctypes.CDLL(path)
    real = os.path.realpath(path)
    base = min(mapping.start for mapping in mappings(os.getpid()) if mapping.path == real)
    return patched(path, base, libc.map_exactly, over=False)


_WAYS: Final = {"--engine=inprocess": as_hosted, "ctypes": as_driver}


def worst(way: str, path: str) -> Counter[str]:
    """Return the counts of the time when most were left, each time in a new process."""
    runs = []
    for _ in range(_TIMES):
        command = [sys.executable, "-m", "benchmarks.port_sites", way, path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(Counter[str](json.loads(done.stdout)))
    return max(runs, key=lambda counts: counts[f"1 {_LEFT}"] + counts[f"2 {_LEFT}"])


def main(paths: list[str]) -> None:
    """Print a table."""
    print(_HEADER, "|---|---|---:|---:|---:|---:|---:|", sep="\n")
    for path in paths:
        ways = _WAYS if ".so" in Path(path).name else {"--engine=inprocess": as_hosted}
        for way in ways:
            counts = worst(way, path)
            for size, said in ("1", "1"), ("2", "2 and more"):
                numbers = [counts[f"{size} {what}"] for what in (_PLACED, _OVER, _LEFT)]
                if any(numbers):
                    print(
                        f"| {Path(path).name} | {way} | {said} | {sum(numbers)} | " + " | ".join(map(str, numbers)), "|"
                    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case [way, path] if way in _WAYS:
            print(json.dumps(_WAYS[way](path)))
        case paths:
            main(paths or [path for path in _FILES if os.path.exists(path)])
