"""`derivedFrom`: an element that is like another one but for what it says itself.

Also what a cluster says about all its registers. Both are resolved before cmsis-svd sees the file, which finds a source
in fewer places than files have it, and hands down nothing from clusters.

The rules are the CMSIS-SVD format's: a source is named by a path of names, looked for from the nearest scope outward;
what the element says itself counts, with all that is in it.
"""

from copy import deepcopy
from typing import Final

from mmio.descriptions.report import did_you_mean
from mmio.descriptions.svd.elements import Element, name_of, named, problem

INHERITED: Final = ("size", "access", "protection", "resetValue", "resetMask")
ARRAY: Final = frozenset(("dim", "dimIncrement", "dimIndex", "dimName", "dimArrayIndex"))
_PLACE: Final = frozenset(("bitOffset", "bitWidth", "bitRange", "lsb", "msb"))


def complete(element: Element, under_way: tuple[Element, ...] = ()) -> None:
    """Give an element, and all in it, what it has from elsewhere. Raises DescriptionError."""
    if element in under_way:
        raise problem(element, "is derived from itself")
    wanted = element.get("derivedFrom")
    if wanted is not None:
        source = _source(element, wanted)
        complete(source, (*under_way, element))
        _derive(element, source)
        del element.attrib["derivedFrom"]
    for child in element:
        if element.tag == "cluster" and child.tag in ("register", "cluster"):
            _hand_down(element, child)
        complete(child, under_way)


def _source(element: Element, wanted: str) -> Element:
    parts = wanted.strip().split(".")
    known: list[str] = []
    scope = element.getparent()
    while scope is not None:
        found = [scope]
        for part in parts:
            found = [each for one in found for each in named(one) if name_of(each) == part]
        for each in found:
            if each.tag == element.tag and each is not element:
                return each
        known += [name_of(each) for each in named(scope) if each.tag == element.tag and each is not element]
        scope = scope.getparent()
    if element.tag == "enumeratedValues":  # most files name them without saying where they are
        for each in element.getroottree().iter("enumeratedValues"):
            if name_of(each) == parts[-1] and each is not element:
                return each
    raise problem(element, f"derived from {wanted!r}, which is not there{did_you_mean(parts[-1], known)}")


def _derive(element: Element, source: Element) -> None:
    own = {"name", *(child.tag for child in element)}
    if "%s" not in name_of(element):
        own |= ARRAY
    if element.tag == "field" and own & _PLACE:
        own |= _PLACE - {"bitWidth"} if "bitOffset" in own else _PLACE
    for child in source:
        if child.tag not in own:
            element.append(deepcopy(child))


def _hand_down(cluster: Element, child: Element) -> None:
    for tag in INHERITED:
        given = cluster.find(tag)
        if given is not None and child.find(tag) is None:
            child.append(deepcopy(given))
