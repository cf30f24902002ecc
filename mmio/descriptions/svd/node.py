"""An element with everything it inherits: `derivedFrom` names the element to inherit from.

The rules are the CMSIS-SVD format's: what an element says itself counts, with all that is in it; the rest comes from
the source, which may be derived in turn. An array is inherited only by a name that has a place for the label.
"""

from typing import Final

from attrs import frozen

from mmio.descriptions.report import Report
from mmio.descriptions.svd.document import Document
from mmio.descriptions.svd.elements import Element, by_tag

_ARRAY: Final = frozenset(("dim", "dimIncrement", "dimIndex", "dimName", "dimArrayIndex"))
_PLACE: Final = frozenset(("bitOffset", "bitWidth", "bitRange", "lsb", "msb"))
_OWN: Final = frozenset(("name",))
_LONGEST_CHAIN: Final = 64  # of sources of sources

Parts = dict[str, list[Element]]


@frozen(eq=False)
class Node:
    """An element and its children by tag, the sources' among them.

    `sources`: the element and those it is derived from, and the same of the clusters and the peripheral around it.
    """

    element: Element
    parts: Parts
    sources: frozenset[Element] = frozenset()

    @property
    def line(self) -> int:
        """The line of the element in the file."""
        return int(self.element.sourceline or 0)

    def text(self, tag: str) -> str | None:
        """Return the text of a child, None when there is no such child."""
        found = self.parts.get(tag)
        return None if found is None else (found[0].text or "").strip()

    def children(self, container: str, *tags: str) -> list[Element]:
        """Return the elements of some tags in a container, in the file's order; "" for those without one."""
        if not container:
            return [each for tag, found in self.parts.items() if tag in tags for each in found]
        return [each for one in self.parts.get(container, ()) for each in one if each.tag in tags]


def resolve(element: Element, path: str, document: Document, report: Report, above: Node | None = None) -> Node:
    """Return an element with what it is derived from. `above`: the cluster, register or peripheral it is in."""
    if above is None and element.get("derivedFrom") is None:
        return Node(element, by_tag(element), frozenset((element,)))
    around = frozenset[Element]() if above is None else above.sources
    chain = [element]
    while (wanted := chain[-1].get("derivedFrom")) is not None:
        source = document.source(chain[-1])
        problem = ""
        if source is None:
            hint = report.hint(wanted.rpartition(".")[2], lambda: document.near(chain[-1]))
            problem = f"is {wanted[:80]!r}, which is not there{hint}"
        elif source in chain or source in around:
            problem = f"is {wanted[:80]!r}: derived from itself"
        elif len(chain) == _LONGEST_CHAIN:
            problem = f"is {wanted[:80]!r}, the last of {_LONGEST_CHAIN} sources of sources"
        if problem or source is None:
            report.slip(path, chain[-1].sourceline, "derivedFrom", problem, "taken as it says itself")
            break
        chain.append(source)
    parts: Parts = by_tag(chain[-1])
    for each in reversed(chain[:-1]):
        parts = _derived(by_tag(each), each, parts)
    return Node(element, parts, around.union(chain))


def _derived(own: Parts, element: Element, source: Parts) -> Parts:
    """Return the parts of an element over those of its source."""
    without = set(_OWN)
    if "%s" not in (own["name"][0].text or "" if "name" in own else ""):
        without |= _ARRAY
    if element.tag == "field" and own.keys() & _PLACE:
        without |= _PLACE - {"bitWidth"} if "bitOffset" in own else _PLACE
    return {tag: found for tag, found in source.items() if tag not in without} | own
