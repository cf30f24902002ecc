"""What can be asked of any element of an SVD file."""

from lxml import etree

from mmio.descriptions.svd.elements import by_tag, name_of, named

TEXT = """<device><name>CHIP</name><peripherals><peripheral><name> P </name><registers>
<register><name>CR</name><fields><field><name>EN</name></field><field/></fields></register><!-- x -->
</registers></peripheral></peripherals></device>"""


def test_containers_have_no_part_in_a_name() -> None:
    """Peripherals are named in a device, registers in a peripheral; what has no name is not."""
    root = etree.fromstring(TEXT)
    assert [name_of(each) for each in named(root)] == ["P"]
    (peripheral,) = named(root)
    assert [name_of(each) for each in named(peripheral)] == ["CR"]
    assert [name_of(each) for each in named(next(named(peripheral)))] == ["EN"]


def test_children_by_tag() -> None:
    """Comments, entities and instructions are no children."""
    element = etree.fromstring("<a><b/><!-- x --><c/><?p i?><b/></a>")
    assert {tag: len(found) for tag, found in by_tag(element).items()} == {"b": 2, "c": 1}
