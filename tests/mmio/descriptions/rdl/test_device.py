"""Devices made from SystemRDL address maps."""

import json
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import DescriptionError, DescriptionWarning, Device, MmioError, block, from_rdl
from tests.mmio.descriptions.rdl.files import make, notes, write
from tests.native import run_python

DMA = Path(__file__).parents[1] / "data" / "dma.rdl"
REG = "reg { field {} F[7:0] = 0; }"


def test_a_whole_address_map() -> None:
    """Names, offsets, widths, fields, names of values, resets; arrays, regfiles, memories, parameters."""
    with pytest.warns(DescriptionWarning):
        dma = from_rdl(DMA)
    assert Device in dma.__mro__
    assert (dma.__name__, dma.source) == ("dma", str(DMA))
    assert dma().dump().splitlines() == [
        "0x000  ID              0xd3a00001 ID=0xd3a00001",
        "0x004  STATUS          0x00000000",
        "0x008  EFFECTS         0x000000fd A C D E=0xf",
        "0x00c  reset           0x00000000",
        "0x010  FIFO[0..3]      0x5a DATA=0x5a",
        "0x020  TABLE[0][0..2]  0x0000",
        "0x02c  TABLE[1][0..2]  0x0000",
        "0x040  CH[0].CTRL      0x00000404 MODE=ONCE BURST=0x04",
        "0x044  CH[0].CTRL2     0x00001004 MODE=ONCE BURST=0x10",
        "0x048  CH[0].ADDR      0x0000000000000000",
        "0x060  CH[1].CTRL      0x00000404 MODE=ONCE BURST=0x04",
        "0x064  CH[1].CTRL2     0x00001004 MODE=ONCE BURST=0x10",
        "0x068  CH[1].ADDR      0x0000000000000000",
        "0x100  BUFFER[0..7]    0x00000000",
    ]


def test_what_a_device_does_not_do_is_noted_and_warned_of() -> None:
    """One warning, where the user's code called; the class keeps the notes."""
    with pytest.warns(DescriptionWarning) as caught:
        dma = from_rdl(DMA)
    (warning,) = caught
    assert warning.filename == __file__
    assert notes(dma) == [
        "STATUS.ERROR: intr: nothing of it happens by itself; the device's code can do it",
        "reset.TICKS: counter: nothing of it happens by itself; the device's code can do it",
        "reset: name: is the attribute reset_; reset is taken",
    ]
    assert str(warning.message) == "\n  ".join(
        [f"{DMA}: dma is not all its description says (3 notes):", *notes(dma)],
    )


MEANING: dict[str, Callable[[int, int], int]] = {  # bit by bit, SystemRDL 2.0, 9.6
    "onwrite = woset": lambda old, data: old | data,
    "onwrite = woclr": lambda old, data: old & ~data & 1,
    "onwrite = wot": lambda old, data: old ^ data,
    "onwrite = wzs": lambda old, data: old | 1 - data,
    "onwrite = wzc": lambda old, data: old & data,
    "onwrite = wzt": lambda old, data: old ^ 1 - data,
    "onwrite = wclr": lambda old, data: 0,
    "onwrite = wset": lambda old, data: 1,
    "woset": lambda old, data: old | data,
    "woclr": lambda old, data: old & ~data & 1,
    "sw = rw": lambda old, data: data,
    "sw = r": lambda old, data: old,
    "sw = w": lambda old, data: data,
}


@pytest.mark.parametrize("words", MEANING)
def test_writes_leave_what_the_standard_says(tmp_path: Path, words: str) -> None:
    """For every old value and every written one of a bit."""
    device = make(tmp_path, f"reg {{ field {{ {words}; }} F[3:0] = 4'b0011; }} R @ 0;")()
    device.write(0, 4, 0b0101)
    expected = sum(MEANING[words](0b0011 >> i & 1, 0b0101 >> i & 1) << i for i in range(4))
    assert expected == device.R.F


@pytest.mark.parametrize(
    ("words", "answer", "left"),
    [("onread = rclr", 5, 0), ("rclr", 5, 0), ("onread = rset", 5, 15), ("rset", 5, 15), ("sw = w", 0, 5)],
)
def test_reads_leave_what_the_standard_says(tmp_path: Path, words: str, answer: int, left: int) -> None:
    """Cleared, set, or not readable at all."""
    device = make(tmp_path, f"reg {{ field {{ {words}; }} F[3:0] = 5; }} R @ 0;")()
    assert (device.read(0, 4), device.R.F) == (answer, left)


@pytest.mark.parametrize("access", ["rw1", "w1"])
def test_some_bits_are_written_once(tmp_path: Path, access: str) -> None:
    """The second write changes nothing."""
    device = make(tmp_path, f"reg {{ field {{ sw = {access}; }} F[3:0] = 5; }} R @ 0;")()
    device.write(0, 4, 6)
    device.write(0, 4, 7)
    assert device.R.F == 6


def test_a_pulse_is_seen_by_a_handler_and_gone(tmp_path: Path) -> None:
    """singlepulse."""
    base = make(tmp_path, "reg { field { singlepulse; } GO[0:0] = 0; } R @ 0;")

    class Card(base):  # type: ignore[valid-type,misc]
        seen = 0

        @base.R.written  # type: ignore[untyped-decorator]
        def _go(self, old: int, new: int) -> None:
            self.seen = new

    card = Card()
    card.write(0, 4, 1)
    assert (card.seen, card.R.GO) == (1, 0)


def test_bits_of_no_field_are_reserved(tmp_path: Path) -> None:
    """They read as 0 and ignore writes, unless fields that begin with an underscore say what they do."""
    device = make(
        tmp_path, "reg { field {} F[0:0] = 0; } A @ 0; reg { field {} F[0:0] = 0; field {} _r[31:1] = 3; } B @ 4;"
    )()
    device.write(0, 8, (1 << 64) - 1)
    assert (device.read(0, 4), device.read(4, 4)) == (1, 0xFFFF_FFFF)
    assert [field.name for field in device.layout.places[1].fields] == ["F"]


def test_underscored_fields_that_differ_are_fields(tmp_path: Path) -> None:
    """One register has one behaviour for all its unnamed bits; so they get names."""
    made = make(tmp_path, "reg { field {} _a[15:0] = 0; field { sw = r; } _b[31:16] = 7; } A @ 0;")
    assert [field.name for field in made.A.fields] == ["a_", "b_"]
    assert made().A.b_ == 7
    assert [note.word for note in made.notes] == ["name", "name"]


def test_bits_may_be_counted_from_the_other_end(tmp_path: Path) -> None:
    """With msb0, bit 0 is the most significant one."""
    device = make(tmp_path, "msb0; reg { field {} F[0:7] = 8'h81; field {} G[31:31] = 1; } A @ 0;")()
    assert device.A == 0x8100_0001
    assert [field.place for field in device.layout.places[0].fields] == ["31:24", "0"]


def test_address_maps_in_address_maps_are_blocks(tmp_path: Path) -> None:
    """So are regfiles; a block's class can be subclassed as well, and put in its place."""
    base = make(tmp_path, f"addrmap {{ regfile {{ {REG} A @ 4; }} in @ 0x10; }} out @ 0x100;".replace(" in @", " IN @"))
    assert [(place.name, place.offset) for place in base.layout.places] == [("out.IN.A", 0x114)]
    inner: Any = base.out.device

    class Out(inner):  # type: ignore[misc]
        seen = 0

    class Card(base):  # type: ignore[valid-type,misc]
        out = block(base.out.offset, Out)

    assert Card().out.seen == 0


def test_the_last_address_map_is_taken_or_the_one_that_is_named(tmp_path: Path) -> None:
    """As the compiler has it; an unknown one is told with those that there are."""
    path = write(tmp_path, f"addrmap one {{ {REG} A; }}; addrmap two {{ {REG} B; }};")
    assert (from_rdl(path).__name__, from_rdl(path, "one").__name__) == ("two", "one")
    for top, hint in (("three", "there are one, two"), ("tow", "did you mean 'two'?")):
        with pytest.raises(DescriptionError) as caught:
            from_rdl(path, top)
        assert str(caught.value) == f"{path}: there is no address map {top!r}; {hint}"


def test_parameters_macros_and_included_files(tmp_path: Path) -> None:
    """What the compiler can be told is passed on."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "reg.rdl").write_text("reg r1 { field {} F[7:0] = `START; };")
    path = write(tmp_path, '`include "reg.rdl"\naddrmap card #(longint unsigned N = 1) { r1 A[N] @ 0; };')
    made = from_rdl(path, parameters={"N": 3}, defines={"START": "8'h11"}, include=[tmp_path / "more"])
    assert made().dump() == "0x0  A[0..2]  0x00000011 F=0x11"


def test_names_may_be_left_out(tmp_path: Path) -> None:
    """Registers, blocks, fields; a name that is none is an error."""
    inside = f"{REG} A @ 0; regfile {{ {REG} B @ 0; {REG} C @ 4; }} K @ 8; {REG} D @ 0x20;"
    made = make(tmp_path, inside, without=["A", "K.B", "D.F"])
    assert [(place.name, len(place.fields)) for place in made.layout.places] == [("K.C", 1), ("D", 0)]
    with pytest.raises(DescriptionError, match=r"without: there is no 'K.D'; did you mean"):
        make(tmp_path, inside, without=["K.D"])


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("signal {} rst; " + REG + " A @ 0;", "rst: signal: not driven; declare a line() and set it"),
        ("bigendian; " + REG + " A @ 0;", "card: bigendian: nothing of it happens"),
        (
            "reg r1 { field {} F[7:0] = 0; }; r1 A @ 0; alias A r1 B @ 4;",
            "B: alias: has bits of its own, not those of A",
        ),
        (
            "external reg { field { onwrite = wuser; } F[7:0] = 0; } A @ 0;",
            "A.F: onwrite wuser: left to the description",
        ),
        ("external reg { field { onread = ruser; } F[7:0] = 0; } A @ 0;", "A.F: onread ruser: left to the description"),
        (
            "reg { field {} F[7:0] = 0; field {} G[15:8] = 0; G->reset = F; } A @ 0;",
            "A.G: reset: is what F has, and 0 here",
        ),
        (
            "reg { field {} RX[7:0] = 0; RX->sw = r; field { sw = w; } TX[7:0] = 0; } A @ 0;",
            "A.TX: bits 7:0: are those of RX",
        ),
        (
            "external mem { memwidth = 32; mementries = 2; " + REG + " V @ 0; } M @ 0;",
            "M.V: virtual register: its memory",
        ),
    ],
)
def test_what_has_no_word_is_noted(tmp_path: Path, inside: str, expected: str) -> None:
    """Register, property and what becomes of it."""
    assert any(note.startswith(expected) for note in notes(make(tmp_path, inside)))


def test_user_defined_properties_are_noted(tmp_path: Path) -> None:
    """The user's tools know them, a Device does not."""
    path = write(
        tmp_path,
        "property mine { component = reg; type = string; };\n"
        'addrmap card { reg { mine = "x"; field {} F[0:0] = 0; } A @ 0; };',
    )
    with pytest.warns(DescriptionWarning, match="A: mine: "):
        from_rdl(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "card.rdl: Could not find any 'addrmap' components to elaborate"),
        (b"addrmap a {\n  reg { field {} f[; } A;\n};", "card.rdl:2:20: no viable alternative at input"),
        (b"addrmap a {\n  reg { field {} F[3:0]; } A;", "card.rdl:2:29: extraneous input '<EOF>'"),
        (DMA.read_bytes()[:700], r"card.rdl:\d+:\d+: "),
        (b"\x7fELF\xff\xfe", "card.rdl: not text: invalid start byte at byte 4"),
        (b"\0\0\0\0", r"card.rdl:1:1: token recognition error"),
        (b"<device/>", "card.rdl:1:1: extraneous input '<'"),
        (b"addrmap a { nosuch A; };", "card.rdl:1:13: "),
        (b'`include "nosuch.rdl"\naddrmap a {};', "nosuch.rdl"),
    ],
)
def test_what_does_not_compile(tmp_path: Path, content: bytes, expected: str) -> None:
    """Empty, wrong, cut off, binary, another language: an error with file, line and column."""
    path = tmp_path / "card.rdl"
    path.write_bytes(content)
    with pytest.raises(DescriptionError, match=expected) as caught:
        from_rdl(path)
    assert str(caught.value).startswith(str(path))


def test_all_the_compiler_has_to_say_comes_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In the error, and not on stderr."""
    path = write(tmp_path, "addrmap a {\n  reg { field {} F[40:0]; } A @ 0;\n  reg { field {} F[0:0]; } B @ 0;\n};")
    with pytest.raises(DescriptionError) as caught:
        from_rdl(path)
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [f"{path}:2:18", f"{path}:3:28"]
    assert "Instance 'B' at offset" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_file(tmp_path: Path) -> None:
    """Its name, what the system said, and the system's own error behind it."""
    path = tmp_path / "none.rdl"
    with pytest.raises(DescriptionError, match=f"^{path}: cannot be read: No such file or directory$") as caught:
        from_rdl(path)
    assert isinstance(caught.value, MmioError)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            "reg { regwidth = 1024; field {} F[7:0] = 0; } A @ 0;",
            "card.A: its regwidth is 1024 bits, expected at most 512",
        ),
        ("external mem { memwidth = 12; mementries = 2; } M @ 0;", "card.M: memwidth is 12 bits, expected whole bytes"),
        (
            "external mem { memwidth = 8; mementries = 70000; } M @ 0;",
            "M is there 70000 times; a device has at most 65536",
        ),
        (f"{REG} A[300][300] @ 0;", "A is there 90000 times; a device has at most 65536 registers"),
    ],
)
def test_registers_that_cannot_be(tmp_path: Path, inside: str, expected: str) -> None:
    """The compiler takes them, a Device does not."""
    with pytest.raises(DescriptionError) as caught:
        make(tmp_path, inside)
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_spoilt_property_of_ours_is_an_error(tmp_path: Path, text: str) -> None:
    """It was written by hand, then."""
    prefix = "property pagetrap { component = all; type = string; };\n"
    quoted = json.dumps(text)
    path = write(tmp_path, f"{prefix}addrmap card {{ reg {{ pagetrap = {quoted}; field {{}} F[0:0] = 0; }} A @ 0; }};")
    with pytest.raises(
        DescriptionError, match=r"A: property pagetrap is '.', expected a JSON object: |property pagetrap is '\[\]'"
    ):
        from_rdl(path)


def test_without_the_compiler_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "systemrdl.compiler", None)
    with pytest.raises(ImportError, match=r"reading SystemRDL needs systemrdl-compiler: pip install 'pagetrap\[rdl\]'"):
        from_rdl(DMA)


def test_the_program_s_output_is_left_alone() -> None:
    """Importing the compiler wraps the standard streams, which would take the colours out of the program's output."""
    program = "import sys, mmio; before = sys.stdout, sys.stderr; mmio.from_rdl(sys.argv[1])\n"
    program += "assert (sys.stdout, sys.stderr) == before; print('same')"
    done = run_python(program, str(DMA))
    assert done.stdout == "same\n", done.stderr


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_is_in_a_file_it_is_a_device_or_a_description_error(data: st.DataObject) -> None:
    """A file with some of its bytes exchanged never fails in any other way."""
    content = bytearray(DMA.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 30))
    content[start : start + length] = data.draw(st.binary(max_size=4) | st.sampled_from([b"{", b"};", b"-1", b"99999"]))
    with NamedTemporaryFile(suffix=".rdl") as file, warnings.catch_warnings(), suppress(DescriptionError):
        warnings.simplefilter("ignore")
        file.write(content)
        file.flush()
        assert from_rdl(file.name).layout.places


@pytest.mark.parametrize(
    ("text", "included"),
    [
        ("<% open(my $f, '>', 'ran'); %>", ""),
        ("reg { field {} f; } a[<%= 1 %>];", ""),
        ('\n`include "more.rdl"\n', "<% open(my $f, '>', 'ran'); %>"),
    ],
    ids=["code", "value", "included"],
)
def test_perl_in_a_file_is_not_run_unless_permitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, included: str
) -> None:
    """A register description is data. The error says what permits its code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.rdl").write_text(included)
    with pytest.raises(DescriptionError, match=r"has Perl code between <% and %>, which is not run.*say perl=True"):
        make(tmp_path, f"{text} {REG} b;")
    assert not (tmp_path / "ran").exists()


def test_perl_is_run_where_it_is_permitted(tmp_path: Path) -> None:
    """Permitted code makes registers; what stands in a comment needs no permission."""
    device = make(tmp_path, f"<% for my $i (0..2) {{ %> {REG} R<%=$i%>; <% }} %>", perl=True)
    assert [line.split()[1] for line in device().dump().splitlines()] == ["R0", "R1", "R2"]
    make(tmp_path, f"// <% die %>\n/* <% die %> */ {REG} a;")
