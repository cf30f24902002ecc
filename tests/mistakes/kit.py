"""Faults, time, DMA, interrupts, coverage, golden traces, expectations: what a driver's test is made of."""

from typing import Final

from tests.mistakes.mistake import Mistake

_WRAP: Final = "import mmio\nfrom card import Card\n"
_TRACE: Final = """\
import mmio
from card import Card

trace = mmio.Trace()
space = mmio.AddressSpace(trace)
space.map(0x1000, 0x10, Card(), "card")
space.write(0x1000, 4, 1)
"""

MISTAKES: Final = (
    Mistake(
        "Your fault is of a register that is not there.",
        f'{_WRAP}mmio.faults.wrap(Card(), "STATSU stuck READY=0")\n',
        ("Card has no register or line 'STATSU'", "did you mean 'STATUS'?"),
        remedy="name a register of the device; the message has the nearest name",
    ),
    Mistake(
        "Your fault begins at a negative time.",
        'import mmio\nmmio.faults.parse("STATUS stuck READY=0 from -5us")\n',
        ("'-5us' (column 27) is negative: times are from 0",),
        remedy="count times from the start of the clock: `from 5us`",
    ),
    Mistake(
        "You make a fault of a field that cannot have the value.",
        f'{_WRAP}mmio.faults.wrap(Card(), "CTRL stuck MODE=4")\n',
        ("CTRL.MODE holds 0..0x3, not 0x4",),
        remedy="give a value that the field can hold; the message has the range",
    ),
    Mistake(
        "Your fault never happens.",
        f'{_WRAP}with mmio.faults.wrap(Card(), "STATUS stuck READY=0 at read 9") as card:\n    card.read(4, 4)\n',
        ("a fault has never happened: 'STATUS stuck READY=0 at read 9' (there was 1 read)",),
        remedy="let the test read often enough, or correct the schedule",
    ),
    Mistake(
        "Your fault has a time, and the device has no clock.",
        "import mmio\n\nclass Ram:\n    def read(self, offset, width): return 0\n"
        '    def write(self, offset, width, value): pass\n\nmmio.faults.wrap(Ram(), "+0 stuck 0x1 from 5us")\n',
        ("a Ram has no clock; say wrap(device, …, clock=Clock())",),
        remedy="pass `clock=Clock()` to `wrap`",
    ),
    Mistake(
        "You let a timer wait for a negative time.",
        "import mmio\nmmio.Clock().after(-1, print)\n",
        ("delay is an int, from 0 up, not -1",),
        remedy="give a delay of 0 or more, in ns",
    ),
    Mistake(
        "You wait for what no timer brings about.",
        "import mmio\nmmio.Clock().run_until(lambda: False)\n",
        ("nothing is due after 0 ns, and the condition does not hold",),
        remedy="start what changes the condition before `run_until`",
    ),
    Mistake(
        "Your model advances the clock that calls it.",
        "import mmio\nclock = mmio.Clock()\nclock.after(1, lambda: clock.run_for(1))\nclock.run_for(2)\n",
        ("the clock is being advanced already", "must not advance the clock that calls it"),
        remedy="return from the callback; schedule the rest with `clock.after`",
    ),
    Mistake(
        "What listens to a line drives it to and fro.",
        'import mmio\nirq = mmio.Line("irq")\nirq.subscribe(lambda level: irq.set(not level))\nirq.set(True)\n',
        ("changes of the line irq in each other", "back and forth without end"),
        remedy="drive the line in one of the subscribers only",
    ),
    Mistake(
        "You map an address for DMA twice.",
        "import mmio\ndma = mmio.Dma()\ndma.map(0x1000, 0x500000, 64)\ndma.map(0x1020, 0x600000, 64)\n",
        ("0x1020..0x1060 is mapped already in part: by 0x1000..0x1040", "unmap that first"),
        remedy="unmap the earlier range, or choose another",
    ),
    Mistake(
        "Your driver hands over an address that it has not mapped.",
        f"{_WRAP}card = Card()\ncard.memory = mmio.Dma()\ncard.memory.read(0x1000, 4)\n",
        ("read of 4 bytes at address 0x1000 by Card", "the driver has not mapped it; nothing is mapped"),
        remedy="correct the driver: it maps the buffer before the device uses it",
    ),
    Mistake(
        "You give a PCI function a region of an impossible size.",
        f"{_WRAP}from mmio.pci import Bar\nBar(0, Card(), size=0x1800)\n",
        ("the size of BAR0, memory, is a power of two in 0x10..0x80000000, not 0x1800",),
        remedy="round the size up to a power of two",
    ),
    Mistake(
        "You measure a class without registers.",
        "import mmio\n\nclass Empty(mmio.Device):\n    pass\n\nmmio.DeviceCoverage(Empty)\n",
        ("Empty has no registers, so there is nothing of it to cover",),
        remedy="declare the registers in the class, or measure another one",
    ),
    Mistake(
        "Your golden file is another device's.",
        f'{_TRACE}mmio.assert_trace(trace, "start", folder=".", missing="write")\n'
        'other = mmio.Trace()\nspace = mmio.AddressSpace(other)\nspace.map(0, 0x10, Card(), "timer")\n'
        'space.read(0, 4)\nmmio.assert_trace(other, "start", folder=".")\n',
        ("start.trace is of another device: its accesses are to card, those of this trace to timer",),
        remedy="use another name for the golden file, or update it with `--mmio-golden-update`",
    ),
    Mistake(
        "Your expectation is none.",
        f'{_TRACE}mmio.assert_accesses(trace, ["W4 CTRL EN=1"])\n',
        ("expected an access such as 'W4 CTRL=0x1'", "did you mean 'CTRL.EN'?"),
        remedy="write the expectation by the [grammar](expectations.md)",
    ),
    Mistake(
        "You filter for a register that no device has.",
        f'{_TRACE}trace.filter(register="CTLR")\n',
        ("no register is called 'CTLR'", "did you mean 'CTRL'?"),
        remedy="use a name from the list in the message",
    ),
)
