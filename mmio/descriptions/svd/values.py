"""The texts of an SVD file: numbers, choices, lists of labels. Checked here, and written as cmsis-svd reads them best.

cmsis-svd takes what it does not understand for absent. So everything it will read is looked at before: numbers are
written in decimal (the schema has hexadecimal, two kinds of binary and suffixes as well), a value with don't-care bits
becomes one for each, and the labels of an array a list.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from itertools import product
from typing import Final

from mmio.descriptions.report import REGISTERS
from mmio.descriptions.svd.elements import Element, name_of, problem, put
from mmio.descriptions.svd.words import CHOICES, NUMBERS, REQUIRED

_NUMBER: Final = re.compile(r"\+?(?:0x([0-9a-f]+)|(?:#|0b)([01]+)|([0-9]+))([kmgt]?)", re.IGNORECASE)
_PATTERN: Final = re.compile(r"(?:#|0b)([01x]*x[01x]*)", re.IGNORECASE)
_LABELS: Final = re.compile(r"(\d{1,6})-(\d{1,6})|([A-Za-z])-([A-Za-z])|(\w+(?:,\w+)*)")
_BITS: Final = re.compile(r"\[[0-9]{1,5}:[0-9]{1,5}\]")
_FREE_BITS: Final = 16  # don't-care bits in a value: so many names are made of it at most, to the power of two


def number(element: Element) -> int:
    """Return the number an element says. Raises DescriptionError."""
    text = (element.text or "").strip()
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise problem(element, f"<{element.tag}> is {text!r}, expected a number such as 16, 0x10 or #10000")
    hexadecimal, binary, decimal, suffix = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(binary, 2) if binary else int(decimal)
    return value << 10 * "_kmgt".index(suffix.lower() or "_")


def labels(element: Element) -> Sequence[str]:
    """Return the labels of an array's elements, none for what is no array. Raises DescriptionError."""
    dim = element.find("dim")
    if dim is None:
        return ()
    count = number(dim)
    if not 1 <= count <= REGISTERS:
        raise problem(element, f"<dim> is {count}, expected 1..{REGISTERS}")
    if element.find("dimIncrement") is None:
        raise problem(element, "has <dim> and no <dimIncrement>")
    text = re.sub(r"\s", "", element.findtext("dimIndex") or f"0-{count - 1}")
    match = _LABELS.fullmatch(text)
    if match is None:
        raise problem(element, f"<dimIndex> is {text!r}, expected a list like A,B,C or a range like 0-3")
    first, last, letter, end, listed = match.groups()
    if first:
        found = [str(i) for i in range(int(first), int(last) + 1)]
    else:
        found = listed.split(",") if listed else [chr(i) for i in range(ord(letter), ord(end) + 1)]
    if len(found) != count:
        raise problem(element, f"<dimIndex> {text!r} has {len(found)} labels, and <dim> is {count}")
    return found


def normalise(element: Element) -> None:
    """Check and rewrite every text in an element that cmsis-svd reads. Raises DescriptionError."""
    for each in list(element.iter()):
        for tag in REQUIRED.get(each.tag, ()):
            if not (each.findtext(tag) or "").strip():
                raise problem(each, f"<{each.tag}> has no <{tag}>")
        if each.tag in NUMBERS:
            each.text = str(number(each))
        elif each.tag in CHOICES:
            _choose(each)
        elif each.tag == "bitRange" and not _BITS.fullmatch((each.text or "").strip()):
            raise problem(each, f"<bitRange> is {each.text!r}, expected [msb:lsb], such as [7:4]")
        elif each.tag == "enumeratedValue":
            _enumerate(each)
        elif each.tag in ("register", "cluster", "field"):
            found = labels(each)
            if found:  # the comma at the end has cmsis-svd read a list of one as a list
                put(each, "dimIndex", ",".join(found) + ",")
            elif "%s" in name_of(each):
                raise problem(each, "has %s in its name and no <dim>")


def _choose(element: Element) -> None:
    text = (element.text or "").strip()
    known = CHOICES[element.tag]
    if element.tag == "access" and text in ("read", "write"):
        text += "-only"  # a slip of some vendors
    found = next((choice for choice in known if choice.lower() == text.lower()), None)
    if found is None:
        raise problem(element, f"<{element.tag}> is {text!r}, expected one of {', '.join(known)}")
    element.text = found


def _enumerate(element: Element) -> None:
    value = element.find("value")
    if value is None:
        return
    match = _PATTERN.fullmatch((value.text or "").strip())
    if match is None:
        value.text = str(number(value))
        return
    if match[1].lower().count("x") > _FREE_BITS:
        raise problem(element, f"<value> is {value.text!r}, which has more than {_FREE_BITS} free bits")
    numbers = [int("".join(bits), 2) for bits in product(*("01" if bit in "xX" else bit for bit in match[1]))]
    value.text = str(numbers[0])
    for each in reversed(numbers[1:]):
        copy = deepcopy(element)
        put(copy, "value", str(each))
        element.addnext(copy)
