"""Exceptions that no handler can hold: Ctrl-C, and what is raised where nobody listens."""

from ctypes import CDLL
from pathlib import Path

import pytest

from tests.native import build_c, compile_c, run_python

SOURCE = """
#include <signal.h>
#include <stdint.h>
#include <time.h>
typedef volatile uint32_t reg;
int spin(reg *p) { while (!p[4]); return 1; }
int rd(reg *p) { return p[4]; }
int interrupted(reg *p, int number) { raise(number); return p[4]; }
int copy(reg *p, uint32_t *to, int count) {
    __asm__ volatile("rep movsl" : "+S"(p), "+D"(to), "+c"(count) :: "memory");
    return count;
}
void callback(void (*call)(void)) { call(); }
"""

POLLER = """
import os, random, signal, sys, threading, time
from ctypes import CDLL, create_string_buffer
from mmio.inprocess import ioremap

driver = CDLL(sys.argv[1])
times = int(sys.argv[3])

class Idle:
    length = 4096
    def read(self, offset, width):
        return 0
    def write(self, offset, width, value):
        pass

def interrupt():
    for _ in range(times):
        ready.acquire()
        time.sleep(random.random() / 50)
        os.kill(os.getpid(), signal.SIGINT)

ready = threading.Semaphore(0)
with ioremap(Idle()) as mapping:
    mapping.trace.enabled = False
    caught = 0
    threading.Thread(target=interrupt, daemon=True).start()
    buffer = create_string_buffer(4096)
    while caught < times:
        try:
            ready.release()
            if sys.argv[2] == "spin":
                driver.spin(mapping)
            while sys.argv[2] == "copy":
                driver.copy(mapping, buffer, 1024)
        except KeyboardInterrupt as error:
            names = []
            traceback = error.__traceback__
            while traceback:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            assert names[0] == "<module>", names
            caught += 1
print(caught)
"""


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    return compile_c(SOURCE, tmp_path)


@pytest.mark.parametrize("loop", ["spin", "copy"])
def test_ctrl_c_in_a_polling_loop(tmp_path: Path, loop: str) -> None:
    """Ctrl-C ends a C loop that polls a device for ever, every time, and nothing is printed or lost."""
    done = run_python(POLLER, str(build_c(SOURCE, tmp_path)), loop, "50")
    assert (done.returncode, done.stdout, done.stderr) == (0, "50\n", "")
