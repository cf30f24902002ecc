"""The mechanism that runs pages: what it takes for a block, and that a page which lies is found out."""

from pathlib import Path

import pytest

from tests.documents import Block, Page, assert_runs

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
