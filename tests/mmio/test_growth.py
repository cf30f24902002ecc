"""Memory does not grow with the number of accesses, where the trace is bounded or written to a file."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mmio.commands.process import pagetrap
from tests.native import build_c, run_python
from tests.needs import need

ACCESSES = 200_000
MOST = 1 << 10  # KiB

RSS = """
def rss():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])
"""

IN_PROCESS = (
    RSS
    + """
import ctypes, gc, sys
import mmio
from mmio.inprocess import ioremap

driver = ctypes.CDLL(sys.argv[1])

class Card:
    length = 4096
    def read(self, offset, width):
        return offset
    def write(self, offset, width, value):
        pass

sinks = [mmio.writer(sys.argv[2])] if sys.argv[2:] else []
with ioremap(Card(), trace=mmio.Trace(keep=1000, sinks=sinks)) as mapping:
    driver.poll(mapping, 20_000)
    gc.collect()
    before = rss()
    driver.poll(mapping, ACCESSES)
    gc.collect()
    print(rss() - before)
for sink in sinks:
    sink.close()
""".replace("ACCESSES", str(ACCESSES))
)

DRIVER = """
#include <stdint.h>
void poll(volatile uint32_t *p, int n) {
    for (int i = 0; i < n; i++) if (i & 1) (void)p[i & 63]; else p[i & 63] = i;
}
"""

PROGRAM = """
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
int main(void) {
    volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open("/dev/card", O_RDWR), 0);
    for (int i = 0; i < ACCESSES + 20001; i++) (void)p[i & 63];
}
"""

MODEL = (
    RSS
    + """
class Card:
    length = 4096
    reads = before = 0
    def read(self, offset, width):
        self.reads += 1
        if self.reads == 20_000:
            self.before = rss()
        if self.reads == ACCESSES + 20_000:
            with open("growth", "w") as file:
                print(rss() - self.before, file=file)
        return self.reads
    def write(self, offset, width, value):
        pass
""".replace("ACCESSES", str(ACCESSES))
)


@pytest.mark.parametrize("suffix", ["", ".jsonl", ".mmiotrace"])
def test_in_this_process(suffix: str, tmp_path: Path) -> None:
    """Accesses of a driver in this process leave nothing behind but the last thousand, or lines in a file."""
    library = build_c(DRIVER, tmp_path)
    done = run_python(IN_PROCESS, str(library), *([str(tmp_path / f"run{suffix}")] if suffix else []), timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST


@pytest.mark.parametrize("output", [(), ("-o", "run.jsonl")])
def test_in_a_hosted_program(output: tuple[str, ...], tmp_path: Path) -> None:
    """Accesses of a hosted program leave nothing behind, and are all in the summary."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    source = PROGRAM.replace("ACCESSES", str(ACCESSES))
    subprocess.run(["cc", "-O1", "-x", "c", "-", "-o", tmp_path / "program"], input=source, text=True, check=True)
    (tmp_path / "card.py").write_text(MODEL)
    where = "card.py:Card@/dev/card"
    done = pagetrap(tmp_path, "run", "--engine=inprocess", *output, "--device", where, "--", "./program")
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "growth").read_text()) < MOST
    reads = sum(int(line.split()[1].replace(",", "")) for line in done.stderr.splitlines() if line.startswith("Card+"))
    assert reads == ACCESSES + 20_001
