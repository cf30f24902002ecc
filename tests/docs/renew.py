"""Renew the outputs that pages show: `python -m tests.docs.renew docs/cookbook.md …`.

Each page is run as its test runs it. Where a block prints something else than the page shows, the page gets what it
printed. Where the page has a "…" it was written by hand: the place is named instead.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.documents import TOP, Block, Page, printed, shows


def written(block: Block, output: str) -> str:
    """Return how a page has a block, from its first line to the end of its output."""
    if block.language == "console":
        return f"$ {block.code}\n{output}"
    return f"```python\n{block.code}```\n" + (f"\n```\n{output}```\n" if output else "")


def renewed(page: Page, outputs: list[str]) -> tuple[str, list[Block]]:
    """Return the text of a page with new outputs, and the blocks that have to be looked at."""
    done, rest, by_hand = "", page.text, []
    for block, output in zip(page.blocks, outputs, strict=True):
        if block.language == "file" or shows(block.output, output):
            continue
        if "…" in block.output:
            by_hand.append(block)
            continue
        before, old, rest = rest.partition(written(block, block.output))
        done += before + (written(block, f"{output.rstrip()}\n" if output.strip() else "") if old else "")
    return done + rest, by_hand


def renew(paths: list[str]) -> Iterator[str]:
    """Renew pages; yield a line for each block that has to be looked at."""
    for path in paths:
        page = Page(path)
        with tempfile.TemporaryDirectory() as folder:
            text, by_hand = renewed(page, printed(page.blocks, Path(folder)))
        (TOP / path).write_text(text)
        yield from (f"{block.place}: written by hand, and prints something else" for block in by_hand)


if __name__ == "__main__":
    print(*renew(sys.argv[1:]), sep="\n")
