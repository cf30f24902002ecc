"""Patched loads and stores that call the device directly: as by a frame, and as by a signal."""

import ctypes
import enum
import gc
import random
import re
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decode import decode
from emulate.flags import undefined
from mmio import Mapping, Trace, ioremap, map_ports
from mmio.errors import NoRegister
from mmio.inprocess import trap
from mmio.inprocess.after_access import after_access
from mmio.inprocess.mapping import _trap
from mmio.linux.trampoline import INSIDE, trampoline
from mmio.patching.direct import plain
from mmio.records.access import Access
from tests.mmio.inprocess.execute import Executor, harmless
from tests.mmio.inprocess.forms import PLACE, registers, suitable
from tests.mmio.inprocess.models import Bytes
from tests.native import build_c, compile_c, run_python

# XGETBV with ECX = 1, which tells what is in use.
pytestmark = [pytest.mark.cpu("XSAVEC"), pytest.mark.usefixtures("at_once")]

# Each access is an instruction of six bytes or more, which a jump fits into wherever memory is free.
DRIVER = r"""
#include <signal.h>
#include <stdint.h>
#define NEAR(type, p) (*(volatile type *)((uintptr_t)(p) + 0x10000))
#define ACCESSORS(bits) \
    uint##bits##_t read##bits(uintptr_t p) { return NEAR(uint##bits##_t, p); } \
    void write##bits(uintptr_t p, uint##bits##_t v) { NEAR(uint##bits##_t, p) = v; }
ACCESSORS(8) ACCESSORS(16) ACCESSORS(32) ACCESSORS(64)
uint32_t sum(uintptr_t p, int times) { uint32_t sum = 0; while (times--) sum += NEAR(uint32_t, p); return sum; }
uint32_t signalled(uintptr_t p, int number) { if (number) raise(number); return NEAR(uint32_t, p); }
uint32_t constant(int times) { uint32_t sum = 0; while (times--) sum += *(volatile uint32_t *)0x40010010; return sum; }
#define VECTORS(name, move) \
    void read_##name(uintptr_t p, void *v) \
    { __asm__ volatile(move " 0x10000(%0),%%xmm9; movdqu %%xmm9,(%1)" : : "r"(p), "r"(v) : "xmm9", "memory"); } \
    void write_##name(uintptr_t p, void *v) \
    { __asm__ volatile("movdqu (%1),%%xmm9; " move " %%xmm9,0x10000(%0)" : : "r"(p), "r"(v) : "xmm9", "memory"); }
VECTORS(anywhere, "movups") VECTORS(aligned, "movaps")
#define WIDE ".byte 0x2e, 0x2e, 0x2e, 0x2e\n"  /* prefixes that mean nothing make room for a jump */
#define PORTS(bits, letter, register) \
    uint##bits##_t in##bits(int port) \
    { uint##bits##_t v; __asm__ volatile(WIDE "in" letter " %%dx,%%" register : "=a"(v) : "d"(port)); return v; } \
    void out##bits(int port, uint##bits##_t v) \
    { __asm__ volatile(WIDE "out" letter " %%" register ",%%dx" : : "a"(v), "d"(port)); }
PORTS(8, "b", "al") PORTS(16, "w", "ax") PORTS(32, "l", "eax")
static int asked, told;
void begin(int number) { asked = 0, told = number; }
int answer(int offset, int width) { if (told) asked++, raise(told); return 1; }
int times_asked(void) { return asked; }
void fill(uintptr_t p, int times) { while (times--) NEAR(uint32_t, p) = times; }
"""
WIDTHS = (8, 16, 32, 64)
VECTORS = "anywhere", "aligned"
PORT = 0x340


class Level(enum.IntEnum):
    """An int that is none exactly."""

    HIGH = 7


class Scripted(Bytes):
    """Answers as it is told, and notes who has called it."""

    def __init__(self, length: int = 4096) -> None:
        super().__init__(length)
        self.next: list[Any] = []
        self.by_frames: list[bool] = []
        self.later: list[str] = []

    def read(self, offset: int, width: int) -> int:
        """Return what stands there, or what is next."""
        self.by_frames.append(by_a_frame())
        value = super().read(offset, width)
        answer: int = self._answer(value, offset, width)
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        """Store a value, or do what is next."""
        self.by_frames.append(by_a_frame())
        super().write(offset, width, value)
        self._answer(value, offset, width)

    def _answer(self, value: Any, offset: int, width: int) -> Any:
        what = self.next.pop(0) if self.next else "value"
        if what == "later":
            after_access(lambda: self.later.append(f"{offset:#x}"))
        if what == "hole":
            raise NoRegister(self, offset, width)
        if isinstance(what, type):
            raise what(f"at {offset:#x}")
        return value if isinstance(what, str) else what

    @property
    def direct(self) -> int:
        """How often it has been called without a handler of the fault."""
        return self.by_frames.count(False)


def by_a_frame() -> bool:
    """Return whether a handler of a fault, or one that a stub has called, is among the callers."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_code.co_filename == trap.__file__:
            return True
        frame = frame.f_back
    return False


@pytest.fixture
def driver(tmp_path: Path) -> ctypes.CDLL:
    """A library of its own for each test."""
    return typed(compile_c(DRIVER, tmp_path))


class Near:
    """A pointer argument: 64 KiB below what it names."""

    @staticmethod
    def from_param(place: Any) -> ctypes.c_void_p:
        return ctypes.c_void_p(int(place.__index__()) - 0x10000)


def typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the functions of the driver."""
    near: Any = Near
    for bits in WIDTHS:
        kind = getattr(ctypes, f"c_uint{bits}")
        getattr(library, f"read{bits}").restype = kind
        getattr(library, f"read{bits}").argtypes = [near]
        getattr(library, f"write{bits}").argtypes = [near, kind]
        if bits < 64:
            getattr(library, f"in{bits}").restype = kind
            getattr(library, f"out{bits}").argtypes = [ctypes.c_int, kind]
    for name in ("read_anywhere", "write_anywhere", "read_aligned", "write_aligned"):
        getattr(library, name).argtypes = [near, ctypes.c_void_p]
    library.sum.argtypes = library.fill.argtypes = library.signalled.argtypes = [near, ctypes.c_int]
    return library


@pytest.mark.silicon
@pytest.mark.parametrize("narrow", [0, 1, 2], ids=["all-in-use", "x87-in-use", "x87-unused"])
def test_every_plain_form_is_as_on_memory(tmp_path: Path, narrow: int) -> None:
    """The third time, when the device is called directly: registers and bytes are those of the CPU on memory."""
    executor = Executor(tmp_path)
    contents = harmless(random.Random(1), 4096)
    buffer = ctypes.create_string_buffer(8192)
    memory = (ctypes.c_char * 4096).from_address(ctypes.addressof(buffer) + 4095 & -4096)
    place = ctypes.addressof(memory) + PLACE
    device = Scripted()
    wrong, forms, by_frame = [], Counter[int](), Counter[int]()
    with ioremap(device) as mapping:
        for form in suitable():
            code = form.examples[64]
            given = registers(form) | {"narrow": narrow}
            how = plain(decode(code))
            if how is None:
                continue
            memory.raw = contents
            expected = executor.run(code, rsi=place, **given)
            bytes_expected = memory.raw
            _trap().patching.met.clear()  # other code stands there now
            for _ in range(3):
                device.data[:], device.by_frames[:] = contents, []
                got = executor.again(rsi=mapping.address + PLACE, **given)
            if got.general["rsi"] == mapping.address + PLACE:
                got.general["rsi"] = expected.general["rsi"]
            for state in (got, expected):  # what cannot be patched is emulated
                state.flags &= ~undefined(decode(code), given.get("rcx", 0) & 0xFF)
            if got != expected or device.data != bytes_expected:
                wrong.append(f"{form.name}: {got} instead of {expected}")
            (by_frame if any(device.by_frames) else forms)[how.width] += 1
    assert wrong == []
    assert forms.total() > 150  # with SSE alone; two thirds more with AVX-512
    assert by_frame == {}


def test_a_device_is_called_directly(driver: ctypes.CDLL) -> None:
    """From the third access on: a fault, a frame, and then no function of pagetrap's between driver and device."""
    device = Scripted()
    with ioremap(device) as mapping:
        driver.fill(mapping, 100)
        driver.sum(mapping, 100)
        assert device.direct == 196
        assert mapping.stats.calls == 198
        assert len(mapping.trace) == 200
        values = [access.value for access in mapping.trace]
        assert values == [*range(99, -1, -1), *[0] * 100]


@pytest.mark.parametrize("widths", [(1, 2, 4, 8), (4, 16)], ids=["in parts", "whole"])
@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_read_and_written_directly(driver: ctypes.CDLL, name: str, widths: tuple[int, ...]) -> None:
    """From the third access on, in the parts that the mapping allows; each is recorded as without patching."""
    device, value = Scripted(), ctypes.create_string_buffer(16)
    load, store = getattr(driver, f"read_{name}"), getattr(driver, f"write_{name}")
    with ioremap(device, widths=widths) as mapping:
        for number in range(20):
            store(mapping.address + 0x40, number.to_bytes(16, "big"))
            load(mapping, value)
            load(mapping.address + 0x40, value)
            assert value.raw == number.to_bytes(16, "big")
        parts = 16 // widths[-1]
        assert len(device.by_frames) == 60 * parts
        assert device.direct == (60 - 4) * parts
        seen = [(str(each.direction), each.offset, each.width, each.value >> 56) for each in mapping.trace]
        for number in range(20):
            made = ("2", 0x40, number), ("1", 0, 0), ("1", 0x40, number)
            whole = [(letter, offset, 16, value << 64) for letter, offset, value in made]
            halves = [(letter, offset + 8 * high, 8, value * high) for letter, offset, value in made for high in (0, 1)]
            assert seen[3 * parts * number :][: 3 * parts] == (whole if parts == 1 else halves)
        assert {each.flags for each in mapping.trace} == {mapping.trace[0].flags}


def test_a_vector_of_a_device_that_raises(driver: ctypes.CDLL) -> None:
    """What the second part raises comes out once; the first has been made and is recorded."""
    device, value = Scripted(), ctypes.create_string_buffer(16)
    with ioremap(device) as mapping:
        for _ in range(5):
            driver.read_anywhere(mapping, value)
        for kind in (ValueError, LookupError, "hole"):
            before = len(device.by_frames), len(mapping.trace)
            device.next = ["value", kind]
            with pytest.raises(NoRegister if kind == "hole" else kind):  # type: ignore[arg-type]
                driver.read_anywhere(mapping, value)
            assert (len(device.by_frames), len(mapping.trace)) == (before[0] + 2, before[1] + 1)
            assert device.by_frames[-2:] == [False, False]
            driver.read_anywhere(mapping, value)


@pytest.mark.parametrize("bits", WIDTHS)
def test_upper_bits_of_the_register_are_no_part_of_a_value(driver: ctypes.CDLL, bits: int) -> None:
    """A narrow store passes its bytes, a narrow load changes its own."""
    device, function = Scripted(), ctypes.cast(getattr(driver, f"write{bits}"), ctypes.c_void_p).value
    store = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)(function or 0)
    with ioremap(device) as mapping:
        for _ in range(4):
            store(mapping.address - 0x10000, (1 << 64) - 1)
            assert getattr(driver, f"read{bits}")(mapping.address) == (1 << bits) - 1
        assert {access.value for access in mapping.trace} == {(1 << bits) - 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_what_a_signal_handler_raises_comes_out(driver: ctypes.CDLL, number: signal.Signals) -> None:
    """Of a signal that comes just before the access: the device is not called, and nothing is recorded."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    device, before = Scripted(), signal.signal(number, interrupt)
    try:
        with ioremap(device) as mapping:
            for _ in range(5):
                driver.signalled(mapping, 0)
            for told in range(20):
                with pytest.raises(KeyboardInterrupt):
                    driver.signalled(mapping, number)
                assert (device.direct, len(mapping.trace)) == (3 + told, 5 + told)
                driver.signalled(mapping, 0)
    finally:
        signal.signal(number, before)


def test_a_signal_between_the_device_and_the_frame(driver: ctypes.CDLL) -> None:
    """A device in C answers a bool, and a signal comes: the access is recorded, and then the handler raises."""

    def interrupt(_number: int, _frame: object) -> None:
        raise TimeoutError("told")

    answer = ctypes.PyDLL(driver._name).answer
    answer.restype = ctypes.c_bool

    class InC:
        read = write = staticmethod(answer)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ioremap(InC(), length=64) as mapping:
            assert driver.sum(mapping, 10) == 10
            driver.begin(signal.SIGUSR1)
            for access in range(1, 30):
                with pytest.raises(TimeoutError, match="told"):
                    driver.sum(mapping, 1)
                assert driver.times_asked() == access
                assert len(mapping.trace) == 10 + access
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_argument_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="hold_signals is True or False, not 1"):
        ioremap(Bytes(64), hold_signals=1)  # type: ignore[arg-type]


def test_each_thread_has_its_number(driver: ctypes.CDLL) -> None:
    """More threads than a block has room for access one register, each in turns with the others."""
    device, turns = Scripted(), threading.Barrier(7)

    def work() -> None:
        value = ctypes.create_string_buffer(16)
        for _ in range(20):
            turns.wait()
            driver.sum(mapping, 10)
            driver.read_anywhere(mapping, value)
            driver.read_anywhere(mapping, value)

    with ioremap(device) as mapping:
        threads = [threading.Thread(target=work) for _ in range(7)]
        for thread in threads:
            thread.start()
        numbers = [thread.native_id for thread in threads]
        for thread in threads:
            thread.join()
        counts = {number: sum(access.thread == number for access in mapping.trace) for number in numbers}
        assert set(counts.values()) == {200 + 2 * 20 * 2}
        assert device.direct > 0  # how many depends on who runs when


def test_a_thread_on_a_stack_used_before_has_its_number(driver: ctypes.CDLL) -> None:
    """Blocks know a thread by its stack, which the next one gets; the instruction has room for a jump anywhere."""
    with ioremap(Scripted()) as mapping:
        for _ in range(8):
            thread = threading.Thread(target=driver.sum, args=(mapping, 5))
            thread.start()
            thread.join()
        assert sorted(Counter(access.thread for access in mapping.trace).values()) == [5] * 8


def test_registers_at_constant_addresses(driver: ctypes.CDLL) -> None:
    """Firmware names them so: the address is in the instruction."""
    device = Scripted(0x400)
    device.data[0x10] = 3
    with ioremap(device, address=0x4001_0000) as mapping:
        assert driver.constant(50) == 150
        assert device.direct == 48
        assert len(mapping.trace) == 50


@pytest.mark.parametrize("recorded", [True, False])
def test_a_device_at_ports_is_called_directly(driver: ctypes.CDLL, recorded: bool) -> None:
    """IN and OUT as loads and stores."""
    device = Scripted()
    with map_ports(PORT, 8, device, name="card") as ports:
        ports.trace.enabled = recorded
        for bits in WIDTHS[:3]:
            for value in range(10):
                getattr(driver, f"out{bits}")(PORT + 4, value)
                assert getattr(driver, f"in{bits}")(PORT + 4) == value
        assert device.direct == 60 - 12
        assert ports.stats.calls == 60 - 6
        seen = [(access.address, access.width, access.value) for access in ports.trace]
        expected = [(PORT + 4, bits // 8, value) for bits in WIDTHS[:3] for value in range(10) for _ in range(2)]
        assert seen == expected * recorded


def test_what_a_block_names_lives_as_long(driver: ctypes.CDLL) -> None:
    """A device that unmaps itself while it is called directly, and whose trace and method nothing else refers to."""

    class Going(Scripted):
        def read(self, offset: int, width: int) -> int:
            if len(self.by_frames) == 5:
                mappings.pop().close()
                gc.collect()
            return super().read(offset, width)

    mappings = [ioremap(Going())]
    address = mappings[0].address
    with ioremap(Scripted()):
        for _ in range(6):
            assert driver.read32(address) == 0


def test_a_trace_that_is_turned_on_later(driver: ctypes.CDLL) -> None:
    """What is recorded then has the names and numbers of its own site."""
    with ioremap(Scripted()) as mapping:
        driver.fill(mapping, 5)  # the first site of the trace
        mapping.trace.enabled = False
        driver.sum(mapping, 5)
        mapping.trace.enabled = True
        driver.sum(mapping, 5)
        assert [str(access.direction) for access in mapping.trace] == [*["2"] * 5, *["1"] * 5]
        mapping.trace.enabled = False
        driver.sum(mapping, 5)
        assert len(mapping.trace) == 10


def test_a_watchpoint_sees_every_access(driver: ctypes.CDLL) -> None:
    """Also of an instruction that has called the device directly before, and does again afterwards."""
    device = Scripted()
    with ioremap(device) as mapping:
        driver.sum(mapping, 5)
        with mapping.watch(0, 4, "access") as watch:
            driver.sum(mapping, 50)
            assert watch.total == 50
        before = device.direct
        driver.sum(mapping, 100)
        assert device.direct > before


STEPS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(WIDTHS), st.integers(0, 3)),
    st.tuples(st.just("write"), st.sampled_from(WIDTHS), st.integers(0, 3), st.integers(0, (1 << 64) - 1)),
    st.tuples(st.just("load"), st.sampled_from(VECTORS), st.integers(0, 3)),
    st.tuples(st.just("store"), st.sampled_from(VECTORS), st.integers(0, 3), st.integers(0, (1 << 128) - 1)),
    st.tuples(st.just("in"), st.sampled_from(WIDTHS[:3]), st.integers(0, 3)),
    st.tuples(st.just("out"), st.sampled_from(WIDTHS[:3]), st.integers(0, 3), st.integers(0, (1 << 32) - 1)),
    st.tuples(st.just("loop"), st.integers(2, 5), st.integers(0, 3)),
    st.tuples(
        st.just("next"),
        st.lists(
            st.sampled_from(
                ["value", "later", "hole", None, True, Level.HIGH, -1, 1 << 64, 300, ValueError, OSError, LookupError]
            ),
            min_size=1,
            max_size=3,
        ),
    ),
    st.tuples(st.sampled_from(["on", "off", "attach", "detach", "watch", "unwatch", "cover", "uncover", "exchange"])),
    st.tuples(st.sampled_from(["cover ports", "uncover ports", "exchange ports"])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=4, max_size=40))
@example(steps=[("exchange ports",), *[(way, bits, 1) for way in ("in", "read") for bits in (8, 16, 32)] * 3])
@example(steps=[("write", 64, 0, 7), ("exchange",), ("load", "aligned", 0), ("read", 64, 0), ("in", 32, 0)])
@example(steps=[("write", 64, 0, 7), ("next", [True]), ("read", 32, 0), ("attach",), *[("read", 32, 0)] * 3])
def test_all_ways_do_the_same(driver: ctypes.CDLL, steps: list[tuple[Any, ...]]) -> None:
    """Whatever changes between accesses: values, errors, records, watchpoints, and what comes after an access."""
    patching = _trap().patching
    outcomes = []
    for faults, only_frames in ((1 << 60, False), (1, True), (1, False)):
        patching.faults, patching.only_frames = faults, only_frames
        patching.met.clear()
        with Played(driver) as played:
            for step in steps:
                played.play(*step)
            outcomes.append(played.outcome())
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


class Played:
    """A mapping, and all that can be seen of what is done with it."""

    def __init__(self, driver: ctypes.CDLL) -> None:
        self.driver = driver
        self.devices = [Scripted(), Scripted()]
        self.said: list[str] = []
        self.sink: list[str] = []
        self.watch: Any = None
        self.cover: Any = None
        self.port_cover: Any = None

    def __enter__(self) -> "Played":
        self.mapping: Mapping = ioremap(self.devices[0], length=4096, unmapped="ones", name="card")
        self.trace: Trace = self.mapping.trace
        self.ports = map_ports(PORT, 32, self.devices[0], name="card", trace=self.trace)
        for bits in WIDTHS:  # by now each is called directly, where it can be
            for value in range(4):
                self.play("read", bits, 0)
                self.play("write", bits, 0, value)
                if bits < 64:
                    self.play("in", bits, 0)
                    self.play("out", bits, 0, value)
        for name in VECTORS * 4:
            self.play("load", name, 0)
            self.play("store", name, 0, 7)
        return self

    def __exit__(self, *error: object) -> None:
        if self.watch is not None:
            self.watch.close()
        if self.cover is not None:
            self.mapping.space.unmap(self.cover)
        if self.port_cover is not None:
            self.mapping.space.unmap(self.port_cover)
        self.ports.close()
        self.mapping.close()

    def play(self, what: str, *how: Any) -> None:
        """Do one step; note what comes of it."""
        try:
            result = getattr(self, f"do_{what}", self.change)(*how or (what,))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        self.said.append(f"{what}: {self._told(str(result))}")

    def do_read(self, bits: int, place: int) -> Any:
        return getattr(self.driver, f"read{bits}")(self.mapping.address + 0x100 + 8 * place)

    def do_write(self, bits: int, place: int, value: int) -> Any:
        getattr(self.driver, f"write{bits}")(self.mapping.address + 0x100 + 8 * place, value % (1 << bits))

    def do_load(self, name: str, place: int) -> Any:
        value = ctypes.create_string_buffer(16)
        getattr(self.driver, f"read_{name}")(self._vector_at(name, place), value)
        return value.raw.hex()

    def do_store(self, name: str, place: int, value: int) -> Any:
        getattr(self.driver, f"write_{name}")(self._vector_at(name, place), value.to_bytes(16, "little"))

    def _vector_at(self, name: str, place: int) -> int:
        return self.mapping.address + 0x100 + (16 if name == "aligned" else 7) * place

    def do_in(self, bits: int, place: int) -> Any:
        return getattr(self.driver, f"in{bits}")(PORT + 4 * place)

    def do_out(self, bits: int, place: int, value: int) -> Any:
        getattr(self.driver, f"out{bits}")(PORT + 4 * place, value % (1 << bits))

    def do_loop(self, times: int, place: int) -> Any:
        self.driver.fill(self.mapping.address + 0x100 + 8 * place, times)
        return self.driver.sum(self.mapping.address + 0x100 + 8 * place, times)

    def do_next(self, answers: list[Any]) -> None:
        self.devices[0].next = list(answers)

    def change(self, what: str) -> None:
        if what in ("on", "off"):
            self.trace.enabled = what == "on"
        elif what == "attach" and not self.trace._sinks:
            self.trace.attach(self)
        elif what == "detach" and self.trace._sinks:
            self.trace.detach(self)
        elif what == "watch" and self.watch is None:
            self.watch = self.mapping.watch(0x104, 8, "access")
        elif what == "unwatch" and self.watch is not None:
            self.said.append(f"{self.watch.total} hits")
            self.watch.close()
            self.watch = None
        elif what == "cover" and self.cover is None:
            self.cover = self.mapping.space.map(self.mapping.address + 0x108, 8, self.devices[1], "cover", priority=1)
        elif what == "uncover" and self.cover is not None:
            self.mapping.space.unmap(self.cover)
            self.cover = None
        elif what == "cover ports" and self.port_cover is None:
            self.port_cover = self.mapping.space.map_ports(PORT + 4, 8, self.devices[1], "cover", priority=1)
        elif what == "uncover ports" and self.port_cover is not None:
            self.mapping.space.unmap(self.port_cover)
            self.port_cover = None
        elif what == "exchange ports":
            self.mapping.space.ports.exchange(self.ports._regions[0], self.devices[1], self.devices[1])
        elif what == "exchange":
            self.devices.reverse()
            self.mapping.space.memory.exchange(self.mapping.region, self.devices[0], self.devices[0])

    def write(self, record: Any) -> None:
        """Receive a record, as a sink."""
        access = isinstance(record, Access)
        self.sink.append(self._told(str(evolve(record, time=0))) if access else type(record).__name__)

    def outcome(self) -> Any:
        """Return all that was seen, without times."""
        if self.watch is not None:
            self.said.append(f"{self.watch.total} hits")
        records = [str(evolve(access, time=0)) for access in self.trace]
        bytes_there = [bytes(device.data) for device in self.devices]
        later = [list(device.later) for device in self.devices]
        return self.said, [self._told(each) for each in records], self.sink, bytes_there, later

    def _told(self, text: str) -> str:
        base = self.mapping.address
        numbers = (int(each, 16) for each in re.findall(r"0x[0-9a-f]{8,}", text))
        for number in numbers:
            text = text.replace(f"{number:#x}", f"card+{number - base:#x}" if base <= number < base + 4096 else "…")
        return re.sub(r"\d+ ns|\d+\.\d+", "", text)


DISCARDED = """
import ctypes, sys, threading, time
import mmio
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.test_direct_calls import typed

class Card:
    length = 4096
    def read(self, offset, width):
        return 1
    def write(self, offset, width, value):
        pass

def work():
    while not stop:
        sums.append(driver.sum(mapping, 20))

_trap().patching.faults = 1
driver, stop, sums = typed(ctypes.CDLL(sys.argv[1])), [], []
sys.setswitchinterval(1e-6)
with mmio.ioremap(Card()) as mapping:
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        _trap()._direct.end_all()
        time.sleep(0.0002)
    stop.append(True)
    for thread in threads:
        thread.join()
    print(set(sums), len(mapping.trace) - 20 * len(sums))
"""


def test_blocks_are_discarded_while_threads_use_them(tmp_path: Path) -> None:
    """None is freed while a stub still finds it, whichever threads make and discard blocks of one instruction."""
    done = run_python(DISCARDED, str(build_c(DRIVER, tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "{20} 0\n", "")


def test_no_thread_is_left_inside(driver: ctypes.CDLL) -> None:
    """The count of threads in handlers is that before, whichever way an access has gone."""
    device = Scripted()
    with ioremap(device) as mapping:
        for answer in ["value"] * 4 + [True, "later", None, ValueError, "value", "value"]:
            device.next = [answer]
            with suppress(Exception):
                driver.read32(mapping)
            assert trampoline().words[INSIDE] == 0
