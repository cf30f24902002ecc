"""The first page of the site, index.html, made of what the README and docs/README.md say.

From the README come the first paragraph, the picture, the line that installs, and the examples: each a paragraph that
begins in bold, and the blocks of code below it. From docs/README.md come the lists of pages. The gallery shows every
other picture of the manual, with its description in the page where it stands.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from docs.site import contents

PAGE = "index"
SOURCE = "README"
KINDS = ("Tutorials", "How-to guides", "Reference", "Explanation")
EXAMPLES = "Examples"


class Door(NamedTuple):
    """An example of the README: the paragraph that begins in bold, and the blocks of code below it, as HTML."""

    text: str
    code: str


class Picture(NamedTuple):
    """A picture of the manual: its file in the site, its description, and the page where it stands."""

    file: str
    description: str
    page: str
    title: str


def landing(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page: its name, what its template is given, and the template."""
    builder = app.builder
    if not isinstance(builder, StandaloneHTMLBuilder):
        return
    readme = app.env.get_and_resolve_doctree(SOURCE, builder)
    lists = {section.heading: section for section in contents.sections(Path(app.srcdir))}
    demo = next(readme.findall(nodes.image))
    pictures = list(_pictures(app))
    context = {
        "title": app.config.project,
        "summary": next(readme.findall(nodes.paragraph)).astext(),
        "demo": next(picture for picture in pictures if picture.description == demo["alt"]),
        "install": install_line(readme),
        "doors": list(doors(readme, builder)),
        "kinds": [lists[kind] for kind in KINDS],
        "examples": lists[EXAMPLES],
        "pictures": [picture for picture in pictures if picture.description != demo["alt"]],
    }
    yield PAGE, context, "landing.html"


def install_line(readme: nodes.document) -> str:
    """Return the first command of the README that installs the package."""
    for node in readme.findall(lambda node: isinstance(node, nodes.literal | nodes.literal_block)):
        for line in node.astext().splitlines():
            if "pip install" in line:
                return str(line.strip())
    raise ValueError("expected a command with `pip install` in README.md, and there is none")


def doors(readme: nodes.document, builder: StandaloneHTMLBuilder) -> Iterator[Door]:
    """Yield the examples of the README."""
    for paragraph in readme.findall(nodes.paragraph):
        code = []
        opening = next((child for child in paragraph.children if child.astext()), None)  # MyST begins with empty text
        if isinstance(opening, nodes.strong):
            following = paragraph.next_node(descend=False, siblings=True)
            while isinstance(following, nodes.literal_block):
                code.append(following)
                following = following.next_node(descend=False, siblings=True)
        if code:
            yield Door(_html(paragraph, builder), "".join(_html(block, builder) for block in code))


def _html(node: nodes.Node, builder: StandaloneHTMLBuilder) -> str:
    return str(builder.render_partial(node)["fragment"])


def _pictures(app: Sphinx) -> Iterator[Picture]:
    """Yield every picture of the manual once, in the order of the pages."""
    listed = [entry.page for section in contents.sections(Path(app.srcdir)) for entry in section.entries]
    seen = set()
    for page in [*listed, *sorted(app.env.found_docs - set(listed))]:
        for node in app.env.get_doctree(page).findall(nodes.image):
            if node["uri"] in app.env.images and node["uri"] not in seen:
                seen.add(node["uri"])
                _, name = app.env.images[node["uri"]]
                yield Picture(f"_images/{name}", node["alt"], page, app.env.titles[page].astext())


def make_it_home(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Have the name of the project, which each page shows, lead to the landing page."""
    context["master_doc"] = PAGE


def setup(app: Sphinx) -> None:
    """Hook into the build."""
    app.connect("html-collect-pages", landing)
    app.connect("html-page-context", make_it_home)
