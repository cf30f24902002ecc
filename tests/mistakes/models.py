"""Models of devices that are declared wrongly, or answer what no device can."""

from typing import Final

from tests.mistakes.mistake import Mistake

_IMPORTS: Final = """\
import ctypes, mmio
driver = ctypes.CDLL("./driver.so")
"""


def _answers(value: str) -> str:
    return f"""\
{_IMPORTS}
class Thing:
    def read(self, offset, width): return {value}
    def write(self, offset, width, value): pass

with mmio.ioremap(Thing(), length=0x1000) as mapping:
    driver.load(mapping)
"""


def _card(line: str) -> str:
    return f"from card import Card\ncard = Card()\n{line}\n"


def _body(*lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"from mmio import Device, bit, field, register\n\nclass Card(Device):\n{body}\n"


MISTAKES: Final = (
    Mistake(
        "You misspell a register.",
        _card("print(card.staus)"),
        ("'Card' object has no attribute 'staus'",),
        remedy="correct the name",
    ),
    Mistake(
        "You misspell a register in brackets.",
        _card("print(card['STATSU'])"),
        ("Card has no register 'STATSU'", "did you mean 'STATUS'?"),
        remedy="correct the name; in brackets it is the register's name in capitals",
    ),
    Mistake(
        "You assign to a register, not to its value.",
        _card("card.ctrl = 1"),
        ("Card.ctrl cannot be assigned: set ctrl.value, or a field ctrl.NAME",),
        remedy="assign to `ctrl.value` or to a field",
    ),
    Mistake(
        "You misspell a field.",
        _card("card.ctrl.MOED = 1"),
        ("CTRL has no field 'MOED'", "did you mean 'MODE'?"),
        remedy="correct the name",
    ),
    Mistake(
        "You set a field to more than it holds.",
        _card("card.ctrl.MODE = 4"),
        ("CTRL.MODE holds 0..0x3, not 0x4",),
        remedy="use a value within the field's width",
    ),
    Mistake(
        "You set a register to a float.",
        _card("card.data.value = 1.5"),
        ("DATA takes an int, not 1.5",),
        remedy="use an int",
    ),
    Mistake(
        "You misspell the decorator of a handler.",
        _body("ctrl = register(0)", "@ctrl.writen", "def start(self, old, new): ..."),
        ("no attribute 'writen'", "Did you mean: 'written'?"),
        remedy="correct the name: `written`, `reads` …",
    ),
    Mistake(
        "You declare a write handler for a read-only register.",
        _body('status = register(4, access="r")', "@status.written", "def acknowledge(self, old, new): ..."),
        ("Card.status: written handler acknowledge would never be called", "no bit of the register can be written"),
        remedy="remove the handler, or make the register writable (`access=`)",
    ),
    Mistake(
        "You declare a handler with the wrong parameters.",
        _body("ctrl = register(0)", "@ctrl.written", "def start(self, value): ..."),
        ("Card.ctrl: written handler start(self, value) must take (self, old, new)",),
        remedy="use the parameters that the message shows",
    ),
    Mistake(
        "Two registers overlap.",
        _body("ctrl = register(0x0)", "data = register(0x2)"),
        ("Card: DATA", "overlaps CTRL", "two registers share bytes when"),
        remedy="correct an offset or width; or declare `access` or `when`, if the device shares these bytes",
    ),
    Mistake(
        "Two fields overlap.",
        _body('ctrl = register(0, fields=[bit("EN", 0), field("MODE", 3, 0)])'),
        ("Card.ctrl: field 'MODE' (bits 3:0) overlaps field 'EN' (bits 0)",),
        remedy="correct the bits",
    ),
    Mistake(
        "You place a field outside its register.",
        _body('ctrl = register(0, width=1, fields=[bit("EN", 8)])'),
        ("Card.ctrl: field 'EN' (bits 8) is outside the register, which has bits 7:0",),
        remedy="correct the bits or the register's width",
    ),
    Mistake(
        "You misspell a side effect.",
        _body('stat = register(0, on_write="w1c")'),
        ("Card.stat: on_write is 'w1c', expected one of", "what others call w1c is 'woclr' here"),
        remedy="use one of the names in the message",
    ),
    Mistake(
        "You declare a register with an invalid width.",
        _body("ctrl = register(0, width=3)"),
        ("Card.ctrl: width 3, expected one of [1, 2, 4, 8, 16, 32, 64]",),
        remedy="use one of the widths in the message",
    ),
    Mistake(
        "Your model's read returns nothing.",
        _answers("None"),
        (
            "the device answered None, expected an int in 0..0xffffffff",
            "read of 4 bytes",
            "'Thing' offset 0x0",
            "mov eax,[rdi]",
        ),
        remedy="return an int in every branch of `read`",
    ),
    Mistake(
        "Your model returns a negative number.",
        _answers("-1"),
        ("the device answered -1, expected an int in 0..0xffffffff",),
        remedy="mask the value to the access's width: `value & 0xffffffff`",
    ),
    Mistake(
        "Your model returns more than the access is wide.",
        _answers("1 << 32"),
        ("the device answered 4294967296",),
        remedy="mask the value to the access's width",
    ),
    Mistake(
        "Your model returns a float.",
        _answers("1 / 2"),
        ("the device answered 0.5, expected an int",),
        remedy="return an int: `//` in place of `/`",
    ),
    Mistake(
        "Your reads handler returns nothing.",
        f"""\
{_IMPORTS}from mmio import Device, register

class Card(Device):
    status = register(0)
    @status.reads
    def _status(self): pass

with mmio.ioremap(Card()) as mapping:
    driver.load(mapping)
""",
        ("the reads handler of STATUS returned None, expected an int", "'Card' offset 0x0 (STATUS)"),
        remedy="return the value to be read",
    ),
    Mistake(
        "Your model raises an exception.",
        _answers("{}['missing']"),
        ("KeyError: 'missing'",),
        remark="It comes out of the call of the driver, as itself, with the model's traceback.",
        remedy="correct the model; the traceback shows the line",
    ),
    Mistake(
        "Your model's read lacks a parameter.",
        f"""\
{_IMPORTS}
class Thing:
    def read(self, offset): return 0
    def write(self, offset, width, value): pass

with mmio.ioremap(Thing(), length=0x1000) as mapping:
    driver.load(mapping)
""",
        ("Thing.read() takes 2 positional arguments but 3 were given",),
        remark="It is read(offset, width), and write(offset, width, value).",
        remedy="declare `read(self, offset, width)` and `write(self, offset, width, value)`",
    ),
    Mistake(
        "Your model never returns, and you press Ctrl-C.",
        f"""\
{_IMPORTS}import os, signal

class Thing:
    def read(self, offset, width):
        os.kill(os.getpid(), signal.SIGINT)  # you press Ctrl-C
        while True: pass
    def write(self, offset, width, value): pass

with mmio.ioremap(Thing(), length=0x1000) as mapping:
    driver.load(mapping)
""",
        ("KeyboardInterrupt",),
        remark="It comes out of the call of the driver, and the mapping is closed.",
        remedy="correct the loop in the model; the traceback shows the line",
        symptom="the driver or program hangs",
    ),
    Mistake(
        "You name a peripheral that is not in the SVD file.",
        'import mmio\nmmio.from_svd("timer.svd", "TIMR")',
        ("timer.svd: there is no peripheral 'TIMR'; did you mean 'TIMER'?",),
        remedy="correct the name",
    ),
    Mistake(
        "You name a description file that does not exist.",
        'import mmio\nmmio.from_rdl("timer.rdl")',
        ("timer.rdl", "No such file"),
        remedy="correct the path",
    ),
)
