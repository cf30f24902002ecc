"""Devices made from SVD peripherals."""

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import DescriptionError, DescriptionWarning, Device, from_svd
from mmio.descriptions.svd import device as module
from mmio.descriptions.svd.words import CHOICES
from mmio.device.effects import ON_READ, ON_WRITE
from tests.mmio.descriptions.svd.files import field, make, notes, register

SENSOR = Path(__file__).parents[1] / "data" / "sensor.svd"


def test_a_whole_peripheral() -> None:
    """Names, offsets, widths, fields, names of values, resets: as the file has them, arrays and clusters too."""
    with pytest.warns(DescriptionWarning):
        uart = from_svd(SENSOR, "UART1")
    assert Device in uart.__mro__
    assert (uart.__name__, uart.base_address, uart.source) == ("UART1", 0x4001_0000, str(SENSOR))
    assert uart().dump().splitlines() == [
        "0x00  CR                 0x00000010 EN=0 PARITY=NONE BAUD=0x001 PINA=0 PINB=0 PINC=0 PIND=0",
        "0x04  SR                 0x00000001 TXE=1 OVERRUN=0 BREAK=0",
        "0x08  DR                 0x0000",
        "0x0c  KEY                0x00000000",
        "0x10  LOCK               0x00000000",
        "0x20  FILTER[0..3]       0x000000ff",
        "0x30  STAMP_LO           0x00000000",
        "0x34  STAMP_HI           0x00000000",
        "0x40  DMA[0].COUNT       0x0000",
        "0x4a  DMA[0].BURST.SIZE  0x04",
        "0x50  DMA[1].COUNT       0x0000",
        "0x5a  DMA[1].BURST.SIZE  0x04",
    ]
    assert uart.CR.doc == "Control"


def test_what_a_device_does_not_do_is_noted_and_warned_of() -> None:
    """One warning, where the user's code called, with a line a note: register, property, what of it."""
    with pytest.warns(DescriptionWarning) as caught:
        uart = from_svd(SENSOR, "UART1")
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).splitlines() == [
        f"{SENSOR}: UART1 does not do all its description says:",
        "  UART1: interrupt UART1_IRQ: number 25 is not driven; declare irq = line() and set it",
        "  DR: readAction modifyExternal: reading changes nothing; a reads handler can",
        "  KEY: writeConstraint: not checked; a written handler can",
        "  LOCK: writeConstraint: not checked; a written handler can",
    ]
    assert [str(note) for note in uart.notes] == [line.strip() for line in str(warning.message).splitlines()[1:]]


def test_a_derived_peripheral_is_the_same_elsewhere() -> None:
    """With its own base address and interrupts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = from_svd(SENSOR, "UART1"), from_svd(SENSOR, "UART2")
    assert one().dump() == two().dump()
    assert two.base_address == 0x4002_0000
    assert [note.word for note in two.notes if "interrupt" in note.word] == ["interrupt UART2_IRQ"]


def test_nothing_is_warned_of_when_all_is_done(recwarn: pytest.WarningsRecorder) -> None:
    """A description in a Device's words is silent."""
    assert from_svd(SENSOR, "GPIOA").notes == ()
    assert not recwarn.list


def test_handlers_hang_on_registers() -> None:
    """The class is there to be subclassed; registers are attributes under their names."""
    with pytest.warns(DescriptionWarning):
        base = from_svd(SENSOR, "UART1")

    class Uart(base):  # type: ignore[valid-type,misc]
        sent = 0

        @base.DR.written  # type: ignore[untyped-decorator]
        def _send(self, old: int, new: int) -> None:
            self.sent = new

        @base.FILTER.written  # type: ignore[untyped-decorator]
        def _filter(self, index: int, old: int, new: int) -> None:
            self.sent = index

    uart = Uart()
    uart.write(8, 2, 0x41)
    assert uart.sent == 0x41
    uart.write(0x2C, 4, 1)
    assert uart.sent == 3


def test_the_whole_vocabulary_is_known() -> None:
    """Every effect of SVD has a Device's word, but for the two that say nothing of the value read leaves."""
    assert set(CHOICES["modifiedWriteValues"]) == {*module.ON_WRITE, module.PLAIN}
    assert set(CHOICES["readAction"]) - set(module.ON_READ) == {"modify", "modifyExternal"}
    assert set(CHOICES["access"]) == set(module.ACCESS)
    assert set(module.ON_WRITE.values()) == set(ON_WRITE)
    assert set(module.ON_READ.values()) == set(ON_READ)


MEANING: dict[str, Callable[[int, int], int]] = {  # the format's prose: what a write of `data` leaves, bit by bit
    "oneToClear": lambda old, data: 0 if data else old,
    "oneToSet": lambda old, data: 1 if data else old,
    "oneToToggle": lambda old, data: 1 - old if data else old,
    "zeroToClear": lambda old, data: old if data else 0,
    "zeroToSet": lambda old, data: old if data else 1,
    "zeroToToggle": lambda old, data: old if data else 1 - old,
    "clear": lambda old, data: 0,
    "set": lambda old, data: 1,
    "modify": lambda old, data: data,
}


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(MEANING)), st.integers(0, 255), st.integers(0, 255))
def test_written_values_modify_as_their_names_say(word: str, old: int, data: int) -> None:
    """Bit by bit, on a register and on a field."""
    effect = f"<modifiedWriteValues>{word}</modifiedWriteValues>"
    fields = f"<fields>{field('F', '7:0', effect)}</fields>"
    with TemporaryDirectory() as folder:
        device = make(Path(folder), register("A", 0, effect) + register("B", 4, fields))()
    device.A.value = device.B.value = old
    device.write(0, 1, data)
    device.write(4, 1, data)
    expected = sum(MEANING[word](old >> i & 1, data >> i & 1) << i for i in range(8))
    assert (device.A.value, device.B.value) == (expected, expected)


@pytest.mark.parametrize(("word", "left"), [("clear", 0), ("set", 0xFF)])
def test_reading_acts(tmp_path: Path, word: str, left: int) -> None:
    """What was there is answered, what is left is clear or set."""
    device = make(
        tmp_path, register("A", 0, f"<size>8</size><readAction>{word}</readAction><resetValue>5</resetValue>")
    )()
    assert (device.read(0, 1), device.A.value) == (5, left)


@pytest.mark.parametrize(
    ("access", "readable", "writable", "once"),
    [
        ("read-only", True, False, False),
        ("write-only", False, True, False),
        ("read-write", True, True, False),
        ("writeOnce", False, True, True),
        ("read-writeOnce", True, True, True),
    ],
)
def test_access(tmp_path: Path, access: str, readable: bool, writable: bool, once: bool) -> None:
    """What may not be read reads as 0, what may not be written stays, what may be written once stays then."""
    device = make(tmp_path, register("A", 0, f"<access>{access}</access><resetValue>5</resetValue>"))()
    assert device.read(0, 4) == (5 if readable else 0)
    device.write(0, 4, 6)
    assert (6 if writable else 5) == device.A
    device.write(0, 4, 7)
    assert (5 if not writable else 6 if once else 7) == device.A


def test_fields_have_the_effects_of_their_register(tmp_path: Path) -> None:
    """Until they say otherwise; `modify` says plain, and is plain."""
    clear = "<modifiedWriteValues>oneToClear</modifiedWriteValues>"
    plain = "<modifiedWriteValues>modify</modifiedWriteValues>"
    fields = f"<fields>{field('A', '0:0')}{field('B', '1:1', plain)}</fields>"
    made = make(tmp_path, register("R", 0, f"{clear}<resetValue>7</resetValue>{fields}"))
    device = made()
    device.write(0, 4, 5)
    assert (device.R.A, device.R.B, device.R.value) == (0, 0, 4)
    assert notes(made) == ["R: woclr: is for some fields only; the bits without a name are plain"]


def test_an_effect_that_never_happens_is_noted(tmp_path: Path) -> None:
    """Reading acts, says the file, and that nothing reads it."""
    inside = "<access>write-only</access><readAction>clear</readAction>"
    assert notes(make(tmp_path, register("A", 0, inside))) == [
        "A: rclr: never happens, because no software can read there"
    ]


def test_undefined_bits_are_noted(tmp_path: Path) -> None:
    """A resetMask that leaves bits out says that they may be anything."""
    made = make(tmp_path, register("A", 0, "<size>8</size><resetMask>0xF0</resetMask><resetValue>0x12</resetValue>"))
    assert made().A == 0x12
    assert notes(made) == [
        "A: resetMask: bits 0xf are undefined after reset, and here they are as <resetValue> has them"
    ]


def test_reserved_fields_name_nothing(tmp_path: Path) -> None:
    """Files have several of that name in a register; their bits are as the register's others."""
    fields = field("Reserved", "3:2") + field("EN", "0:0") + field("RESERVED", "7:5")
    made = make(tmp_path, register("A", 0, f"<fields>{fields}</fields>"))
    assert [each.name for each in made.A.fields] == ["EN"]


def test_unknown_elements_are_noted(tmp_path: Path) -> None:
    """A misspelt word would change the device without a sound."""
    made = make(tmp_path, register("A", 0, "<readaction>clear</readaction><protection>s</protection>"))
    assert notes(made) == [
        "A: readaction: unknown, and passed over",
        "A: protection: every access is let through",
    ]


def test_what_is_not_used_may_be_wrong(tmp_path: Path) -> None:
    """The type C code would have for a register does not matter here."""
    assert make(tmp_path, register("A", 0, "<dataType>u32</dataType><protection>x</protection>"))().A == 0


def test_names_for_reading_come_before_names_for_writing(tmp_path: Path) -> None:
    """A field may have two tables; a device prints one name a value, and notes the others."""

    def table(usage: str, *names: tuple[str, str]) -> str:
        values = "".join(f"<enumeratedValue><name>{name}</name>{value}</enumeratedValue>" for name, value in names)
        return f"<enumeratedValues><usage>{usage}</usage>{values}</enumeratedValues>"

    write = table("write", ("START", "<value>1</value>"), ("STOP", "<value>2</value>"))
    read = table("read", ("BUSY", "<value>1</value>"), ("OTHER", "<isDefault>true</isDefault>"))
    made = make(tmp_path, register("A", 0, f"<fields>{field('F', '1:0', write + read)}</fields>"))
    assert made.A.fields[0].enum == {1: "BUSY", 2: "STOP"}
    assert notes(made) == [
        "A.F: enumeratedValue OTHER: not for a single value; other values are printed as numbers",
        "A.F: enumeratedValue START: value 1 is printed as BUSY",
    ]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (register("A", 0, "<size>24</size>"), "P.A: width 3, expected one of .* left out: without=['A']"),
        (register("A", 0, "<size>12</size>"), "P.A: its size is 12 bits, expected whole bytes.*: without=['A']"),
        (register("A", 0, "<size>8</size><resetValue>0x100</resetValue>"), "P.A: reset 0x100 does not fit in 1 bytes"),
        (register("A", 0, f"<fields>{field('F', '32:0')}</fields>"), "P.A: field 'F' (bits 32:0) is outside the reg"),
        (register("A", 0, "<fields><field><name>F</name></field></fields>"), "P.A.F: expected <bitRange>, <lsb> and"),
        (register("A", 0, f"<fields>{field('F', '3:0')}{field('G', '4:3')}</fields>"), "P.A.G (bits 4:3) overlaps F"),
        (register("A", 0) + register("B", 2), "P.B at 0x2 overlaps A at 0x0.*: without=['B']"),
        (register("A", 0) + register("A", 4), "P: A at 0x4..0x8 has the same name as A at 0x0..0x4"),
    ],
)
def test_registers_that_cannot_be(tmp_path: Path, inside: str, expected: str) -> None:
    """Each is an error that names file, peripheral and register, and says what to do."""
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside)
    head, _, tail = expected.partition(".*")
    assert str(caught.value).startswith(f"{tmp_path}/chip.svd: {head}")
    assert tail in str(caught.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """A vendor's file is mended in one go, or trimmed: what was left out is no problem."""
    inside = (
        register("A", 0, "<size>24</size>") + register("B", 8) + register("C", 8) + register("D", 0xC, "<size>3</size>")
    )
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside)
    *problems, last = caught.value.problems
    assert len(problems) == 3
    assert last == "what cannot be mended in the file can be left out: without=['A', 'C', 'D']"
    device = make(tmp_path, inside, without=["A", "C", "D"])
    assert [place.name for place in device.layout.places] == ["B"]


def test_two_registers_for_one_place(tmp_path: Path) -> None:
    """One that is read and one that is written are both there; of alternatives the first one is."""
    receive = register("RBR", 0, f"<access>read-only</access><fields>{field('DATA', '7:0')}</fields>")
    transmit = register("THR", 0, "<access>write-only</access>")
    divisor = register("DLL", 0, "<alternateRegister>RBR</alternateRegister>")
    made = make(tmp_path, receive + transmit + divisor)
    assert notes(made) == [
        "DLL: at 0x0: left out, because RBR is there; for the other choice: without=['RBR']",
    ]
    device = made()
    device.write(0, 4, 0x41)
    assert (device.THR.value, device.RBR.DATA, device.read(0, 4)) == (0x41, 0, 0)
    other = make(tmp_path, receive + transmit + divisor, without=["RBR", "THR"])
    assert [place.name for place in other.layout.places] == ["DLL"]


def test_too_many_registers_are_refused_before_they_are_made(tmp_path: Path) -> None:
    """Arrays in arrays multiply."""
    group = "<dim>300</dim><dimIncrement>4</dimIncrement>"
    cluster = f"<cluster><name>K%s</name><addressOffset>0</addressOffset>{group}{register('R%s', 0, group)}</cluster>"
    with pytest.raises(
        DescriptionError, match=r"P.K%s.R%s is there 90000 times; a device has at most 65536 registers$"
    ):
        make(tmp_path, cluster)


def test_without_cmsis_svd_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "cmsis_svd.parser", None)
    with pytest.raises(ImportError, match=r"reading SVD needs cmsis-svd: pip install 'pagetrap\[svd\]'"):
        from_svd(SENSOR, "UART1")


@settings(deadline=None)
@given(st.data())
def test_whatever_is_in_a_file_it_is_a_device_or_a_description_error(data: st.DataObject) -> None:
    """A file with some of its bytes exchanged never fails in any other way."""
    content = bytearray(SENSOR.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 30))
    content[start : start + length] = data.draw(st.binary(max_size=4) | st.sampled_from([b"<", b"0x", b"-1", b"99999"]))
    with NamedTemporaryFile(suffix=".svd") as file, warnings.catch_warnings(), suppress(DescriptionError):
        warnings.simplefilter("ignore")
        file.write(content)
        file.flush()
        assert from_svd(file.name, "UART2").layout.places
