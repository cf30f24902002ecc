"""The element names of CMSIS-SVD, compared with the schema that cmsis-svd has along."""

from pathlib import Path

import cmsis_svd
from lxml import etree

from mmio.descriptions.svd.words import CHOICES, KNOWN, NUMBERS, REQUIRED

SCHEMA = etree.parse(Path(cmsis_svd.__file__).parent / "schemas" / "CMSIS-SVD_1_3_11.xsd")
XS = "{http://www.w3.org/2001/XMLSchema}"

ELSEWHERE = """
addressBlock base cpu dcachePresent device deviceNumInterrupts dspPresent dtcmPresent endian fpuDP fpuPresent
headerDefinitionsPrefix headerSystemFilename icachePresent itcmPresent licenseText limit mpuPresent nvicPrioBits offset
peripherals region revision sauNumRegions sauRegionsConfig series vendor vendorExtensions vendorID vendorSystickConfig
vtorPresent width
"""


def test_every_element_of_a_peripheral_is_known() -> None:
    """What is not known is noted as unknown, which must not happen to a word of the format."""
    names = {each.get("name") for each in SCHEMA.iter(f"{XS}element")}
    assert names == KNOWN | set(ELSEWHERE.split())


def test_numbers_are_the_schema_s() -> None:
    """Every element whose type is a number is checked and rewritten, but for constraints, which are not read."""
    typed = {each.get("name") for each in SCHEMA.iter(f"{XS}element") if each.get("type") == "scaledNonNegativeInteger"}
    assert typed & KNOWN == NUMBERS | {"minimum", "maximum"}


def test_choices_are_the_schema_s() -> None:
    """Words and all."""
    types = {"access": "accessType", "modifiedWriteValues": "modifiedWriteValuesType", "readAction": "readActionType"}
    types["usage"] = "enumUsageType"
    for element, name in types.items():
        values = {
            each.get("value")
            for each in SCHEMA.iterfind(f"{XS}simpleType[@name='{name}']/{XS}restriction/{XS}enumeration")
        }
        assert values == set(CHOICES[element]), element


def test_what_is_required_is_known() -> None:
    """By the names of the format."""
    assert {*REQUIRED, *(tag for tags in REQUIRED.values() for tag in tags)} <= KNOWN
