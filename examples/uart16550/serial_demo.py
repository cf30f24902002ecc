"""A C driver talks through a 16550 that is Python, by interrupts. What was said is read back from the trace.

    python serial_demo.py [--stride 4 | --ports] [--accesses] [--out DIRECTORY]

The registers are in memory, 4 bytes apart, or at IO ports 0x3f8 as on a PC: the same model, the same driver. Exit
status 0 when both ends got every byte.
"""

import argparse
import sys
from pathlib import Path

from serial_driver import Driver, build, load
from uart import FIFO, FRAMING, Uart

import mmio

sys.path.append(str(Path(__file__).parents[1] / "protocols"))
from uart16550 import decode  # what turns accesses into bytes on the line

COM1 = 0x3F8
QUESTION = b"AT+GMR\r\n"
ANSWER = b"Tern modem, version 3\r\nOK\r\n"


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a C serial port driver against a 16550 written in Python.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--stride", type=int, default=4, help="distance of the registers in bytes (default: %(default)s)"
    )
    where.add_argument("--ports", action="store_true", help="at IO ports instead")
    parser.add_argument("--accesses", action="store_true", help="print every access, too")
    parser.add_argument(
        "--out",
        metavar="DIRECTORY",
        type=Path,
        default=Path(__file__).parent / "build",
        help="for the compiled driver and the trace (default: %(default)s)",
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    library = load(build(options.out))

    uart = Uart()
    stride = 1 if options.ports else options.stride
    mapped: mmio.inprocess.mapping.Ports
    if options.ports:
        mapped = mmio.map_ports(COM1, 8, uart, name="serial")
        driver = Driver(library, port=COM1)
    else:
        mapped = mapping = mmio.ioremap(mmio.Spaced(uart, stride), name="serial")
        driver = Driver(library, base=mapping, stride=stride)
    with mapped:
        heard = converse(driver, uart, mapped.trace)
        stats = driver.stats()
        driver.close()

    if options.accesses:
        print(mapped.trace)
    print("what went over the line, by the accesses alone:")
    for event in decode(mapped.trace, stride):
        print(f"  {event.kind:8}  {event.text.decode('latin-1')!r}")
    print("what the driver counted: " + ", ".join(f"{name} {count}" for name, count in stats.items()))
    mmio.save(mapped.trace, options.out / "serial.jsonl")
    print(f"{len(mapped.trace)} accesses: {options.out / 'serial.jsonl'}")
    if (bytes(uart.sent), heard) != (QUESTION, ANSWER):
        print(f"FAILED: the wire got {bytes(uart.sent)!r}, the driver {heard!r}")
        return 1
    print("both ends got every byte")
    return 0


def converse(driver: Driver, uart: Uart, trace: mmio.Trace) -> bytes:
    """Ask, answer, and make some noise; return what the driver heard."""
    trace.mark("find the port, test it in a loop, set it up")
    print(f"the driver finds a {driver.probe()}")
    driver.open(115200)
    interrupt = mmio.Interrupt(uart.irq, driver.irq)
    trace.mark("send: the transmitter's interrupts take the bytes")
    driver.write(QUESTION)
    trace.mark("receive: the FIFO fills up to its trigger level, the rest comes by the timeout")
    for at in range(0, len(ANSWER), FIFO):
        uart.receive(ANSWER[at : at + FIFO])
    heard = driver.read()
    trace.mark("noise: a framing error, and more than the FIFO holds while interrupts are disabled")
    with interrupt.disabled():
        uart.receive(b"?", FRAMING)
        uart.receive(b"!" * FIFO)
    driver.read()
    return heard


if __name__ == "__main__":
    sys.exit(main())
