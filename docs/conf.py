"""Settings of the manual that Sphinx makes of the pages. `make docs` builds it.

The pages are Markdown and read well where they lie. The whole repository is the source directory
(`sphinx-build -c docs . OUT`), so a link between two files leads to the same place here and there, and one to a source
file becomes a download. What is not a setting is in docs/site: the order of the pages, the reference of the API, the
landing page, the style.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from docs.site import api, contents, landing  # noqa: E402  # found by the path above

project = "pagetrap"
author = "The pagetrap authors"
project_copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]

root_doc = contents.ROOT
include_patterns = ["*.md", "docs/**.md", "benchmarks/*.md", "examples/**.md", "newsfragments/README.md"]
html_theme = "furo"
html_title = "pagetrap"
html_copy_source = False
html_favicon = "site/static/favicon.svg"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#7cc0ff", "color-brand-content": "#7cc0ff"},
    "top_of_page_buttons": [],
}
templates_path = ["site/templates"]
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_js_files = ["search.js"]

myst_heading_anchors = 3
# Sections may start at any depth, and a word in `backquotes` in a docstring is code.
suppress_warnings = ["myst.header"]
default_role = "code"

autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autosummary_generate = False
maximum_signature_line_length = 88  # a longer one has a line for each parameter
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"
# Pages of transcripts and machine code: what no lexer knows stays plain.
highlight_language = "none"
pygments_dark_style = "github-dark"
smartquotes = False  # a quoted word is what the code has


def setup(app: Sphinx) -> None:
    """Hook into the build."""
    for part in (contents, api, landing):
        part.setup(app)
