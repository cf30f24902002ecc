"""The 16550: the model against its datasheet, the driver against the model, the demo as a user runs it."""

import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from tests.needs import need

TOP = Path(__file__).parents[2]
UART = TOP / "examples" / "uart16550"
RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
THR, DLL, DLM, FCR = RBR, RBR, IER, IIR

# The driver is compiled once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("uart16550")


def example(name: str) -> Any:
    """Import a module of the example, as its own scripts do."""
    sys.path.insert(0, str(UART))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(UART))


@pytest.fixture
def uart() -> Any:
    return example("uart").Uart()


def put(uart: Any, *writes: tuple[int, int]) -> None:
    """Write bytes to registers."""
    for offset, value in writes:
        uart.write(offset, 1, value)


# The model.


def test_after_power_on(uart: Any) -> None:
    """Every register is as the datasheet's table has it: transmitter empty, no interrupt pending, the rest zero."""
    assert [uart.read(offset, 1) for offset in range(8)] == [0, 0, 1, 0, 0, 0x60, 0, 0]
    assert not uart.irq.level


def test_the_divisor_stands_behind_dlab(uart: Any) -> None:
    """It keeps its value while the data registers are in front, and takes no characters."""
    put(uart, (LCR, 0x83), (DLL, 0x0C), (DLM, 0x01), (LCR, 0x03), (THR, 0x41), (IER, 5))
    assert (uart.dll.value, uart.dlm.value, uart.ier.value, bytes(uart.sent)) == (0x0C, 1, 5, b"A")
    put(uart, (LCR, 0x83))
    assert (uart.read(DLL, 1), uart.read(DLM, 1)) == (0x0C, 1)


@pytest.mark.parametrize(("lcr", "sent"), [(0, 0x1F), (1, 0x3F), (2, 0x7F), (3, 0xFF)])
def test_a_character_has_the_bits_of_its_word_length(uart: Any, lcr: int, sent: int) -> None:
    """The others never reach the line."""
    put(uart, (LCR, lcr), (THR, 0xFF))
    assert uart.sent == bytes([sent])


@pytest.mark.parametrize(("register", "kept"), [(IER, 0x0F), (MCR, 0x1F), (SCR, 0xFF), (LCR, 0xFF)])
def test_bits_that_are_not_there_read_as_zero(uart: Any, register: int, kept: int) -> None:
    """Whatever is written."""
    put(uart, (register, 0xFF))
    uart.lcr.DLAB = 0
    assert uart.read(register, 1) == kept & (0x7F if register == LCR else 0xFF)


@pytest.mark.parametrize(("setting", "level"), [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)])
def test_the_fifo_interrupts_at_its_trigger_level(uart: Any, setting: int, level: int) -> None:
    """Below it only the timeout does, when the line has been idle; reading ends both."""
    put(uart, (FCR, setting), (IER, 1))
    uart.receive(bytes(level - 1))
    assert uart.read(IIR, 1) == (0xC1 if level == 1 else 0xCC)
    uart.receive(b"\0")
    assert uart.read(IIR, 1) == 0xC4
    uart.read(RBR, 1)
    assert (uart.read(IIR, 1), uart.irq.level) == (0xC1, False)


def test_an_overrun_spares_the_fifo(uart: Any) -> None:
    """The seventeenth character is lost, LSR says so once."""
    put(uart, (FCR, 1))
    uart.receive(bytes(range(17)))
    assert (uart.read(LSR, 1), uart.read(LSR, 1)) == (0x63, 0x61)
    assert [uart.read(RBR, 1) for _ in range(16)] == list(range(16))
    assert uart.read(LSR, 1) == 0x60


def test_an_overrun_without_fifo_overwrites(uart: Any) -> None:
    """The holding register has the newest."""
    put(uart, (LCR, 3))
    uart.receive(b"AB")
    assert (uart.read(LSR, 1), uart.read(RBR, 1)) == (0x63, 0x42)


def test_errors_belong_to_their_character(uart: Any) -> None:
    """They show when it is the next to be read; until then only the FIFO's own bit tells."""
    put(uart, (FCR, 1))
    uart.receive(b"A")
    uart.receive(b"B", example("uart").PARITY)
    assert uart.read(LSR, 1) == 0xE1
    uart.read(RBR, 1)
    assert uart.read(LSR, 1) == 0xE5
    assert uart.read(LSR, 1) == 0x61


def test_the_most_urgent_source_is_named(uart: Any) -> None:
    """Line status, data, transmitter, modem: each shows when those before it are dealt with."""
    put(uart, (IER, 0x0F))
    uart.modem(cts=True)
    uart.receive(b"A", example("uart").FRAMING)
    assert uart.read(IIR, 1) == 0x06
    uart.read(LSR, 1)
    assert uart.read(IIR, 1) == 0x04
    uart.read(RBR, 1)
    assert uart.read(IIR, 1) == 0x02
    assert uart.read(IIR, 1) == 0x00
    assert uart.read(MSR, 1) == 0x11
    assert (uart.read(IIR, 1), uart.irq.level) == (0x01, False)


def test_enabling_the_transmitter_s_interrupt_brings_one(uart: Any) -> None:
    """If it is empty; reading IIR, or giving it a character, ends it."""
    put(uart, (IER, 2))
    assert uart.irq.level
    assert (uart.read(IIR, 1), uart.read(IIR, 1)) == (2, 1)
    uart.blocked = True
    put(uart, (IER, 0), (IER, 2), (THR, 0x41))
    assert not uart.irq.level
    uart.blocked = False
    assert uart.irq.level


def test_a_blocked_line_fills_the_transmitter(uart: Any) -> None:
    """LSR says so, and resetting the FIFO throws away what waited."""
    put(uart, (FCR, 1))
    uart.blocked = True
    put(uart, *[(THR, 0x41)] * 16)
    assert (uart.read(LSR, 1), bytes(uart.sent)) == (0x00, b"")
    put(uart, (FCR, 5))
    uart.blocked = False
    assert (uart.read(LSR, 1), bytes(uart.sent)) == (0x60, b"")


def test_switching_the_fifos_empties_them(uart: Any) -> None:
    """In both directions, on and off; the other bits of FCR count only beside ENABLE."""
    uart.receive(b"A")
    put(uart, (FCR, 0xC1))
    assert uart.read(LSR, 1) == 0x60
    uart.receive(b"A")
    put(uart, (FCR, 0xC0))
    assert (uart.read(LSR, 1), uart.read(IIR, 1), uart.fcr.value) == (0x60, 0x01, 0)


def test_a_loop_is_closed(uart: Any) -> None:
    """What is sent is received and nothing leaves; outputs are inputs; the world outside is not heard."""
    uart.modem(dsr=True)
    put(uart, (MCR, 0x1A), (LCR, 3), (THR, 0x5A))
    uart.receive(b"X")
    uart.modem(ri=True)
    assert (uart.read(MSR, 1) & 0xF0, uart.read(RBR, 1), bytes(uart.sent)) == (0x90, 0x5A, b"")
    put(uart, (LCR, 0x43))
    assert (uart.read(LSR, 1), uart.read(RBR, 1)) == (0x79, 0)


def test_modem_changes_are_told_once(uart: Any) -> None:
    """Of RI only the end of a ring."""
    uart.modem(ri=True, dcd=True)
    assert (uart.read(MSR, 1), uart.read(MSR, 1)) == (0xC8, 0xC0)
    uart.modem(dcd=True)
    assert uart.read(MSR, 1) == 0x84


def test_reset_spares_what_the_datasheet_spares(uart: Any) -> None:
    """The divisor and the scratch register keep their values."""
    put(uart, (LCR, 0x80), (DLL, 7), (LCR, 0), (SCR, 9), (FCR, 1), (IER, 15))
    uart.receive(b"A")
    uart.reset()
    assert (uart.dll.value, uart.scr.value) == (7, 9)
    assert [uart.read(offset, 1) for offset in range(7)] == [0, 0, 1, 0, 0, 0x60, 0]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 255)), max_size=40))
def test_a_restored_uart_goes_on_the_same(actions: list[tuple[int, int]]) -> None:
    """A snapshot, through JSON, holds everything a driver could notice."""
    first, second = example("uart").Uart(), example("uart").Uart()
    half = len(actions) // 2
    for action in actions[:half]:
        _act(first, action)
    second.restore(json.loads(json.dumps(first.snapshot())))
    second.sent[:] = first.sent
    assert [_act(second, action) for action in actions[half:]] == [_act(first, action) for action in actions[half:]]
    assert (second.snapshot(), second.sent) == (first.snapshot(), first.sent)


def _act(uart: Any, action: tuple[int, int]) -> object:
    """Do one of the things a driver or the wire can do; return all that can be seen of it."""
    kind, value = action
    if kind < 8:
        uart.write(kind, 1, value)
    elif kind < 14:
        return uart.read(kind - 8, 1), uart.irq.level
    elif kind == 14:
        uart.receive(bytes([value]), value & 0x1C)
    else:
        uart.blocked = bool(value & 1)
    return uart.irq.level


# The driver.


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    need(shutil.which(os.environ.get("CC", "cc")), "a C compiler (apt-get install gcc libc6-dev)")
    driver = example("serial_driver")
    return driver.load(driver.build(tmp_path_factory.mktemp("uart16550")))


@pytest.fixture(params=["stride 1", "stride 4", "ports"])
def attached(request: pytest.FixtureRequest, library: Any, uart: Any) -> "Iterator[tuple[Any, mmio.Trace]]":
    """The driver at each kind of place, and the trace."""
    driver = example("serial_driver").Driver
    if request.param == "ports":
        with mmio.map_ports(0x2F8, 8, uart, name="serial") as ports:
            yield driver(library, port=0x2F8), ports.trace
    else:
        stride = int(request.param[-1])
        with mmio.ioremap(mmio.Spaced(uart, stride), name="serial") as mapping:
            yield driver(library, base=mapping, stride=stride), mapping.trace


def test_the_driver_finds_a_16550a(attached: Any, uart: Any) -> None:
    """And leaves everything as it was."""
    driver, _ = attached
    put(uart, (MCR, 3), (IER, 0))
    assert driver.probe() == "16550A"
    assert (uart.mcr.value, uart.ier.value, uart.fcr.value) == (3, 0, 0)


def test_opening_sets_the_line(attached: Any) -> None:
    """The divisor and the format are written one byte each, to registers the trace names."""
    driver, trace = attached
    driver.open(9600)
    setting = [access for access in trace if access.register in ("LCR", "DLL", "DLM", "FCR") and access.writes]
    assert [(access.register, access.value, access.width) for access in setting[2:]] == [
        ("LCR", 0x83, 1),
        ("DLL", 12, 1),
        ("DLM", 0, 1),
        ("LCR", 0x03, 1),
        ("FCR", 0x87, 1),
    ]


def test_bytes_go_both_ways_by_interrupts(attached: Any, uart: Any) -> None:
    """The handler, in C, is called from inside the driver's own accesses, and from outside of it."""
    driver, _ = attached
    driver.open()
    interrupt = mmio.Interrupt(uart.irq, driver.irq)
    assert driver.write(bytes(range(200))) == 200
    assert uart.sent == bytes(range(200))
    for at in range(0, 100, 10):
        uart.receive(bytes(range(at, at + 10)))
    assert driver.read() == bytes(range(100))
    assert interrupt.calls == driver.stats()["interrupts"] > 10
    driver.close()
    uart.receive(b"too late")
    assert not uart.irq.level


def test_the_driver_counts_what_goes_wrong(attached: Any, uart: Any) -> None:
    """Overruns, damaged characters, and those never fetched."""
    driver, _ = attached
    driver.open()
    interrupt = mmio.Interrupt(uart.irq, driver.irq)
    with interrupt.disabled():
        uart.receive(b"?", example("uart").FRAMING)
        uart.receive(bytes(16))
    for _ in range(16):
        uart.receive(bytes(16))
    stats = driver.stats()
    assert (stats["overruns"], stats["errors"], stats["received"], stats["dropped"]) == (1, 1, 255, 17)


def test_the_ring_holds_what_a_blocked_line_does_not_take(attached: Any, uart: Any) -> None:
    """uart_write takes what there is room for and continues when the line does."""
    driver, _ = attached
    driver.open()
    uart.blocked = True
    interrupt = mmio.Interrupt(uart.irq, driver.irq)
    text = bytes(range(256)) * 2
    taken = driver.write(text)
    while taken < len(text):
        uart.blocked = False
        uart.blocked = True
        taken += driver.write(text[taken:])
    uart.blocked = False
    assert uart.sent == text
    assert interrupt.calls > 2


class Dead:
    """Nothing there: the bus floats high."""

    def read(self, offset: int, width: int) -> int:
        return 0xFF

    def write(self, offset: int, width: int, value: int) -> None:
        pass


def _deaf(uart: Any) -> Any:
    """Return a UART that never receives."""

    class Deaf(uart.Uart):  # type: ignore[misc]
        def _arrive(self, character: int, errors: int) -> None:
            pass

    return Deaf()


def _old(uart: Any) -> Any:
    """Return a 16450: no FIFOs."""

    class Old(uart.Uart):  # type: ignore[misc]
        def _control_fifos(self, old: int, new: int) -> None:
            self.fcr.value = 0

    return Old()


@pytest.mark.parametrize(
    ("make", "kind", "error"),
    [
        (lambda uart: Dead(), "none", errno.ENODEV),
        (_deaf, "16550A", errno.EIO),
        (_old, "16450", 0),
    ],
    ids=["nothing there", "deaf", "no FIFO"],
)
def test_the_driver_knows_what_it_has(make: Callable[[Any], Any], kind: str, error: int, library: Any) -> None:
    """A port that is not there, one that does not hear itself, and an older one."""
    with mmio.ioremap(make(example("uart")), length=8) as mapping:
        driver = example("serial_driver").Driver(library, base=mapping)
        assert driver.probe() == kind
        if error:
            with pytest.raises(OSError, match="uart_open") as failure:
                driver.open()
            assert failure.value.errno == error
        else:
            driver.open()


@pytest.mark.parametrize("baud", [0, 4_000_000_000])
def test_a_speed_without_divisor_is_refused(attached: Any, baud: int) -> None:
    """Before the port is touched."""
    driver, trace = attached
    with pytest.raises(OSError, match="uart_open") as failure:
        driver.open(baud)
    assert (failure.value.errno, len(trace)) == (errno.EINVAL, 0)


# Both, as a user runs them.


@pytest.mark.parametrize("where", [["--stride", "4"], ["--stride", "1"], ["--ports", "--accesses"]])
def test_the_demo_prints_what_went_over_the_line(where: list[str], library: Any, tmp_path: Path) -> None:
    """The transcript says what went over the line, wherever the registers are."""
    command: list[str | Path] = [sys.executable, UART / "serial_demo.py", "--out", tmp_path, *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "the driver finds a 16550A" in done.stdout
    assert "line      '115200 8N1'" in done.stdout
    assert "sent      'AT+GMR\\r\\n'" in done.stdout
    assert "received  'Tern modem, version 3\\r\\nOK\\r\\n?" in done.stdout
    assert ("serial.THR" in done.stdout) == ("--accesses" in where)


def test_a_program_at_ports(library: Any, tmp_path: Path) -> None:
    """`pagetrap run` gives an unmodified program a COM1 that is Python; the protocol layer reads the trace."""
    program, trace = tmp_path / "hello", tmp_path / "hello.jsonl"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-o", program, UART / "hello.c", UART / "uart16550.c"], check=True)
    device = f"{UART / 'uart.py'}:Uart@ports:0x3f8+8"
    run: list[str | Path] = [sys.executable, "-m", "mmio", "run", "-o", trace, "--device", device, "--", program]
    done = subprocess.run(run, capture_output=True, text=True, cwd=TOP, check=False)
    assert (done.returncode, done.stdout) == (0, "0x3f8: a 16550A\n"), done.stderr
    layer: list[str | Path] = [sys.executable, TOP / "examples" / "protocols" / "uart16550.py", trace]
    said = subprocess.run(layer, capture_output=True, text=True, cwd=TOP, check=True)
    assert said.stdout.startswith("line     b'9600 8N1'\n")
    assert said.stdout.endswith("sent     b'hello, line\\r\\n'\n")


def test_a_program_that_maps_it(tmp_path: Path) -> None:
    """On a 32-bit bus, where /dev/mem would have it: a register for reads and one for writes at one offset."""
    need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    device = f"{UART / 'uart.py'}:Uart32@/dev/mem:0xfe000000+0x20"
    seen = []
    for command in (["md", "-l", "0xfe000008+4"], ["mw", "-b", "0xfe000008", "0x01"]):
        run = [sys.executable, "-m", "mmio", "run", "-o", "run.jsonl", "--device", device, "--", "memtool", *command]
        subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=True)
        seen += list(mmio.open_trace(tmp_path / "run.jsonl").load())
        (tmp_path / "run.jsonl").unlink()
    assert [mmio.notation(access) for access in seen] == ["R4 IIR=0x1", "W1 FCR=0x1"]


EARLY = "finds or sends or closes or it_receives and not trigger"


@pytest.mark.parametrize(
    ("flags", "options", "status", "lines"),
    [
        ("", ["--mmio-cov-fail-under=70"], 0, ["7 passed"]),
        ("-DBUG_FRAMING", ["-k", EARLY], 0, ["4 passed", "ID=LINE, ID=DATA", "FE 0->1"]),
        ("-DBUG_FRAMING", [], 1, ["FAILED test_driver.py::test_it_counts_damaged_characters", "1 failed, 6 passed"]),
    ],
    ids=["all", "early", "planted"],
)
def test_coverage_says_where_the_planted_mistake_is(
    flags: str, options: list[str], status: int, lines: list[str]
) -> None:
    """The first tests pass with it and have not been there; those that the report asked for find it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--mmio-cov=Uart"]
    environment = {**os.environ, "UART_FLAGS": flags}
    done = subprocess.run(
        [*command, *options, "test_driver.py"], cwd=UART, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout
    for line in lines:
        assert line in done.stdout
