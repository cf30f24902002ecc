"""Scripts that end with a mapping open and threads at its device."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mmio.formats import JsonLinesReader
from mmio.records.access import Access
from tests.native import ROOT, build_c

DRIVER = r"""
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>
static volatile int stopped;
__attribute__((destructor)) static void end(void) { usleep(5000); }  // threads outlive the interpreter by that
static int pause_us;
static pthread_t threads[64];
static int count;
uint32_t once(volatile uint32_t *p) { return *p; }
void *poll_device(void *p) {
    while (!stopped) {
        *(volatile uint32_t *)p;
        if (pause_us) usleep(pause_us);
    }
    return 0;
}
void start(volatile uint32_t *p, int n, int us) {
    pause_us = us;
    for (count = 0; count < n; count++) pthread_create(threads + count, 0, poll_device, (void *)p);
}
void stop(void) {
    stopped = 1;
    while (count) pthread_join(threads[--count], 0);
}
"""

SCRIPT = """
import atexit, ctypes, itertools, json, mmap, sys, threading, time

case = json.loads(sys.argv[1])
driver = ctypes.CDLL(case["driver"])
if case["join"] == "first":
    atexit.register(lambda: driver.stop())

import mmio
from mmio.formats import JsonLinesWriter

with open(case["counted"], "r+b") as file:
    counted = mmap.mmap(file.fileno(), 0)
# A thread that writes to standard error while Python finishes is stopped with the lock of that, and Python aborts:
# "could not acquire lock for <_io.BufferedWriter name='<stderr>'> at interpreter shutdown".
threading.excepthook = sys.unraisablehook = lambda told: None
held = threading.Lock()
count = 0
numbers = itertools.count()

class Model:
    length = 4

    def read(self, offset, width):
        global count
        if case["model"] == "sleeps":
            time.sleep(0.003)
        elif case["model"] == "sleeps long" and threading.current_thread() is not threading.main_thread():
            time.sleep(60)
        elif case["model"] == "raises" and count % 3 == 2:
            count += 1
            raise ValueError("the model's")
        elif case["model"] == "locks" and threading.current_thread() is not threading.main_thread():
            with held:
                pass
        count += 1
        number = next(numbers)
        counted[number] = 1
        return number

    def write(self, offset, width, value): ...

class Late:
    def __del__(self, sleep=time.sleep):
        sleep(0.005)  # in the middle of the finalization

late = Late()

def answered():
    while case["model"] in ("plain", "sleeps") and count < 20:
        time.sleep(0.001)

mapping = mmio.ioremap(Model())
mapping.trace.attach(JsonLinesWriter(case["file"]))
if case["join"] == "last":
    atexit.register(driver.stop)
if case["uses"]:
    atexit.register(lambda: driver.once(mapping))
held.acquire()
driver.start(mapping, case["native"], case["pause"])

def again():
    while True:
        try:
            driver.once(mapping)
        except ValueError:
            pass

def directly():
    while True:
        try:
            ctypes.c_uint32.from_address(mapping.address).value
        except ValueError:
            pass

for kind, function in ("python", again), ("within", lambda: driver.poll_device(mapping)), ("directly", directly):
    for _ in range(case[kind]):
        threading.Thread(target=function, daemon=True).start()
answered()
if case["end"] == "exit":
    sys.exit(case["status"])
if case["end"] == "raise":
    raise KeyError("the script's own")
"""


def can_end(case: dict[str, Any]) -> bool:
    """Return whether there are threads, and none that something waits for and a model keeps for ever."""
    endless = case["model"] in ("sleeps long", "locks")
    return not (case["join"] and endless) and any(case[kind] for kind in THREADS)


THREADS = ("native", "python", "within", "directly")
CASES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "native": st.integers(0, 4),
        "python": st.integers(0, 2),
        "within": st.integers(0, 2),
        "directly": st.integers(0, 1),
        "pause": st.sampled_from([0, 0, 50, 1000]),
        "model": st.sampled_from(["plain", "plain", "sleeps", "sleeps long", "raises", "locks"]),
        "join": st.sampled_from(["", "first", "last"]),
        "uses": st.booleans(),
        "end": st.sampled_from(["return", "exit", "raise"]),
        "status": st.integers(0, 255),
        "faulthandler": st.booleans(),
    }
).filter(can_end)


def finish(case: dict[str, Any]) -> None:
    """Run the script of a case, and see that it ends as such a script does."""
    with TemporaryDirectory() as directory:
        place = Path(directory)
        counted, file = place / "counted", place / "trace.jsonl"
        counted.write_bytes(bytes(1 << 22))
        library = build_c(DRIVER, place)
        whole = case | {"driver": str(library), "counted": str(counted), "file": str(file)}
        flags = ["-X", "faulthandler"] * case["faulthandler"]
        done = subprocess.run(
            [sys.executable, *flags, "-c", SCRIPT, json.dumps(whole)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        expected = {"return": 0, "exit": case["status"], "raise": 1}[case["end"]]
        assert done.returncode == expected, done.stderr
        assert "Fatal" not in done.stderr
        for part in ("KeyError", '"the script\'s own"'):  # a thread may write its own traceback between the two
            assert (part in done.stderr) == (case["end"] == "raise"), done.stderr
        answered = {value for value, answer in enumerate(counted.read_bytes()) if answer}
        values = {record.value for record in JsonLinesReader(file) if isinstance(record, Access)}
        threads = sum(case[kind] for kind in THREADS)
        assert values <= answered
        assert len(answered - values) <= threads  # those that were ended between the answer and the record


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(CASES)
def test_a_script_ends_with_its_own_status_whatever_threads_do(case: dict[str, Any]) -> None:
    """A script with threads at a device ends with its own status, and every answered access is recorded."""
    finish(case)
