"""Native completion: the CPU does what the emulator does not, and no register or memory tells the difference."""

import ctypes
import random
import signal
import struct
import threading
from collections.abc import Iterator
from ctypes import CDLL, c_long, create_string_buffer
from pathlib import Path

import pytest

from decode import decode
from emulate import UnsupportedInstruction, is_supported
from emulate.flags import undefined
from mmio.inprocess import Mapping, ioremap
from mmio.inprocess.mapping import _trap
from mmio.live import out_of_line
from mmio.live.instruction_cache import CachedInstruction, InstructionCache
from mmio.live.own_slots import own_slots
from mmio.records.flags import NATIVE
from tests.mmio.inprocess.execute import Executor, harmless
from tests.mmio.inprocess.forms import PLACE, registers, suitable
from tests.mmio.inprocess.models import Bytes
from tests.native import build_c, compile_c, run_python

ADDPS = bytes.fromhex("0f5806")  # addps xmm0,[rsi]
VPADDD = bytes.fromhex("62f17549fe06")  # vpaddd zmm0{k1},zmm1,[rsi]
VCVTPS2PH = bytes.fromhex("c4e3791d0600")  # vcvtps2ph [rsi],xmm0,0
VCVTPS2PH_MASKED = bytes.fromhex("62f37d491d0600")  # vcvtps2ph [rsi]{k1},zmm0,0


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    return Executor(tmp_path_factory.mktemp("execute"))


@pytest.fixture
def device() -> Bytes:
    return Bytes(4096)


@pytest.fixture
def mapping(device: Bytes) -> Iterator[Mapping]:
    with ioremap(device, widths=(1, 2, 4, 8, 16, 32, 64)) as mapping:
        yield mapping


@pytest.fixture(params=["usual", "native"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The usual route, or native completion also of what the emulator does."""
    known = _trap()._instructions
    if request.param == "native":

        def natively(instructions: InstructionCache, code: bytes) -> CachedInstruction:
            instruction = decode(code)
            return CachedInstruction(instruction, out_of_line.completion(UnsupportedInstruction(instruction)))

        monkeypatch.setattr(InstructionCache, "_compiled", natively)
        known._cache.clear()
    yield request.param
    known._cache.clear()


@pytest.mark.parametrize(
    "encoding",
    [
        "legacy",
        pytest.param("vex", marks=pytest.mark.cpu("AVX")),
        pytest.param("evex", marks=pytest.mark.cpu("AVX512F")),
    ],
)
def test_every_form_is_as_on_memory(executor: Executor, encoding: str, route: str) -> None:
    """Every form leaves the same registers, flags and bytes on a device as on memory, emulated or native."""
    contents = harmless(random.Random(1), 4096)
    buffer = create_string_buffer(8192)
    memory = (ctypes.c_char * 4096).from_address(ctypes.addressof(buffer) + 4095 & -4096)
    device = Bytes(4096)
    natively = before = 0
    wrong = []
    with ioremap(device) as mapping:
        for form in suitable():
            if form.encoding != encoding:
                continue
            code, given = form.examples[64], registers(form)
            memory.raw, device.data[:] = contents, contents
            expected = executor.run(code, rsi=ctypes.addressof(memory) + PLACE, **given)
            seen = executor.run(code, rsi=mapping.address + PLACE, **given)
            if seen.general["rsi"] == mapping.address + PLACE:
                seen.general["rsi"] = expected.general["rsi"]
            for state in (seen, expected):
                state.flags &= ~undefined(decode(code), given.get("rcx", 0) & 0xFF)
            if seen != expected or device.data != memory.raw:
                wrong.append(form.name)
            made, before = len(mapping.trace) - before, len(mapping.trace)
            marked = made > 0 and bool(mapping.trace[-1].flags & NATIVE)
            emulated = route == "usual" and is_supported(decode(code))
            assert marked != (emulated or not made), form.name
            natively += marked
    assert wrong == []
    assert natively > 50


def accesses(mapping: Mapping) -> list[tuple[str, int | None, int, int]]:
    """What the trace says: direction, offset, width, flags."""
    return [(access.direction.name, access.offset, access.width, access.flags) for access in mapping.trace]


def test_a_load_is_one_record(executor: Executor, mapping: Mapping, device: Bytes) -> None:
    """A load is read from the device once, at its width; the record says that it was native and which instruction."""
    executor.run(ADDPS, rsi=mapping.address)
    assert accesses(mapping) == [("READ", 0, 16, NATIVE)]
    assert device.log == [("r", 0, 16)]
    assert mapping.trace[0].ip == executor.ip
    assert mapping.trace[0].instruction is not None
    assert mapping.trace[0].instruction.mnemonic == "addps"


@pytest.mark.cpu("F16C")
def test_a_store_is_one_record(executor: Executor, mapping: Mapping, device: Bytes) -> None:
    """A store is written once, at its width, and never read."""
    executor.run(VCVTPS2PH, rsi=mapping.address + 7)
    assert accesses(mapping) == [("WRITE", 7, 8, NATIVE)]
    assert [line[:3] for line in device.log] == [("w", 7, 8)]
    assert mapping.trace[0].ip == executor.ip


@pytest.mark.cpu("AVX512F")
def test_masked_elements_are_not_touched(executor: Executor, mapping: Mapping) -> None:
    """Of a masked operand only the chosen elements are read or written."""
    executor.run(VPADDD, rsi=mapping.address, k1=0b1000_0000_0000_0101)
    executor.run(VCVTPS2PH_MASKED, rsi=mapping.address, k1=0b0100_0000_0000_0010)
    reads = [("READ", 4 * element, 4, NATIVE) for element in (0, 2, 15)]
    assert accesses(mapping) == [*reads, ("WRITE", 2, 2, NATIVE), ("WRITE", 28, 2, NATIVE)]


def test_policy_applies(executor: Executor) -> None:
    """The mapping's policy splits what is too wide for the device, natively as usual."""
    with ioremap(Bytes(4096)) as mapping:
        executor.run(ADDPS, rsi=mapping.address)
        assert [access.width for access in mapping.trace] == [8, 8]
        assert all(access.flags & NATIVE for access in mapping.trace)


def test_the_mark_is_of_one_access(executor: Executor, mapping: Mapping) -> None:
    """An access that is emulated is no native one, though one came before it."""
    executor.run(ADDPS, rsi=mapping.address)
    executor.run(bytes.fromhex("8b06"), rsi=mapping.address)  # mov eax,[rsi]
    assert accesses(mapping) == [("READ", 0, 16, NATIVE), ("READ", 0, 4, 0)]


def test_a_copy_whose_device_failed_is_free(driver: CDLL) -> None:
    """An exception of the model leaves no copy in use."""

    class Broken(Bytes):
        def read(self, offset: int, width: int) -> int:
            raise KeyError("broken")

    with ioremap(Broken(4096)) as mapping:
        for _ in range(3):
            with pytest.raises(KeyError):
                driver.load(mapping)
    slots = [slot for block in own_slots()._blocks.values() for slot in block]
    assert slots
    assert all(map(own_slots()._is_free, slots))


@pytest.mark.cpu("F16C")
def test_exception_of_the_model(driver: CDLL) -> None:
    """What the device raises comes out of the call, from a load and from a store; after that all is well."""

    class Moody(Bytes):
        mood: Exception | None = None

        def read(self, offset: int, width: int) -> int:
            if self.mood:
                raise self.mood
            return super().read(offset, width)

        def write(self, offset: int, width: int, value: int) -> None:
            if self.mood:
                raise self.mood
            super().write(offset, width, value)

    device = Moody(4096)
    with ioremap(device) as mapping:
        for function in (driver.load, driver.store):
            for _ in range(20):
                device.mood = KeyError("moody")
                with pytest.raises(KeyError):
                    function(mapping)
                device.mood = None
                assert function(mapping) == 1


@pytest.mark.cpu("F16C")
def test_reentrance(driver: CDLL) -> None:
    """A model may, while it is asked, run the very instruction that asked it, on another device."""

    class Relay(Bytes):
        def read(self, offset: int, width: int) -> int:
            driver.load(inner)
            return super().read(offset, width)

        def write(self, offset: int, width: int, value: int) -> None:
            driver.store(inner)
            super().write(offset, width, value)

    with ioremap(Bytes(64)) as inner, ioremap(Relay(64)) as outer:
        for _ in range(5):
            assert driver.load(outer) == driver.store(outer) == 1
        assert len(inner.trace) == 5 * (2 * 2 + 1)


def test_the_same_bytes_elsewhere(driver: CDLL) -> None:
    """An instruction of the same bytes that a model runs meanwhile continues at its place, and so does the first."""

    class Relay(Bytes):
        def read(self, offset: int, width: int) -> int:
            assert driver.load_elsewhere(inner) == 2
            return super().read(offset, width)

    with ioremap(Bytes(64)) as inner, ioremap(Relay(64)) as outer:
        assert driver.load(outer) == 1
        assert inner.trace[0].code == outer.trace[0].code
        assert inner.trace[0].ip != outer.trace[0].ip


def test_threads(driver: CDLL) -> None:
    """Threads that complete the same instruction at once do not get each other's operands."""
    wrong: list[float] = []

    def work(value: float) -> None:
        device = Bytes(4096, struct.pack("<4f", value, value, value, value))
        with ioremap(device) as mapping:
            total = driver.many(mapping, c_long(300))
            if total != 300 * value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(float(value),)) for value in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_misalignment_faults_as_on_memory(tmp_path: Path) -> None:
    """An SSE operand that must be aligned and is not crashes the driver, at the driver's own instruction."""
    program = """
import faulthandler, sys
from ctypes import CDLL
from mmio.inprocess import ioremap
from tests.mmio.inprocess.forms import PLACE, needed_features, registers, suitable
from tests.mmio.inprocess.models import Bytes
faulthandler.enable()
driver = CDLL(sys.argv[1])
with ioremap(Bytes(4096)) as mapping:
    driver.misaligned(mapping)
"""
    done = run_python(program, str(build_c(DRIVER, tmp_path, *FLAGS)))
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr


def test_floating_point_exception(driver: CDLL) -> None:
    """A floating-point exception reaches the program's handler at the program's instruction, not at its copy."""
    driver.install()
    try:
        with ioremap(Bytes(4096)) as mapping:  # zeros
            for _ in range(3):
                assert driver.caught(mapping) == signal.SIGFPE
                assert list((c_long * 2).in_dll(driver, "where")) == [0, 0]
            assert driver.load(mapping) == 1
    finally:
        driver.uninstall()


@pytest.mark.cpu("XSAVE")
def test_what_cannot_be_moved_is_refused(driver: CDLL, mapping: Mapping) -> None:
    """What has no single operand of a known width is an error that names the instruction, before anything happened."""
    with pytest.raises(UnsupportedInstruction, match="xsave"):
        driver.block(mapping)
    assert accesses(mapping) == []


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    library = compile_c(DRIVER, tmp_path, *FLAGS)
    library.many.restype = ctypes.c_float
    return library


FLAGS = ("-mf16c", "-lm")
DRIVER = r"""
#define _GNU_SOURCE
#include <fenv.h>
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>
static __m128 sum;
int load(void *p) {
    __asm__ volatile("addps (%1),%0" : "+x"(sum) : "r"(p));
    return 1;
}
int load_elsewhere(void *p) {
    __asm__ volatile("addps (%1),%0" : "+x"(sum) : "r"(p));
    return 2;
}
int store(void *p) {
    __asm__ volatile("vcvtps2ph $0,%0,(%1)" :: "x"(sum), "r"(p) : "memory");
    return 1;
}
int block(void *p) {
    __asm__ volatile("xsave (%0)" :: "r"(p), "a"(3), "d"(0) : "memory");
    return 1;
}
int misaligned(void *p) {
    __asm__ volatile("addps 4(%1),%0" : "+x"(sum) : "r"(p));
    return 1;
}
float many(void *p, long times) {
    __m128 total = _mm_setzero_ps();
    for (long i = 0; i < times; i++) __asm__ volatile("addps (%1),%0" : "+x"(total) : "r"(p));
    return total[3];
}
long where[2];
static sigjmp_buf back;
extern char division __attribute__((visibility("hidden")));
static void on_fpe(int number, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    where[0] = (char *)info->si_addr - &division;
    where[1] = (char *)uc->uc_mcontext.gregs[REG_RIP] - &division;
    siglongjmp(back, number);
}
static struct sigaction old;
void install(void) {
    struct sigaction action = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
    sigaction(SIGFPE, &action, &old);
}
void uninstall(void) { sigaction(SIGFPE, &old, 0); }
int caught(void *p) {
    __m128 x = _mm_set1_ps(1);
    int number = sigsetjmp(back, 1);
    if (!number) {
        feenableexcept(FE_DIVBYZERO);
        __asm__ volatile(".globl division; division: divps (%1),%0" : "+x"(x) : "r"(p));
    }
    feclearexcept(FE_ALL_EXCEPT);
    fedisableexcept(FE_ALL_EXCEPT);
    return number;
}
"""
