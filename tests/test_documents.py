"""The mechanism that runs pages: what it takes for a block, and that a page which lies is found out."""

from pathlib import Path

import pytest

from tests.docs.renew import renewed
from tests.documents import Block, Page, assert_runs, printed, shows

TEXT = """
```python
# part.py
NUMBER = 5
```

```python
from part import NUMBER
print(NUMBER, id(NUMBER))
```

```
5 …
```

```python
NUMBER + "x"
```

```
Traceback …
TypeError: unsupported operand …
```

```console
$ cat part.py
# part.py
NUMBER = 5
$ echo end
end
```

```python
print(NUMBER)
```

```
5
```
"""


def page(tmp_path: Path, text: str) -> Page:
    (tmp_path / "page.md").write_text(text)
    return Page(str(tmp_path / "page.md"))


def test_blocks_run_as_one_session(tmp_path: Path) -> None:
    """Files are written, names stay, exceptions are printed, commands are run in the same folder."""
    blocks = page(tmp_path, TEXT).blocks
    assert [block.language for block in blocks] == ["file", "python", "python", "console", "console", "python"]
    assert_runs(blocks, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)\n```\n\n```\n2\n```\n",
        "```python\nprint(1)\n```\n",
        "```python\n1 / 0\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```python\nprint(1, 2, 3)\n```\n\n```\n1 … 4\n```\n",
    ],
)
def test_a_page_that_lies_is_found_out(tmp_path: Path, text: str) -> None:
    """Other output than shown, or output that is not shown at all; the message says where on the page."""
    with pytest.raises(AssertionError, match=r"page.md:2 shows"):
        assert_runs(page(tmp_path, text).blocks, tmp_path)


def test_a_session_that_dies_is_found_out(tmp_path: Path) -> None:
    """A page whose code ends the interpreter has not run."""
    with pytest.raises(AssertionError):
        assert_runs([Block("here", "python", "import os\nos._exit(3)\n", "")], tmp_path)


LINE = (
    "0.004173  R        4  0x7ffb101ee000  Fan.CTRL  0x00000001  EN=1  fan_start+0x3 (fan.so) fan.c:7  mov eax,[rdi]\n"
)


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        (LINE.replace("0.004173", "1.500000").replace("0x7ffb101ee000", "0x7ffb10000000"), True),
        (LINE.replace("mov eax,[rdi]", "or dword ptr [rdi],1").replace("+0x3", "+0x0"), True),
        (LINE.replace("0x00000001", "0x00000002"), False),
        (LINE.replace("Fan.CTRL", "Fan.STAT"), False),
        (LINE.replace("EN=1", "EN=0"), False),
        (LINE.replace("R  ", "W  "), False),
        (LINE.replace("fan.c:7", "fan.c:8"), False),
        (LINE * 2, False),
    ],
)
def test_times_addresses_and_instructions_are_not_compared(printed: str, same: bool) -> None:
    """A page may show a real run: another one has other times, addresses and instructions, and nothing else."""
    assert shows(LINE, printed) == same


def test_outputs_are_renewed(tmp_path: Path) -> None:
    """What has changed is replaced and what is new is added; the rest of the page stays, and a "…" is not touched."""
    stale = TEXT.replace("```\n5\n```", "```\n6\n```").replace("$ echo end\nend\n", "$ echo end\n")
    stale = stale.replace("5 …", "7 …")
    found = page(tmp_path, stale)
    text, by_hand = renewed(found, printed(found.blocks, tmp_path))
    assert text == TEXT.replace("5 …", "7 …")
    assert [block.output for block in by_hand] == ["7 …\n"]
