"""`pagetrap run --fault`: a program on a device that fails."""

import signal
from pathlib import Path

import pytest

from mmio.boards.peripheral import Window
from mmio.commands.faults import Faults
from mmio.commands.parser import UsageError
from mmio.faults import parse
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import compiled

MODEL = """
from mmio import Device, bit, register
class Card(Device):
    stat = register(0, fields=[bit("RDY", 0)], reset=1)
    ctrl = register(4, fields=[bit("EN", 0)])
card = Card()
"""
SVD = """<device schemaVersion="1.1"><name>C</name><size>32</size><peripherals>
<peripheral><name>UART</name><baseAddress>0x40004400</baseAddress><addressBlock><offset>0</offset><size>0x400</size>
<usage>registers</usage></addressBlock><registers><register><name>SR</name><addressOffset>0</addressOffset>
<resetValue>1</resetValue><fields><field><name>RDY</name><bitOffset>0</bitOffset><bitWidth>1</bitWidth></field>
</fields></register></registers></peripheral></peripherals></device>"""
SOURCE = """
#include <stdint.h>
#include <stdio.h>
int main(void) {
    volatile uint32_t *card = (void *)0x40004400;
    for (int i = 0; i < 4; i++)
        printf("%x ", card[0]);
    printf("\\n");
    return 0;
}
"""
AT = "card.py:Card@range:0x40004400+0x100"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, the model and the chip."""
    made = tmp_path_factory.mktemp("faults")
    (made / "program").symlink_to(compiled(SOURCE, "-O1"))
    (made / "card.py").write_text(MODEL)
    (made / "chip.svd").write_text(SVD)
    return made


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
@pytest.mark.parametrize(
    ("device", "name"), [(("--device", AT), "Card.STAT"), (("--svd", "chip.svd"), "UART.SR")], ids=["device", "svd"]
)
def test_the_program_meets_the_fault(folder: Path, engine: str, device: tuple[str, str], name: str) -> None:
    """By either engine, on a model or on a chip."""
    fault = ("--fault", f"{name} stuck RDY=0 after 2 reads")
    done = pagetrap(folder, "run", "-q", f"--engine={engine}", *device, *fault, "--", "./program")
    assert (done.stdout, done.stderr, done.returncode) == ("1 1 0 0 \n", "", 0)


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_the_program_gets_sigbus(folder: Path, engine: str) -> None:
    """And dies of it, as pagetrap then does."""
    fault = ("--fault", "Card.STAT sigbus at read 3")
    done = pagetrap(folder, "run", "-q", f"--engine={engine}", "--device", AT, *fault, "--", "./program")
    assert done.returncode == -signal.SIGBUS


def test_a_bus_error_is_told_with_the_access(folder: Path) -> None:
    """The program is ended, as by an access that a policy refuses."""
    done = pagetrap(folder, "run", "-q", "--device", AT, "--fault", "Card.STAT bus-error at read 3", "--", "./program")
    assert done.returncode == 125
    assert "as the fault 'Card.STAT bus-error at read 3' says; read of 4 bytes" in done.stderr


def test_faults_add_up_and_idle_ones_are_told(folder: Path) -> None:
    """At the end, each with what has been seen at its place."""
    faults = ("--fault", "Card.STAT stuck RDY=0 at read 2", "--fault", "STAT stuck RDY=0 at read 9")
    done = pagetrap(folder, "run", "-q", "--device", AT, *faults, "--fault", "CTRL lost", "--", "./program")
    assert done.stdout == "1 0 1 1 \n"
    assert done.stderr == (
        "pagetrap: 2 faults have never happened: 'STAT stuck RDY=0 at read 9' (there were 4 reads); "
        "'CTRL lost' (nothing has touched its place)\n"
    )


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("Card.STAT stuk RDY=0", "argument --fault: fault 'Card.STAT stuk RDY=0': 'stuk' (column 11) is not an effect"),
        ("", "argument --fault: expected a fault such as"),
        ("Card.STTA stuck RDY=0", "Card has no register or line 'STTA'; did you mean 'STAT'?"),
        ("Card.STAT stuck RYD=0", "STAT has no field 'RYD'; did you mean 'RDY'?"),
        ("Card.STAT stuck RDY=0 from -1us", "'-1us' (column 28) is negative: times are from 0"),
    ],
)
def test_nonsense_is_told_before_the_program_runs(folder: Path, fault: str, told: str) -> None:
    """As every mistake in a command line."""
    done = pagetrap(folder, "run", "-q", "--device", AT, "--fault", fault, "--", "./program")
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr


def test_a_device_of_that_name_is_needed(folder: Path) -> None:
    """The nearest is named."""
    both = ("--device", AT, "--svd", "chip.svd")
    done = pagetrap(folder, "run", "-q", *both, "--fault", "UATR.SR stuck RDY=0", "--", "./program")
    assert done.returncode == 2
    assert "no device is named 'UATR'; did you mean 'UART'?" in done.stderr


def test_a_peripheral_among_another_ones_registers_has_none() -> None:
    """Its registers are not where its own offsets say."""
    faults = Faults([parse("UART.SR stuck 1")], ["UART", "USART"])
    with pytest.raises(UsageError, match="UART lies among the registers of another peripheral"):
        faults.put("UART", Window(0x10))


def test_a_device_that_answers_twice_counts_once(folder: Path) -> None:
    """It is one device, with one schedule."""
    places = ("--device", "card.py:card@range:0x40004400+0x100", "--device", "card.py:card@ports:0x300+8")
    done = pagetrap(folder, "run", "-q", *places, "--fault", "card.STAT stuck RDY=0 at read 4", "--", "./program")
    assert done.stdout == "1 1 1 0 \n"
    assert "never happened" not in done.stderr
