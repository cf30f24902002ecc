"""Exceptions of a device model come out of the call that entered the driver."""

import ctypes
import sys
import threading
import traceback
from collections.abc import Iterator
from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int,
    c_long,
    c_longdouble,
    c_void_p,
    c_wchar_p,
    py_object,
)
from pathlib import Path
from typing import Any

import pytest

from mmio.inprocess import Mapping, ioremap
from tests.mmio.inprocess.models import Bytes, Raising
from tests.native import compile_c

SOURCE = """
#include <fenv.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef volatile uint32_t reg;
int rd(reg *p) { return p[4]; }
static __attribute__((noinline)) int down(reg *p, int depth) {
    volatile char room[1000];
    room[depth] = depth;
    return depth ? down(p, depth - 1) + room[depth] : (int)p[1];
}
int deep(reg *p) { return down(p, 50); }
static reg *kept;
void keep(reg *p) { kept = p; }
int later(void) { return kept[0]; }
static int compare(const void *a, const void *b) { return *(reg *)a - *(reg *)b; }
void sort(void *p) { qsort(p, 8, 4, compare); }
long double big(reg *p) { return p[0]; }
typedef struct { double a; long b; } two;
two both(reg *p) { two t = {1, p[0]}; return t; }
typedef struct { long a[9]; } many;
many lots(reg *p) { many m = {{1, p[0]}}; return m; }
int ten(reg *p, int b, int c, int d, int e, int f, int g, int h, int i, int j) { return p[b+c+d+e+f+g+h+i+j]; }
int through(reg *p, int (*call)(void)) { int first = call(); return first + p[0]; }
int upset(reg *p) {
    fesetround(FE_UPWARD);
    __asm__ volatile("movd %%eax,%%mm0; fldz; std; mov (%0),%%eax" :: "r"(p) : "eax", "mm0", "memory");
    return 1;
}
int clobber(reg *p) {
    int r;
    __asm__ volatile("mov $1,%%rbx; mov $2,%%r12; mov $3,%%r13; mov $4,%%r14; mov $5,%%r15; mov (%1),%0"
        : "=r"(r) : "r"(p) : "rbx", "r12", "r13", "r14", "r15");
    return r;
}
static void on_signal(int number) { (void)kept[0]; }
int signalled(reg *p) {
    kept = p;
    signal(SIGUSR2, on_signal);
    raise(SIGUSR2);
    return 1;
}
int blocked(void) { sigset_t s; pthread_sigmask(SIG_BLOCK, 0, &s); return sigismember(&s, SIGUSR2); }
"""


class Two(Structure):
    _fields_ = (("a", c_double), ("b", c_long))


class Many(Structure):
    _fields_ = (("a", c_long * 9),)


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    return compile_c(SOURCE, tmp_path)


@pytest.fixture
def broken() -> Iterator[Mapping]:
    """A device that raises KeyError whatever is done to it."""
    with ioremap(Raising(KeyError("broken"))) as mapping:
        yield mapping


def test_exception_comes_out_as_itself(driver: CDLL) -> None:
    """The very object the device model raised comes out of the call, and the next call works."""
    error = ValueError("that offset")
    with ioremap(Raising(error)) as mapping, ioremap(Bytes(4096)) as good:
        for _ in range(3):
            with pytest.raises(ValueError, match="that offset") as caught:
                driver.rd(mapping)
            assert caught.value is error
            assert driver.rd(good) == 0


def test_traceback_shows_call_and_model(driver: CDLL, broken: Mapping) -> None:
    """The traceback leads from the call of the driver to the line in the device model."""
    with pytest.raises(KeyError) as caught:
        driver.deep(broken)
    names = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert names[0] == "test_traceback_shows_call_and_model"
    assert names[-1] == "read"
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, MemoryError])
def test_any_exception(driver: CDLL, error: type[BaseException]) -> None:
    """Exceptions that are no errors come out as well."""
    with ioremap(Raising(error)) as mapping, pytest.raises(error):
        driver.rd(mapping)


@pytest.mark.parametrize("function", ["rd", "deep", "sort", "ten", "clobber"])
def test_any_depth(driver: CDLL, broken: Mapping, function: str) -> None:
    """It does not matter how deep in the driver, or in a library it called, the access is."""
    for _ in range(3):
        with pytest.raises(KeyError):
            driver[function](broken, *[1] * 9)


@pytest.mark.parametrize(
    ("function", "result"),
    [
        *(("rd", result) for result in (None, c_int, py_object, c_char_p, c_wchar_p, c_void_p, POINTER(c_int))),
        *(("rd", lambda result: result + 1), ("big", c_longdouble), ("both", Two), ("lots", Many)),
    ],
)
def test_any_prototype(driver: CDLL, broken: Mapping, function: str, result: Any) -> None:
    """Whatever the function is declared to return, the exception is what comes."""
    call = driver[function]
    call.restype = result
    for _ in range(3):
        with pytest.raises(KeyError):
            call(broken)


def test_call_without_the_mapping(driver: CDLL, broken: Mapping) -> None:
    """A later call, of a driver that has kept the pointer, is as good."""
    driver.keep(broken)
    with pytest.raises(KeyError):
        driver.later()


def test_call_that_keeps_the_gil(driver: CDLL, broken: Mapping) -> None:
    """A function loaded with PyDLL, which runs with the GIL held, can be left."""
    library = ctypes.PyDLL(driver._name)
    with pytest.raises(KeyError):
        library.rd(broken)
    with pytest.raises(KeyError):
        library.deep(broken)


def test_exception_while_handling_another(driver: CDLL, broken: Mapping) -> None:
    """Raised while another exception is handled, it points to that one."""

    def enter() -> None:
        try:
            raise OSError("first")
        except OSError:
            driver.rd(broken)

    with pytest.raises(KeyError) as caught:
        enter()
    assert isinstance(caught.value.__context__, OSError)


def test_handled_exception_is_as_before(driver: CDLL, broken: Mapping) -> None:
    """After the exception has been caught, none is being handled."""
    with pytest.raises(KeyError):
        driver.rd(broken)
    assert sys.exc_info() == (None, None, None)


def test_generator(driver: CDLL, broken: Mapping) -> None:
    """A generator that enters the driver raises from `next`."""

    def generate() -> Iterator[int]:
        yield 1
        yield driver.rd(broken)

    numbers = generate()
    assert next(numbers) == 1
    with pytest.raises(KeyError):
        next(numbers)
    assert list(numbers) == []


def test_innermost_call_wins(driver: CDLL, broken: Mapping) -> None:
    """A callback of the driver that enters the driver again gets the exception, and may handle it."""

    def callback() -> int:
        try:
            driver.rd(broken)
        except KeyError:
            return 5
        return 0

    with ioremap(Bytes(4096, b"\x07")) as good:
        assert driver.through(good, CFUNCTYPE(c_int)(callback)) == 12


def test_leaving_around_a_callback(driver: CDLL, broken: Mapping) -> None:
    """After a callback has come and gone, the outer call can still be left."""
    with pytest.raises(KeyError):
        driver.through(broken, CFUNCTYPE(c_int)(lambda: 1))


def test_floating_point_state(driver: CDLL, broken: Mapping) -> None:
    """The driver's rounding mode, direction flag and x87 stack do not outlive it."""
    expected = (1 / 3, 2.0**0.5, 0.1 + 0.2, bytes(range(64))[::-1])
    for _ in range(9):  # each would leave a value more on the x87 stack
        with pytest.raises(KeyError):
            driver.upset(broken)
    assert (1 / 3, 2.0**0.5, 0.1 + 0.2, bytes(range(64))[::-1]) == expected
    driver.big.restype = c_longdouble
    with ioremap(Bytes(4096, b"\x2a")) as good:
        assert driver.big(good) == 42.0


def test_out_of_a_signal_handler(driver: CDLL, broken: Mapping) -> None:
    """A driver's signal handler is left with the driver, and its signal is not blocked any more."""
    with pytest.raises(KeyError):
        driver.signalled(broken)
    assert driver.blocked() == 0


def test_errno_of_the_call(driver: CDLL, broken: Mapping) -> None:
    """Functions with `use_errno` can be left."""
    library = CDLL(driver._name, use_errno=True)
    ctypes.set_errno(0)
    for _ in range(3):
        with pytest.raises(KeyError):
            library.rd(broken)


def test_many_times(driver: CDLL, broken: Mapping) -> None:
    """Leaving a thousand times leaves nothing behind."""
    for _ in range(1000):
        with pytest.raises(KeyError):
            driver.deep(broken)


def test_without_unwind_tables(tmp_path: Path, broken: Mapping) -> None:
    """A driver that cannot be unwound reads ones, and the exception comes when it returns."""
    driver = compile_c(SOURCE, tmp_path, "-fno-asynchronous-unwind-tables", "-fno-exceptions")
    with pytest.raises(KeyError):
        driver.deep(broken)


def test_access_from_the_interpreter(driver: CDLL, broken: Mapping) -> None:
    """When Python itself touches the page, there is no call to leave: it reads ones, then the exception comes."""
    with pytest.raises(KeyError):
        getattr(ctypes.c_uint32.from_address(broken.address), "value")  # noqa: B009  # the interpreter looks after calls
    with pytest.raises(KeyError):
        ctypes.string_at(broken.address, 16)
    with pytest.raises(KeyError):
        ctypes.memmove(broken.address, b"1234", 4)
    with pytest.raises(KeyError):
        bytes((ctypes.c_char * 4).from_address(broken.address))


def test_in_a_thread(driver: CDLL, broken: Mapping) -> None:
    """It works in any thread, traceback included."""
    seen: list[list[str]] = []

    def work() -> None:
        for _ in range(20):
            try:
                driver.deep(broken)
            except KeyError as error:
                seen.append([frame.name for frame in traceback.extract_tb(error.__traceback__)])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 60
    assert {(names[0], names[-1]) for names in seen} == {("work", "read")}


class Finalised:
    """An argument whose end is Python code."""

    def __init__(self, mapping: Mapping) -> None:
        self._as_parameter_ = c_void_p(mapping.address)

    def __del__(self) -> None:
        self.gone = True


def test_argument_with_a_finaliser(driver: CDLL, broken: Mapping) -> None:
    """The exception is not lost to the finaliser of a temporary argument, which runs before the call is over."""
    with pytest.raises(KeyError):
        driver.rd(Finalised(broken))


def test_calls_from_c_code(driver: CDLL, broken: Mapping) -> None:
    """When C code of the interpreter makes the calls, the exception comes as soon as bytecode runs again."""
    with pytest.raises(KeyError):
        list(map(driver.rd, [broken, broken]))
