"""Accesses where no device answers: what the program gets, and what the user is told."""

from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, Run, pagetrap
from tests.mmio.ptrace.programs import program

# A card of 0x100 bytes in a page, ports 0x300 to 0x303; it probes beside both, and prints what it finds.
PROBING = r"""
int main(int argc, char **argv) {
    volatile uint32_t *card = map("/dev/nowhere0", PROT_READ | PROT_WRITE);
    card[0x3ff] = 1;
    printf("%08x %08x ", card[0x3ff], card[0]);
    if (iopl(3)) return 1;
    outl(5, 0x310);
    printf("%02x %04x %08x %02x\n", inb(0x310), inw(0x310), inl(0x310), inb(0x301));
    return 0;
}
"""
CARD = """
class Card:
    length = 0x100
    def read(self, offset, width):
        return int.from_bytes(bytes(offset + i & 0xFF for i in range(width)), "little")
    def write(self, offset, width, value):
        pass
"""


def probe(engine: str, directory: Path, *options: str, where: str = "") -> Run:
    (directory / "card.py").write_text(CARD)
    devices = ["--device", f"card.py:Card@/dev/nowhere0{where}", "--device", "card.py:Card@ports:0x300+4"]
    return pagetrap(engine, directory, "run", [*devices, "-q", *options], [str(program(PROBING))])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("answer", "bits"), [("ones", -1), ("zeros", 0)])
def test_probing_programs_go_on(tmp_path: Path, engine: str, answer: str, bits: int) -> None:
    """Reads give ones, or zeros if so asked, writes are lost; the end tells how many, and which came first."""
    options = [] if answer == "ones" else [f"--unmapped={answer}"]
    run = probe(engine, tmp_path, *options)
    byte, word, dword = (bits & (1 << 8 * width) - 1 for width in (1, 2, 4))
    assert (run.status, run.output) == (0, f"{dword:08x} 03020100 {byte:02x} {word:04x} {dword:08x} 01\n"), (
        run.complaints
    )
    assert (
        f"6 accesses where no device answers (read as {answer}, writes lost): W 4 Card+0xffc at main+" in run.complaints
    )
    assert "W 4 ports+0x310" in run.complaints
    assert len(run.accesses) == 8


@pytest.mark.parametrize("engine", ENGINES)
def test_error_ends_the_program_at_the_first(tmp_path: Path, engine: str) -> None:
    """With --unmapped=error the message names the file's offset, the devices there, and both remedies."""
    run = probe(engine, tmp_path, "--unmapped=error")
    assert run.status == 125
    told = (
        "no device answers at 0xffc of the file that is mapped ('Card' has 0x0..0x100): make the device longer, or use "
    )
    assert told in run.complaints
    assert "--unmapped=ones" in run.complaints
    assert "0x5a" not in run.complaints.replace("0x5a0000000ffc", "")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_device_may_have_an_answer_of_its_own(tmp_path: Path, engine: str) -> None:
    """What WHERE ends in holds for that device's mapping only."""
    run = probe(engine, tmp_path, where=",unmapped=zeros")
    assert (run.status, run.output[:8], run.output[18:20]) == (0, "00000000", "ff"), run.complaints


@pytest.mark.parametrize("engine", ENGINES)
def test_a_port_without_the_right_to_it_is_a_fault(tmp_path: Path, engine: str) -> None:
    """A program that has not asked for a port is killed by its access, as natively, whatever answers elsewhere."""
    (tmp_path / "card.py").write_text(CARD)
    body = "int main() { ioperm(0x300, 4, 1); inb(0x300); return inb(0x310); }"
    options = ["--device", "card.py:Card@ports:0x300+4", "-q"]
    assert pagetrap(engine, tmp_path, "run", options, [str(program(body))]).status == -11
