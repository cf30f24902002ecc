"""HTML page of a report: skeleton, style, scripts and data in one file, which asks the network for nothing.

The style and the scripts are files beside this one (`page.html`, `*.css`, `*.js`), put together without a build step. A
Content Security Policy names them by their hashes and forbids all else: whatever a name in a trace contains, the
browser executes and loads nothing of it.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from mmio.records.printable import printable

SCRIPTS: Final = ("data.js", "filter.js", "table.js", "gestures.js", "timeline.js", "views.js", "report.js")
"""In the order in which they use each other."""


def page(title: str, facts: Iterable[str], sections: Mapping[str, str], data: str) -> str:
    """Return the page.

    Args:
        title: a line of text.
        facts: what the trace is, each in a few words.
        sections: further parts of the page, HTML by name.
        data: what `packed` returns.
    """
    style, script = _joined("report.css"), _joined(*SCRIPTS)
    shown = "".join(f'<section id="{name}" role="tabpanel" hidden>{html}</section>' for name, html in sections.items())
    return Template(_joined("page.html")).substitute(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        title=escape(printable(title)),
        facts="".join(f"<li>{escape(printable(fact))}</li>" for fact in facts),
        sections=shown,
        data=data,
    )


def framed(html: str, title: str) -> str:
    """Return a page as part of another, such as a notebook: a frame that may run its scripts, and nothing else."""
    style = "width:100%;height:44rem;border:1px solid #8888;border-radius:4px"
    return (
        f'<iframe sandbox="allow-scripts" style="{style}" title="{escape(printable(title))}" '
        f'srcdoc="{escape(html)}"></iframe>'
    )


@cache
def _joined(*names: str) -> str:
    folder = files(__package__)
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
