"""A C driver brings up a network card. The card is Python, and every access the driver makes is on your screen.

    python demo.py [--out DIRECTORY]

The driver is an ordinary shared library that is unchanged. It gets a pointer whose pages are absent; each load
and store it makes there is decoded, performed on the model in card.py, and recorded: which register, how wide, which
value, which instruction. Exit status 0 when every frame arrived as it was sent.
"""

import argparse
import ctypes
import sys
from pathlib import Path

from card import Card
from driver import SOURCES, Driver, build, load
from screen import Screen

import mmio
from mmio.pictures.timeline import draw

BROADCAST = b"\xff" * 6
EXPERIMENT = b"\x88\xb5"  # an EtherType for local experiments (IEEE 802)
SHORT = b"Hello, card!"
LONG = bytes(range(256)) * 4
MIN_FRAME = 60  # Ethernet pads shorter ones with zeros


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a C network card driver against a card written in Python.")
    parser.add_argument(
        "--out",
        metavar="DIRECTORY",
        type=Path,
        default=Path(__file__).parent / "build",
        help="for the compiled driver, the traces and the picture (default: %(default)s)",
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    library = load(build(out))
    symbols = mmio.Symbols()
    for function in (library.nic_open, ctypes.CDLL(None).memcpy):
        symbols.locate(ctypes.cast(function, ctypes.c_void_p).value or 0)  # now, since reading a file takes its time
    screen = Screen(symbols, SOURCES[0])
    trace = mmio.Trace(locate=symbols.locate)

    card = Card()
    paths = [out / "demo.mmiotrace", out / "demo.jsonl"]
    with (
        mmio.writer(paths[0]) as log,
        mmio.writer(paths[1]) as lines,
        mmio.ioremap(card, length=0x2000, name="nic", trace=trace) as mapping,
    ):
        for sink in (screen, log, lines):
            mapping.trace.attach(sink)
        screen.text(f"The driver, ordinary C, is given a pointer: {mapping.address:#x}. No card is there.", "bold")
        sent, received, stats = drive(library, mapping, card)

    screen.heading("what the driver did to each register")
    screen.text(mapping.trace.summary().table(resolve=screen.place))
    screen.heading("what came of it")
    screen.text(", ".join(f"{name} {count}" for name, count in stats.items()))
    try:
        draw(mapping.trace, out / "demo.png")
        paths.append(out / "demo.png")
    except ImportError as error:
        screen.text(f"no picture: {error}")
    screen.text(f"{len(mapping.trace)} accesses: {', '.join(map(str, paths))}")
    if not arrived(sent, card.sent, received):
        screen.text("FAILED: a frame did not arrive as it was sent", "bold red")
        return 1
    screen.text(f"{len(sent)} frames sent, {len(received)} received, every byte as it should be", "bold green")
    return 0


def drive(library: ctypes.CDLL, mapping: mmio.Mapping, card: Card) -> tuple[list[bytes], list[bytes], dict[str, int]]:
    """Do with the card what a network stack would; return the frames sent, those received, and the statistics."""
    step = mapping.trace.mark
    step("open: identify and reset the card, read its EEPROM, hand over the rings")
    driver = Driver(library, mapping)
    sent = [BROADCAST + driver.mac + EXPERIMENT + text for text in (SHORT, LONG)]
    step("up: set bits of a register in place, wait for the link")
    driver.up()
    step("send a short frame: memcpy into the card's packet buffer")
    driver.send(sent[0])
    step("send a long frame: ring the doorbell, the card fetches it from memory")
    driver.send(sent[1])
    step("receive the echoes")
    for frame in card.sent:
        card.receive(echo(frame))
    received = [driver.poll() for _ in card.sent]
    step("statistics: counters that clear when they are read")
    stats = driver.stats()
    step("close")
    driver.close()
    return sent, received, stats


def echo(frame: bytes) -> bytes:
    """Answer a frame: what the host at the other end of the cable does."""
    return frame[6:12] + bytes.fromhex("025450aabbcc") + frame[12:]


def arrived(sent: list[bytes], on_the_wire: list[bytes], received: list[bytes]) -> bool:
    """Whether the wire saw every frame as it was sent, and the driver got the echo of each."""
    padded = [frame.ljust(MIN_FRAME, b"\0") for frame in sent]
    return on_the_wire == padded and received == [echo(frame) for frame in padded]


if __name__ == "__main__":
    sys.exit(main())
