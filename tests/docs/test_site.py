"""The manual in a browser: what a reader sees, on a desk and on a phone, in the light and in the dark.

`python -m tests.docs.test_site MANUAL FOLDER` writes the pictures of a built manual that the tests take, to look at.
"""

import functools
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from attrs import define, frozen
from matplotlib.image import imread

from docs.site import landing
from tests.browser import Browser, browser

# In one process with the tests for which the manual is built.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("manual"), pytest.mark.timeout(600)]

LOOKED_AT = ("index", "docs/model-a-device", "docs/api/mmio", "docs/coverage", "docs/command-line")
WIDTH = 390  # of a phone, in pixels
LOOKS = {  # whether each is a phone's, and dark
    "desktop-light": (False, False),
    "desktop-dark": (False, True),
    "phone-light": (True, False),
    "phone-dark": (True, True),
}

# Elements that are wider than the page, and those that hide a part of what is in them.
MEASURE = """
const width = arguments[0];
const all = [...document.querySelectorAll(".content *")];
const overflow = element => getComputedStyle(element).overflowX;
const scrolls = element => ["auto", "scroll"].includes(overflow(element));
const inside = element => element.parentElement && (scrolls(element.parentElement) || inside(element.parentElement));
const named = elements => elements.map(one => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 60)}`);
const wide = all.filter(one => one.getBoundingClientRect().right > width + 1 && !inside(one));
const boxes = all.filter(one => one.matches("pre, table, dt, p, li, .table-wrapper"));
return {
    wide: document.documentElement.scrollWidth > width ? ["the page", ...named(wide).slice(0, 5)] : [],
    cut: named(boxes.filter(one => one.scrollWidth > one.clientWidth + 1 && overflow(one) === "hidden")),
};
"""
# Looks at an expression until it is true.
UNTIL = "while (!eval(given[0])) await new Promise((later) => setTimeout(later, 10));"


@frozen
class Visit:
    """A page as the browser has it: complaints of the console, what is too wide for a phone, what is cut off."""

    complaints: list[str]
    wide: list[str]
    cut: list[str]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests."""
    with browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture(scope="module")
def visits(manual: Path, window: Browser) -> dict[str, Visit]:
    """Every page, on a phone."""
    window.look(phone=True)
    found = {}
    for path in sorted(manual.rglob("*.html")):
        window.open(path)
        found[str(path.relative_to(manual))] = Visit(complaints=window.errors(), **window.run(MEASURE, WIDTH))
    return found


def test_no_page_complains(visits: dict[str, Visit]) -> None:
    """The console has no errors: no script fails, no file is missing, nothing comes from the network."""
    assert {page: visit.complaints for page, visit in visits.items() if visit.complaints} == {}


def test_no_page_is_wider_than_a_phone(visits: dict[str, Visit]) -> None:
    """A page of 390 pixels does not scroll sideways; what is wide scrolls in its box."""
    assert {page: visit.wide for page, visit in visits.items() if visit.wide} == {}


def test_nothing_is_cut_off(visits: dict[str, Visit]) -> None:
    """No code, table or signature hides its end."""
    assert {page: visit.cut for page, visit in visits.items() if visit.cut} == {}


@define
class Links(HTMLParser):
    """The links of a page, and the places in it that links can lead to."""

    targets: set[str]
    places: set[str]

    @classmethod
    def of(cls, path: Path) -> "Links":
        """Read a page."""
        links = cls(set(), set())
        HTMLParser.__init__(links)
        links.feed(path.read_text())
        return links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what an element refers to, and its own name."""
        for name, value in attrs:
            if name in ("href", "src", "action", "data") and value and tag != "use":
                self.targets.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken(site: Path) -> list[str]:
    """Return the links of a site's pages to files or places that are not there, each with its page."""
    pages = {path: Links.of(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, links in pages.items():
        for link in sorted(links.targets):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc or link == "#":
                continue
            if not target.is_file() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places
            ):
                found.append(f"{path.relative_to(site)}: {link}")
    return found


def test_every_link_of_the_site_leads_somewhere(manual: Path) -> None:
    """Each link to a page, a place in a page, a picture, a script or a download has its target."""
    assert broken(manual.resolve()) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing place are told; other hosts are passed over."""
    (tmp_path / "there.html").write_text('<p id="place">')
    (tmp_path / "page.html").write_text(
        '<a href="there.html#place"><a href="there.html#no"><img src="gone.png"><a href="https://example.org"><a>'
    )
    assert broken(tmp_path.resolve()) == ["page.html: gone.png", "page.html: there.html#no"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module", params=["file", "http"])
def address(request: pytest.FixtureRequest, manual: Path) -> Iterator[str]:
    """The manual's address: of its folder, or of a server."""
    if request.param == "file":
        yield manual.as_uri()
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(manual))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_search_finds_a_name(address: str, window: Browser) -> None:
    """A search for a function, by the box at the side, finds its entry in the API and a tutorial."""
    window.look()
    window.open(f"{address}/index.html")
    window.run("""
        document.querySelector(".sidebar-search").value = "ioremap";
        document.querySelector(".sidebar-search-container").submit();
    """)
    window.wait(UNTIL, "/found/.test(document.querySelector('.search-summary')?.innerText)")
    found = "document.querySelectorAll('#search-results li > a')"
    links = window.run(f"return [...{found}].map(link => link.getAttribute('href'))")
    assert links[0] == "docs/api/mmio.html#mmio.ioremap"
    assert "docs/model-a-device.html" in {link.partition("#")[0] for link in links}
    assert window.errors() == []


def test_the_landing_page_shows_what_the_readme_says(manual: Path, window: Browser) -> None:
    """The first page has the picture, the line that installs, the examples of the README, all kinds of pages."""
    window.look()
    window.open(manual / "index.html")
    window.wait(UNTIL, "[...document.images].every(image => image.complete)")
    counted = window.run("""
        const count = selector => document.querySelectorAll(".landing " + selector).length;
        return {
            summary: count(".summary"), install: count(".install"), demo: count(".demo img"),
            doors: count(".door"), code: count(".door:has(pre)"), kinds: count(".kinds .card"),
            broken: [...document.images].filter(image => !image.naturalWidth).length,
        };
    """)
    doors = counted["doors"]
    assert doors >= 3
    assert counted == {
        "summary": 1,
        "install": 1,
        "demo": 1,
        "doors": doors,
        "code": doors,
        "kinds": len(landing.KINDS),
        "broken": 0,
    }


def shots(window: Browser, page: Path, name: str, folder: Path) -> Iterator[tuple[bool, Path]]:
    """Take the pictures of a page; yield of each whether it is to be dark, and its file."""
    for look, (phone, dark) in LOOKS.items():
        window.look(phone=phone, dark=dark)
        window.open(page)
        path = folder / f"{name.replace('/', '-')}-{look}.png"
        window.screenshot(path)
        yield dark, path


@pytest.mark.parametrize("page", LOOKED_AT)
def test_a_page_is_light_or_dark_as_the_system_is(page: str, manual: Path, window: Browser, tmp_path: Path) -> None:
    """Most of the picture of a page is bright where the system prefers that, and dark where it prefers that."""
    for dark, path in shots(window, manual / f"{page}.html", page, tmp_path):
        pixels = imread(path)[:, :, :3].mean(axis=2)
        bright = float((pixels > 0.5).mean())
        assert bright < 0.5 if dark else bright > 0.5, f"{path.name}: {bright:.0%} of it is bright"
        assert pixels.std() > 0.02, f"{path.name} is empty"


def main(manual: Path, folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as window:
        for page in LOOKED_AT:
            for _, path in shots(window, manual / f"{page}.html", page, folder):
                print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
