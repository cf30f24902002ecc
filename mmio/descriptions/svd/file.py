"""An SVD file cut down to one peripheral that is complete in itself, in the form cmsis-svd reads best."""

from collections.abc import Iterator
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path

from mmio.descriptions.errors import DescriptionError
from mmio.descriptions.report import did_you_mean
from mmio.descriptions.svd.derive import ARRAY, complete
from mmio.descriptions.svd.elements import Element, drop, name_of, named, put
from mmio.descriptions.svd.values import labels, normalise, number


def read_peripheral(path: str | PathLike[str], name: str) -> Element:
    """Return the root of the file with this peripheral only. Raises DescriptionError."""
    root = _root(path)
    every = list(root.iterfind("peripherals/peripheral"))
    places = {each: (element, base) for element in reversed(every) for each, base in _spread(element)}
    if name not in places:
        raise DescriptionError(path, f"there is no peripheral {name!r}{did_you_mean(name, places)}")
    chosen, base = places[name]
    complete(chosen)
    put(chosen, "name", name)
    if base is not None:
        put(chosen, "baseAddress", str(base))
    for tag in ARRAY:
        drop(chosen, tag)
    for other in every:
        if other is not chosen:
            other.getparent().remove(other)
    for each in [child for child in root if len(child) and child.tag != "peripherals"]:
        root.remove(each)  # the CPU, vendors' extensions: nothing about a peripheral
    for each in chosen.findall("addressBlock"):
        chosen.remove(each)
    normalise(root)
    for tag, form in (("prependToName", "{0}{1}"), ("appendToName", "{1}{0}")):
        text = drop(chosen, tag)
        for child in named(chosen):
            if text and child.tag in ("register", "cluster"):
                put(child, "name", form.format(text, name_of(child)))
    for cluster in root.iter("cluster"):
        _as_array(cluster)
    return root


def _root(path: str | PathLike[str]) -> Element:
    from lxml import etree

    # Nothing outside the file is read, whatever its document type says.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.parse(BytesIO(Path(path).read_bytes()), parser, base_url=fspath(path)).getroot()
    except OSError as error:
        raise DescriptionError(path, f"cannot be read: {error.strerror}") from error
    except etree.XMLSyntaxError as error:
        line, column = error.position
        problem = f"{fspath(path)}:{line}:{column}: not XML, or only a part of it: {error.msg}"
        raise DescriptionError(path, problem) from error
    if root.tag != "device":
        problem = f"{fspath(path)}:{root.sourceline}: expected <device>, as CMSIS-SVD files begin, got <{root.tag}>"
        raise DescriptionError(path, problem)
    return root


def _spread(peripheral: Element) -> Iterator[tuple[str, int | None]]:
    """Iterate over the peripherals an element stands for: name, and base address where it is one of several."""
    name = name_of(peripheral)
    many = labels(peripheral)
    if not many:
        yield name, None
        return
    base = peripheral.find("baseAddress")
    increment = peripheral.find("dimIncrement")
    assert increment is not None  # labels has looked
    for i, each in enumerate(many):
        yield name.replace("%s", each), (0 if base is None else number(base)) + i * number(increment)


def _as_array(cluster: Element) -> None:
    """Make a plain cluster an array of one: only arrays' clusters keep their registers' own names and offsets."""
    if cluster.find("dim") is None:
        for tag, text in (("dim", "1"), ("dimIncrement", "0"), ("dimIndex", ",")):
            put(cluster, tag, text)
