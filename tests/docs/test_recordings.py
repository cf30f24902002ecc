"""Recordings of terminals are of what the commands print today. `python -m tests.docs.recordings` makes them."""

import re
import shutil

import pytest

from tests import terminal
from tests.docs.recordings import PAGES, drawing_of, recording
from tests.documents import TOP
from tests.needs import need

# What differs from run to run and from compiler to compiler: instructions, times, addresses.
MASKS = (
    (r"(?m)^( *\d+\.\d{6}  .*)0x[0-9a-f]{12}  [a-z]+ .*$", r"\1IP INSTRUCTION"),
    (r"\+0x[0-9a-f]+ (?=\()", "+OFFSET "),
    (r"(?m)(\.c:\d+) .*$", r"\1 INSTRUCTION"),
    (r"\b\d+\.\d+s?\b", "TIME"),
    (r"0x[0-9a-f]{12}\b", "ADDRESS"),
    (r" +", " "),
)


def masked(drawing: str) -> str:
    """Return the text of a drawing without what differs from run to run."""
    text = "\n".join(terminal.lines(drawing))
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_recording_is_of_today(page: str) -> None:
    """The commands of a page and what they print are those in its drawing."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    assert masked(drawing_of(page).read_text()) == masked(recording(page)), "run python -m tests.docs.recordings"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_its_recording(page: str) -> None:
    """The page has the drawing, with a description for those who cannot see it."""
    assert re.search(rf"^!\[[^\]]{{20,}}\]\({drawing_of(page).name}\)$", (TOP / page).read_text(), re.MULTILINE)


def test_a_drawing_has_the_text() -> None:
    """The text of a drawing can be read back; colours and the shape of the letters are not in it."""
    drawing = terminal.picture("\x1b[32m$\x1b[0m ls  -l\n\n<a> & b", title="Title")
    assert list(terminal.lines(drawing)) == ["$ ls  -l", "", "<a> & b"]
