"""Drivers in this process: mapping a device for them, and calling them."""

from pathlib import Path
from typing import Final

from tests.mistakes.mistake import Mistake
from tests.native import build_c

_IMPORTS: Final = """\
import ctypes, mmio
from card import Card
driver = ctypes.CDLL("./driver.so")
"""

_CRASHES: Final = "import faulthandler\nfaulthandler.enable()\n"

_THING: Final = """\
import mmio

class Thing:
    def read(self, offset, width): return 0
"""


def _on(call: str, options: str = "") -> str:
    """Return a program that maps a card and does something with the mapping."""
    return f"{_IMPORTS}with mmio.ioremap(Card(){options}) as mapping:\n    {call}\n"


def _at(offset: int, function: str = "load") -> str:
    return f"driver.{function}(mapping.pointer(ctypes.c_uint32, {offset:#x}))"


def _library_32(workshop: Path) -> None:
    source = "int answer(void) { return 42; }"
    build_c(source, workshop, "-m32", "-nostdlib", "-fno-stack-protector").rename(workshop / "driver32.so")


MISTAKES: Final = (
    Mistake(
        "You give the wrong path of a library.",
        'import ctypes\nctypes.CDLL("./drivr.so")',
        ("./drivr.so: cannot open shared object file",),
        remedy="correct the path; without a slash the library is searched in the system's folders",
    ),
    Mistake(
        "You load a 32-bit library into a 64-bit Python.",
        'import ctypes\nctypes.CDLL("./driver32.so")',
        ("driver32.so: wrong ELF class: ELFCLASS32",),
        setup=_library_32,
        remark="Compile it without `-m32`. Programs may have 32 bits: `pagetrap trace` and `pagetrap run` take both.",
        remedy="compile the library without `-m32`; or make it a program and use `pagetrap run`",
    ),
    Mistake(
        "You misspell a function of the driver.",
        _on("driver.laod(mapping)"),
        ("undefined symbol: laod",),
        remedy="correct the name; `nm -D driver.so` lists the functions",
    ),
    Mistake(
        "You map a device that does not say how long it is.",
        f"{_THING}    def write(self, offset, width, value): pass\n\nmmio.ioremap(Thing())\n",
        ("Thing has no length of its own; call ioremap(device, length=…)",),
        remedy="pass `length=`, or give the class an attribute `length`",
    ),
    Mistake(
        "You map the class in place of a device.",
        "import mmio\nfrom card import Card\nmmio.ioremap(Card)\n",
        ("map a device, not a class: Card(...)",),
        remedy="pass an object: `Card()`",
    ),
    Mistake(
        "You map an object without a write method.",
        f"{_THING}\nmmio.ioremap(Thing(), length=4)\n",
        ("is not a device: it needs read(offset, width) and write(offset, width, value)",),
        remedy="give the model both methods, `read` and `write`",
    ),
    Mistake(
        "You give a length that is not a number.",
        "import mmio\nfrom card import Card\nmmio.ioremap(Card(), length='4K')\n",
        ("length is a positive int, in bytes, not '4K'",),
        remedy="pass the number of bytes",
    ),
    Mistake(
        "Your driver accesses an offset where the device has no register.",
        _on(_at(0x20), ", length=0x1000"),
        ("Card has no register at offset 0x20", "read of 4 bytes", "'Card' offset 0x20", "mov eax,[rdi]"),
        remedy='add the register; or pass `unmapped="ones"` or `"zeros"`',
    ),
    Mistake(
        "You map fewer bytes than the driver uses.",
        _on(_at(8), ", length=8"),
        ("beyond the device ('Card', 0x0..0x8)", "read of 4 bytes", "mov eax,[rdi]"),
        remedy="pass a larger `length=`",
    ),
    Mistake(
        "You map a device at ports where one is already.",
        "import mmio\nfrom card import Card\nmmio.map_ports(0x300, 16, Card())\nmmio.map_ports(0x308, 8, Card())\n",
        ("0x308..0x310 'Card' overlaps 0x300..0x310 'Card'",),
        remedy="correct the ports, or close the other mapping",
    ),
    Mistake(
        "Your driver makes an access of a width that the mapping forbids.",
        _on("driver.load8(mapping)", ", widths={4}"),
        ("narrower than every width the mapping allows (4)", "'Card' offset 0x0 (CTRL)", "mov al,[rdi]"),
        remedy="correct the driver, or add the width to `widths=`",
    ),
    Mistake(
        "Your driver makes an unaligned access that the mapping forbids.",
        _on(_at(2), ', unaligned="error"'),
        ("not aligned to 4 bytes, which the mapping requires", "'Card' offset 0x2 (CTRL+2..STATUS)", "mov eax,[rdi]"),
        remedy="correct the driver, or pass another `unaligned=`",
    ),
    Mistake(
        "You misspell a policy.",
        _on("driver.load(mapping)", ', unaligned="raise"'),
        ("unaligned is one of error, split, pass, not 'raise'",),
        remedy="use one of the names in the message",
    ),
    Mistake(
        "Your driver writes to a register that can only be read.",
        f"""\
{_IMPORTS}card = Card()
with mmio.ioremap(card) as mapping:
    driver.store(mapping.pointer(ctypes.c_uint32, 4), 1)
    print(card.status)
    print(mapping.trace[0].register, "was written:", mapping.trace[0].value)
""",
        ("STATUS 0x00000000", "STATUS was written: 1"),
        remark="The write has no effect, as in hardware, and it is in the trace.",
        remedy='if the register is writable, declare it without `access="r"`',
        symptom="a write to a register has no effect",
    ),
    Mistake(
        "You pass a mapping to the driver after it was closed.",
        _on("pass") + "driver.load(mapping)\n",
        ("the mapping of 'Card' is closed: no device answers there", "use it within its `with` statement"),
        remedy="call the driver inside the `with` statement",
    ),
    Mistake(
        "You enter a mapping again after it was closed.",
        _on("pass") + "with mapping:\n    driver.load(mapping)\n",
        ("the mapping of 'Card' is closed: no device answers there",),
        remedy="call `ioremap` again",
    ),
    Mistake(
        "You watch a mapping after it was closed.",
        _on("pass") + "mapping.watch()\n",
        ("the mapping of 'Card' is closed: no device answers there",),
        remedy="call `watch` inside the `with` statement",
    ),
    Mistake(
        "You misspell an argument.",
        "import mmio\nfrom card import Card\nmmio.ioremap(Card(), lenght=0x1000)\n",
        ("ioremap() has no argument 'lenght'; did you mean 'length'?",),
        remedy="correct the name",
    ),
    Mistake(
        "You pass a path in place of a trace.",
        "import mmio\nfrom card import Card\nmmio.ioremap(Card(), trace='run.jsonl')\n",
        ("trace is a mmio.Trace, or None, not 'run.jsonl'",),
        remedy="pass an object: `trace=mmio.Trace()`",
    ),
    Mistake(
        "Your driver keeps the pointer and uses it after the mapping was closed.",
        _CRASHES + _on("pointer = ctypes.c_void_p(mapping.address)") + "driver.load(pointer)\n",
        ("Fatal Python error: Segmentation fault",),
        remark="The address is never given out again, so this is always a crash and never a silent write elsewhere.",
        remedy="keep the mapping open while the driver may use it",
        symptom="the process crashes with SIGSEGV",
    ),
    Mistake(
        "You pass NULL to the driver.",
        _CRASHES + _on("driver.load(None)"),
        ("Fatal Python error: Segmentation fault",),
        remark="A fault that is not a device's stays what it was; `faulthandler` (pytest turns it on) says where.",
        remedy="pass the mapping",
        symptom="the process crashes with SIGSEGV",
    ),
    Mistake(
        "You pass the address as an int, which ctypes truncates to 32 bits.",
        _CRASHES + _on("driver.load(mapping.address)"),
        ("Fatal Python error: Segmentation fault",),
        remark="Pass the mapping itself, or declare `driver.load.argtypes = [ctypes.c_void_p]`.",
        remedy="pass the mapping itself, or declare `argtypes`",
        symptom="the process crashes with SIGSEGV",
    ),
    Mistake(
        "You enable faulthandler after the first mapping, and map another device.",
        _on("import faulthandler; faulthandler.enable(); mmio.ioremap(Card())"),
        ("the SIGSEGV handler was replaced", "faulthandler.enable()?", "do that before mapping anything"),
        remedy="enable faulthandler before the first mapping",
    ),
    Mistake(
        "You take a memoryview of a mapping.",
        _on("memoryview(mapping)"),
        ("memoryview: a bytes-like object is required, not 'Mapping'",),
        remark="`mapping.space.read(mapping.address + offset, width)` is an access from Python.",
        remedy="use `mapping.space.read(address, width)`",
    ),
    Mistake(
        "You read a mapping from Python, by ctypes.string_at.",
        _on("print(ctypes.string_at(mapping.address, 4), 'from', mapping.trace[0].register)"),
        ("b'\\x00\\x00\\x00\\x00' from CTRL",),
        remark="That works: Python is native code as well. The widths are those of the C library's memcpy.",
        remedy="nothing: it works; for a chosen width use `mapping.space.read(address, width)`",
    ),
    Mistake(
        "You pass the device's memory to a system call.",
        _on("import os; os.write(1, (ctypes.c_char * 4).from_address(mapping.address))"),
        ("[Errno 14] Bad address",),
        remark="The kernel cannot read what traps. Copy it first: `bytes((ctypes.c_char * 4).from_address(…))`. In a "
        "program under `pagetrap trace` or `run` such calls are made with a copy.",
        remedy="copy it first",
        symptom="a system call fails with EFAULT (Bad address)",
    ),
    Mistake(
        "You misspell the kind of a watchpoint.",
        _on('mapping.watch(on="modify")'),
        ("a watchpoint is on one of 'read', 'write', 'access', 'change', not 'modify'",),
        remedy="use one of the names in the message",
    ),
    Mistake(
        "You watch bytes beyond the device.",
        _on("mapping.watch(8, 16)"),
        ("16 bytes from offset 0x8 on are not within the device's 0xc",),
        remedy="correct the offset or the length",
    ),
)
