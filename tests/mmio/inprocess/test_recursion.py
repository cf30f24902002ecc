"""Endless recursion from device to driver to device ends in a RecursionError, whatever runs out first."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mmio.linux.stacks import handler_floor, stack_of_thread
from mmio.space.space import AddressSpace
from tests.native import build_c, run_python

SOURCE = """
#include <stdint.h>
#include <string.h>
typedef volatile uint32_t reg;
void load(reg *p) { (void)p[0]; }
void store(reg *p) { p[1] = 3; }
void atomic(reg *p) { __sync_fetch_and_add(p, 1); }
void vector(void *p) { __asm__ volatile("addps (%0),%%xmm0" :: "r"(p) : "xmm0"); }
void vector_store(void *p) { __asm__ volatile("cvtps2pd %%xmm0,%%xmm0; movlps %%xmm0,(%0)" :: "r"(p) : "xmm0"); }
void copy(void *p) {
    char b[16];
    long n = 16;
    void *d = b;
    __asm__ volatile("rep movsb" : "+S"(p), "+D"(d), "+c"(n) :: "memory");
}
void port_in(void *p) { __asm__ volatile("inb $0x70,%%al" ::: "eax"); }
void port_out(void *p) { __asm__ volatile("outb %%al,$0x70" ::: "eax"); }
"""
KINDS = ("load", "store", "atomic", "vector", "vector_store", "copy", "port_in", "port_out")

PROGRAM = """
import ctypes, json, sys, threading
from mmio.inprocess import ioremap, map_ports, pending_exceptions
from mmio.linux.trampoline import RAISED, trampoline
from mmio.inprocess import trap

driver = ctypes.CDLL(sys.argv[1])

class Endless:
    length = 4096
    enter = None
    deepest = 0
    def read(self, offset, width):
        self.again()
        return 7
    def write(self, offset, width, value):
        self.again()
    def again(self):
        if self.enter is not None:
            self.deepest += 1
            self.enter(mapping)

def down(calls, then):
    return down(calls - 1, then) if calls else then()

def one(case):
    device.enter, device.deepest = getattr(driver, case["kind"]), 0
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(case["limit"])
    try:
        down(case["depth"], lambda: device.enter(mapping))
    except RecursionError:
        outcome = "RecursionError" if sys.getrecursionlimit() == case["limit"] else "another limit"
    else:
        outcome = "nothing"
    finally:
        sys.setrecursionlimit(limit)
    device.enter = None
    for kind in sys.argv[3].split():  # everything works as before
        before = len(mapping.trace) + len(ports.trace)
        getattr(driver, kind)(mapping)
        assert len(mapping.trace) + len(ports.trace) > before, kind
    assert not pending_exceptions.pending and not pending_exceptions._under_way and not trap._failed
    assert not trampoline().words[RAISED]
    assert sys.getrecursionlimit() == limit
    results.append([outcome, device.deepest])

device, results = Endless(), []
with ioremap(device) as mapping, map_ports(0x70, 1, device) as ports:
    for case in json.loads(sys.argv[2]):
        if case["stack"] is None:
            one(case)
        else:
            threading.stack_size(case["stack"] << 10)
            thread = threading.Thread(target=one, args=[case])
            thread.start()
            thread.join()
print(json.dumps(results))
"""

CASES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "limit": st.sampled_from((150, 1000, 3000, 1 << 20, (1 << 31) - 1)),
        "depth": st.integers(0, 80),
        "stack": st.sampled_from((None, 128, 256, 512, 8192)),
    }
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_c(SOURCE, tmp_path_factory.mktemp("driver"))


def results_of(library: Path, cases: list[dict[str, Any]]) -> list[list[Any]]:
    done = run_python(PROGRAM, str(library), json.dumps(cases), " ".join(KINDS), timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[list[Any]] = json.loads(done.stdout)
    return found


@settings(deadline=None, max_examples=5, phases=[Phase.explicit, Phase.generate])
@given(st.lists(CASES, min_size=1, max_size=4))
def test_endless_recursion_raises(library: Path, cases: list[dict[str, Any]]) -> None:
    """A model that calls the driver endlessly gets a RecursionError on any stack; afterwards everything works."""
    assert [outcome for outcome, _ in results_of(library, cases)] == ["RecursionError"] * len(cases)


@pytest.mark.parametrize("kind", KINDS)
def test_at_any_distance_from_the_limit(library: Path, kind: str) -> None:
    """Wherever between device, driver and handler the recursion limit is reached, it is told in the same way."""
    cases = [{"kind": kind, "limit": 200, "depth": depth, "stack": 512} for depth in range(24)]
    assert [outcome for outcome, _ in results_of(library, cases)] == ["RecursionError"] * len(cases)


def test_the_stack_may_be_what_ends_it(library: Path) -> None:
    """Where Python's limit is far away, the depth is a matter of the stack: more of it, deeper."""
    cases = [{"kind": "load", "limit": 1 << 20, "depth": 0, "stack": stack} for stack in (128, 256, 512, 1024)]
    results = results_of(library, cases)
    assert [outcome for outcome, _ in results] == ["RecursionError"] * len(cases)
    depths = [depth for _, depth in results]
    assert depths == sorted(set(depths))
    assert depths[0] > 1


AT_THE_LIMIT = """
import ctypes, sys
from mmio.inprocess import ioremap, map_ports

driver = ctypes.CDLL(sys.argv[1])

class Plain:
    length = 4096
    def read(self, offset, width):
        return 7
    def write(self, offset, width, value):
        pass

def down(calls, then):
    return down(calls - 1, then) if calls else then()

outcomes = []
sys.setrecursionlimit(200)
with ioremap(Plain()) as mapping, map_ports(0x70, 1, Plain()):
    enter = getattr(driver, sys.argv[2])
    enter(mapping)
    for depth in range(140, 200):
        try:
            down(depth, lambda: enter(mapping))
        except RecursionError:
            outcomes.append("raised")
        else:
            outcomes.append("answered")
        enter(mapping)
print(*outcomes)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_an_access_at_the_limit_is_answered_or_raises(library: Path, kind: str) -> None:
    """An access made at any depth of Python calls is answered, or raises RecursionError where there is no room."""
    done = run_python(AT_THE_LIMIT, str(library), kind)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = done.stdout.split()
    assert outcomes == sorted(outcomes)  # answered up to some depth, and raised from there on
    assert {"answered", "raised"} == set(outcomes)


class Neighbour:
    """A device that asks another one, through the space or in a generator."""

    def __init__(self, space: AddressSpace, other: int) -> None:
        self.bus, self.other = space.initiator(0), other
        self.asks = True

    def read(self, offset: int, width: int) -> int:
        return next(self.answers(width)) if self.asks else 7

    def answers(self, width: int) -> Iterator[int]:
        yield self.bus.read(self.other, width)

    def write(self, offset: int, width: int, value: int) -> None:
        if self.asks:
            self.bus.write(self.other, width, value)


def test_devices_that_ask_each_other(library: Path) -> None:
    """Two devices that ask each other through the space, without native code, end in a RecursionError as well."""
    space = AddressSpace()
    first, second = Neighbour(space, 0x2000), Neighbour(space, 0x1000)
    space.map(0x1000, 0x100, first, "first")
    space.map(0x2000, 0x100, second, "second")
    bus = space.initiator(0)
    with pytest.raises(RecursionError):
        bus.read(0x1000, 4)
    with pytest.raises(RecursionError):
        bus.write(0x1000, 4, 1)
    second.asks = False
    assert bus.read(0x1000, 4) == 7
    bus.write(0x1000, 4, 1)


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 40))
def test_some_of_every_stack_is_kept(start: int, length: int) -> None:
    """A handler may begin in the upper three quarters of a small stack, and above what is kept of a large one."""
    stack = range(start, start + length)
    floor = handler_floor(stack)
    assert stack.start <= floor <= stack.stop
    assert floor - stack.start <= length // 4 or floor == stack.stop - (16 << 20)


def test_the_stack_of_this_thread() -> None:
    """The bounds are those of the stack that the caller runs on."""
    with open("/proc/self/maps") as maps:
        (main,) = (line.split()[0] for line in maps if line.rstrip().endswith("[stack]"))
    low, high = (int(bound, 16) for bound in main.split("-"))
    stack = stack_of_thread()
    if threading.current_thread() is threading.main_thread():
        assert stack.start <= low < high
        assert low < stack.stop <= high  # arguments and environment lie above
    assert not handler_floor(range(0))
