"""Tables in notebooks."""

from decode import READ_WRITE, WRITE
from mmio.pictures.notebook import notebook
from mmio.pictures.writing import READS, WRITES
from tests.mmio.sample_traces import POLL, access

LOCATED = {0x401000: POLL.location}


def test_an_access_is_a_row() -> None:
    """A row has number, direction, register, value, function and source line, each in a cell."""
    html = notebook([access(5, value=3)], LOCATED, 10)
    for cell in (">5<", ">R<", ">timer.STATUS<", ">0x00000003<", ">poll+0x4<", ">driver.c:42<"):
        assert cell in html


def test_directions_have_colours() -> None:
    """Direction and value are in the colour of reads, of writes, or of atomics; nothing else is coloured."""
    html = notebook([access(0), access(1, direction=WRITE), access(2, direction=READ_WRITE, old=1)], {}, 10)
    assert html.count(f"color:{READS}") == html.count(f"color:{WRITES}") == 2
    assert html.count("color:") == 6


def test_code_without_a_name_has_its_address() -> None:
    """Where nothing is known of an instruction its address stands for the function; without one the column is gone."""
    assert ">0x401000<" in notebook([access(0)], {}, 10)
    assert "function" not in notebook([access(0, ip=0)], {}, 10)


def test_rows_are_bounded() -> None:
    """Of a long trace the first rows are shown, and the caption says how many there are."""
    html = notebook([access(n) for n in range(2000)], {}, 40)
    assert html.count("<tr>") == 41
    assert "2,000 accesses, the first 40; report() shows all of them" in html


def test_threads_are_shown_if_there_are_several() -> None:
    """The thread is a column when it tells accesses apart."""
    assert "thread" not in notebook([access(0), access(1)], {}, 10)
    assert "thread" in notebook([access(0), access(1, thread=7)], {}, 10)


def test_names_are_escaped() -> None:
    """Nothing of a trace becomes markup."""
    assert "<b>" not in notebook([access(0, register="<b>")], {}, 10)
