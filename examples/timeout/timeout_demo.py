"""Does a driver give up on a card that is broken? A minute of its time, in a few real seconds.

python examples/timeout/timeout_demo.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from cards import Card, Silent, Stuck

from mmio import Tracer, seconds

HERE = Path(__file__).parent
LIMIT = seconds(20)


class NoTimeout(AssertionError):
    """A driver waits for longer than any driver should."""


def give_up() -> None:
    """End the run: nothing that the program waits for can happen any more."""
    raise NoTimeout(f"the driver still waits after {LIMIT // seconds(1)} s")


def time_taken(program: Path, card: Card) -> float:
    """Run a driver on a card; return the seconds of its own time that it took.

    Raises:
        NoTimeout: it does not give up.
    """
    tracer = Tracer()
    card.clock = tracer.use_virtual_time()
    card.after(LIMIT, give_up)
    tracer.map_file("/dev/uio0", card, length=0x1000)
    tracer.spawn([str(program)])
    tracer.run()
    return card.clock.now / seconds(1)


def compiled(directory: Path, *flags: str) -> Path:
    """Compile the driver."""
    program = directory / "driver"
    subprocess.run(["cc", "-O2", *flags, "-o", str(program), str(HERE / "driver.c")], check=True)
    return program


def main() -> int:
    """Show each driver on each card."""
    for flags in ((), ("-DFIXED",)):
        print("the driver, mended:" if flags else "the driver:")
        with tempfile.TemporaryDirectory() as directory:
            program = compiled(Path(directory), *flags)
            for card in (Card(), Silent(), Stuck()):
                print(f"  {type(card).__name__}: ", end="", flush=True)
                try:
                    print(f"    after {time_taken(program, card):.3f} s of its time", flush=True)
                except NoTimeout as error:
                    print(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
