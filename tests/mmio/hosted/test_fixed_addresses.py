"""Devices at fixed addresses of a hosted program, whose address space is Python's, too."""

from pathlib import Path

import pytest

from tests.mmio.hosted.engines import pagetrap
from tests.mmio.ptrace.programs import program
from tests.native import run_python

HOSTING = """
import sys
from mmio.hosted import Host

class Card:
    def read(self, offset, width): return 7
    def write(self, offset, width, value): pass

def mapped():
    return [line for line in open("/proc/self/maps") if line.startswith(("40000000-", "610000000000-"))]

host = Host()
host.map(0x40000000, 0x400, Card(), "low")
host.map(0x610000000000, 0x1400, Card(), "high")
assert not mapped()
host.spawn(sys.argv[1:])
status = host.run()
assert not mapped(), mapped()
assert host.unmatched == []
print(status, len(host.trace))
"""

SOURCE = r"""
int main(int argc, char **argv) {
    volatile uint32_t *low = (void *)0x40000000, *high = (void *)0x610000000000;
    asm("" : "+r"(low), "+r"(high));
    if (low[0] != 7 || high[0x400] != 7) return 4;
    if (argc > 1) return 3;
    mmap((void *)high, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)low, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (low[0] != 7 || high[0] != 7) return 5;
    execl(argv[0], argv[0], "again", NULL);
    return 6;
}
"""


def test_nothing_is_reserved_after_the_program() -> None:
    """What was reserved, and what the program had mapped over it, is gone after execve, and at the end."""
    assert run_python(HOSTING, program(SOURCE)).stdout == "3 6\n"


@pytest.mark.parametrize("place", [0x400000000000, 0x400000004000, 0x401000000000])
def test_the_programs_own_part_leaves_devices_free(tmp_path: Path, place: int) -> None:
    """A device may be where a hosted program, its stack or its heap would go otherwise."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = (void *)strtoul(argv[1], 0, 16);
        for (int i = 0; i < 100; i++) memset(malloc(100000), 1, 100000);
        return p[1] == 0x07060504 ? 3 : 4;
    }"""
    options = ["-q", "--device", f"models.py:Pattern@range:{place:#x}+0x400"]
    run = pagetrap("inprocess", tmp_path, "run", options, [program(source), f"{place:x}"])
    assert (run.status, run.complaints) == (3, "")
    assert [a.address for a in run.accesses] == [place + 4]
