"""The page as a file: whole, safe, and readable without a network."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from mmio import Device, TraceView, register
from mmio.reports.page import SCRIPTS, framed, page
from tests.mmio.reports.pages import Uart, driven
from tests.mmio.sample_traces import access

HOSTILE = st.text(st.sampled_from("<>&\"'/!-=;\u2028\u202e\x00\x1b\ud800aéscript")) | st.sampled_from(
    ["</script><script>alert(1)</script>", "<!--<script>", "${title}", "$data", "]]>", "' onload='x"]
)


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and the texts of some."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag = self.found[-1][0]
            self.texts[tag] = self.texts.get(tag, "") + data

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.found]


def test_nothing_is_loaded() -> None:
    """No element names another file, and the policy allows nothing to be loaded but images that are in the page."""
    html = driven().report(Uart).html()
    found = Elements(html).found
    assert [value for _, attributes in found for name, value in attributes.items() if name in ("src", "href")] == [
        "data:,"
    ]
    assert "@import" not in html
    assert "url(" not in html
    (policy,) = (a["content"] for tag, a in found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_the_policy_names_style_and_script_by_their_hashes() -> None:
    """The hashes are those of the two texts in the page."""
    html = driven().report().html()
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in html


def test_scripts_have_nothing_that_ends_them() -> None:
    """Neither the style nor a script has text that HTML would take for its end, or for a comment."""
    html = page("t", [], {}, "")
    assert html.count("</script>") == 2
    assert html.count("</style>") == 1
    assert "<!--" not in html
    assert len(SCRIPTS) == len(set(SCRIPTS))


@given(HOSTILE, HOSTILE, HOSTILE)
def test_names_never_become_markup(title: str, name: str, text: str) -> None:
    """Whatever is in titles, names and marks, the page has the same elements as one with harmless names."""

    def tags(*names: str) -> list[str]:
        class Card(Device):
            ctrl = register(0)

        view = TraceView.of([access(0, region=names[1], register=names[1])])
        html = view.report(
            {names[1]: Card}, against=TraceView.of([access(0, register=names[2])]), title=names[0]
        ).html()
        html.encode()
        return Elements(html).tags

    assert tags(title, name or "x", text) == tags("t", "n", "x")


def test_a_frame_is_one_element() -> None:
    """For a notebook the page is the attribute of one frame, which may run scripts and has no other right."""
    (frame,) = Elements(framed(driven().report().html(), "<b>")).found
    assert frame[0] == "iframe"
    assert frame[1]["sandbox"] == "allow-scripts"
    assert (frame[1]["srcdoc"] or "").startswith("<!DOCTYPE html>")
