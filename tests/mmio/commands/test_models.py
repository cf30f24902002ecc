"""Device models from files."""

from pathlib import Path

import pytest

from mmio.commands.models import ModelError, blamed, load_device, load_function


def model(directory: Path, text: str) -> str:
    """Write a model, under a name that no other test has imported."""
    path = directory / f"model_{abs(hash((text, directory)))}.py"
    path.write_text(text)
    return str(path)


def test_a_model_is_made(tmp_path: Path) -> None:
    """The class is made without arguments; what lies beside its file can be imported."""
    (tmp_path / "beside_the_model.py").write_text("VALUE = 7\n")
    text = "import beside_the_model\nclass Card:\n    def read(self, offset, width): return beside_the_model.VALUE\n"
    text += "    def write(self, offset, width, value): pass\n"
    assert load_device(model(tmp_path, text), "Card").read(0, 4) == 7


def test_a_device_may_be_made_by_the_file(tmp_path: Path) -> None:
    """A function is called, a device is taken as it is; a file is executed once."""
    text = """
class Card:
    made = 0
    def __init__(self): Card.made += 1
    def read(self, offset, width): return self.made
    def write(self, offset, width, value): pass

def card(): return Card()

ready = Card()
"""
    path = model(tmp_path, text)
    ready = load_device(path, "ready")
    assert load_device(path, "ready") is ready
    assert (load_device(path, "card").read(0, 4), load_device(path, "Card").read(0, 4)) == (2, 3)


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("class Card: pass", "Crd", "has no class 'Crd'; did you mean Card?"),
        ("class Card: pass\nclass Uart: pass", "Xyzzy", "has no class 'Xyzzy'; it has Card, Uart"),
        ("from collections import OrderedDict", "Card", "has no class 'Card'; it has none"),
        ("Card = 7", "Card", "has no class 'Card'"),
        ("class Card: pass", "Card", r"Card is not a device: it needs read\(offset, width\)"),
        ("class Card:\n    def __init__(self, size): pass", "Card", "cannot be made without arguments: .*'size'"),
        (
            "class Card:\n    def read(self, offset): return 0\n    def write(self, offset, width, value): pass",
            "Card",
            r"Card\.read\(offset\) must take \(offset, width\)",
        ),
        (
            "class Card:\n    def read(self, *where): return 0\n    def write(self, offset, value): pass",
            "Card",
            r"Card\.write\(offset, value\) must take \(offset, width, value\)",
        ),
    ],
)
def test_a_class_that_is_no_device(text: str, name: str, problem: str, tmp_path: Path) -> None:
    """The message names the file and the class, and what there is instead."""
    with pytest.raises(ModelError, match=problem) as raised:
        load_device(model(tmp_path, text), name)
    assert "\n" not in str(raised.value)


def test_no_such_file() -> None:
    """A file that is not there is named."""
    with pytest.raises(
        ModelError,
        match=r"^no\.py: no such file; a device is FILE\.py:CLASS@WHERE, where FILE is a relative or absolute path$",
    ):
        load_device("no.py", "Card")


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    """A directory of such a name is distinguished from a file that is not there."""
    (tmp_path / "card.py").mkdir()
    with pytest.raises(ModelError, match=r"card\.py: it is a directory, expected a Python file$"):
        load_device(str(tmp_path / "card.py"), "Card")


def test_a_file_with_null_bytes(tmp_path: Path) -> None:
    """An error without a line does not name one."""
    with pytest.raises(ModelError, match=r"is not valid Python\nSyntaxError: .*null bytes"):
        load_device(model(tmp_path, "x = 1\0"), "Card")


def test_a_model_that_exits_while_it_is_made(tmp_path: Path) -> None:
    """The status of sys.exit would be taken for the program's: it is an error of the model."""
    path = model(tmp_path, "import sys\nclass Card:\n    def __init__(self): sys.exit(3)\n")
    with pytest.raises(ModelError, match=r"Card\(\) failed\n(?s:.*)SystemExit: 3$"):
        load_device(path, "Card")


def test_a_syntax_error_is_pointed_at(tmp_path: Path) -> None:
    """The message has the line, and Python's own pointer to it."""
    path = model(tmp_path, "class Card:\n    def read(self, offset, width)\n        return 0\n")
    with pytest.raises(ModelError) as raised:
        load_device(path, "Card")
    first, *shown = str(raised.value).splitlines()
    assert first == f"{path}: is not valid Python, line 2"
    assert shown[0] == f'  File "{path}", line 2'
    assert "def read(self, offset, width)" in shown[1]
    assert shown[2].strip() == "^"
    assert shown[3].startswith("SyntaxError: ")


@pytest.mark.parametrize(
    "text", ["\0", "import no_such_module", "import sys\nsys.exit(3)", "1/0", "raise ValueError('x')"]
)
def test_a_file_that_cannot_be_imported(text: str, tmp_path: Path) -> None:
    """Whatever it raises is shown, and nothing of pagetrap."""
    with pytest.raises(ModelError) as raised:
        load_device(model(tmp_path, text), "Card")
    assert "cannot be imported" in str(raised.value) or "is not valid Python" in str(raised.value)
    assert "mmio/commands" not in str(raised.value)


def test_a_constructor_that_fails_is_shown(tmp_path: Path) -> None:
    """The traceback begins in the model."""
    path = model(tmp_path, "class Card:\n    def __init__(self):\n        self.size = {}['size']\n")
    with pytest.raises(ModelError) as raised:
        load_device(path, "Card")
    first, second, third, *_, last = str(raised.value).splitlines()
    assert (first, second) == (f"{path}: Card() failed", "Traceback (most recent call last):")
    assert third == f'  File "{path}", line 3, in __init__'
    assert last == "KeyError: 'size'"


def test_who_is_to_blame(tmp_path: Path) -> None:
    """An error is a model's only if its code has been in the way of it."""
    text = "class Card:\n    def read(self, offset, width): return int('x')\n"
    path = model(tmp_path, text + "    def write(self, offset, width, value): pass\n")
    device = load_device(path, "Card")
    with pytest.raises(ValueError, match="invalid literal") as raised:
        device.read(0, 4)
    shown = blamed(raised.value, {path})
    assert shown is not None
    assert shown.splitlines()[1] == f'  File "{path}", line 2, in read'
    assert blamed(raised.value, {"other.py"}) is None


NIC = """
from mmio.pci import PciFunction
class Nic(PciFunction):
    def __init__(self): super().__init__(1, 2, 3)
class Card:
    def read(self, offset, width): return 0
    def write(self, offset, width, value): pass
"""


def test_a_function_is_made(tmp_path: Path) -> None:
    """A PCI function is for an address, and a device for the other places; each says where it belongs."""
    path = model(tmp_path, NIC)
    assert load_function(path, "Nic").config.device_id.value == 2
    with pytest.raises(ModelError, match=r"Nic is a PCI function, whose place is an address: .*:Nic@pci:00:03\.0$"):
        load_device(path, "Nic")
    with pytest.raises(ModelError, match=r"Card is not a PCI function: pci:ADDRESS takes a mmio\.pci\.PciFunction"):
        load_function(path, "Card")
