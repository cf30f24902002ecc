"""Links between the pages of the repository: each leads to a file that is there, and to a heading that the file has."""

import re
from pathlib import Path

import pytest

from tests.documents import TOP

HIDDEN = {"build", "node_modules"}
PAPERS = sorted(
    path.relative_to(TOP)
    for path in TOP.rglob("*.md")
    if not any(part.startswith(".") or part in HIDDEN for part in path.relative_to(TOP).parts)
)
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
CODE = re.compile(r"^(```+).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """Return the relative links of a page, outside of code."""
    found = [inline or reference for inline, reference in LINK.findall(CODE.sub("", text))]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and Sphinx with myst_heading_anchors make them."""
    found: set[str] = set()
    for heading in re.findall(
        r"^#+ (.+?)\s*$", re.sub(r"^(```+).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE), re.M
    ):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-{sum(one.startswith(slug) for one in found)}")
    return found


def leads_nowhere(page: Path, link: str) -> bool:
    """Return whether the file of a page's link is not there, or is a page without the heading."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if anchor and target.suffix == ".md" and target.exists():
        return anchor not in anchors(target.read_text())
    return not target.exists()


def dead(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    return [link for link in links(page.read_text()) if leads_nowhere(page, link)]


@pytest.mark.parametrize("path", PAPERS, ids=str)
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    """No page of the repository has a link to a file, or to a heading of one, that is not there."""
    assert dead(TOP / path) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are told; code, other hosts and headings in code are passed over."""
    (tmp_path / "there.md").write_text("# A `word`, and more\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text("""
[good](there.md#a-word-and-more) [gone](gone.md) [no heading](there.md#no-heading) [host](https://example.org/x.md)
`[code](not-a-link.md)` [here](#section)
[reference]: nowhere.md
## Section
""")
    assert dead(page) == ["gone.md", "there.md#no-heading", "nowhere.md"]


def test_the_pages_are_found() -> None:
    """The README, the manual and the examples' pages are among the pages that are looked at."""
    assert {Path("README.md"), Path("docs/README.md"), Path("examples/nic/README.md")} <= set(PAPERS)
    assert sum(len(links((TOP / path).read_text())) for path in PAPERS) > 100
