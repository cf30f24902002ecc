"""Create a device class from a SystemRDL address map.

Software access in SystemRDL is what `mmio.device` took its vocabulary from, so words pass through. Bits of no field are
reserved (they read as 0 and ignore writes). A field whose name starts with an underscore names nothing: its bits are
the register's own, as a `Device` has bits that no field covers.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from mmio.descriptions.assembly import Described, Entry, Shape, assemble, behaviour, declare
from mmio.descriptions.errors import DescriptionError
from mmio.descriptions.rdl.words import PROPERTY, SILENT
from mmio.descriptions.report import Report
from mmio.device.block import Block, block
from mmio.device.effects import Bits
from mmio.device.field import Field
from mmio.space.policy import WIDTHS

if TYPE_CHECKING:
    from systemrdl.node import AddressableNode, FieldNode, MemNode, Node, RegNode

_WIDEST: Final = 8 * max(WIDTHS)
_USER: Final = frozenset(("ruser", "wuser"))  # effects that the description leaves to the user


def from_rdl(
    path: str | PathLike[str],
    top: str | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    defines: Mapping[str, str] | None = None,
    include: Iterable[str | PathLike[str]] = (),
    without: Iterable[str] = (),
    perl: bool = False,
) -> type[Any]:
    """Make a Device class from an address map of a SystemRDL 2.0 file.

        Uart = mmio.from_rdl("uart.rdl")

    A class, so that a model can be made of it: subclass it and add handlers to its registers, or call it as it is.
    Registers, blocks (regfiles and address maps) and fields are called as the file has them.

    SystemRDL has Perl code between <% and %> run by the compiler. That is an error unless `perl` permits it.

    Args:
        path: of the file.
        top: the address map; the last one when left out.
        parameters: of the address map.
        defines: macros.
        include: folders to look for included files in.
        without: registers, blocks or fields to leave out: `without=["DR", "dma.CTRL"]`.
        perl: run the Perl code in the file and in those that it includes. It runs with your rights: read it first.

    Warns:
        DescriptionWarning: the file says things that a Device does not do; `notes` of the class lists them.

    Raises:
        ImportError: systemrdl-compiler is missing.
        DescriptionError: the file does not compile, or what it says makes no device.
    """
    report = Report(path, without)
    folders = [fspath(each) for each in include]
    node = compiled(report, top, dict(parameters or {}), dict(defines or {}), folders, perl)
    report.device = node.inst_name
    device = Reader(report).device(node)
    report.check()
    device.source = fspath(path)
    device.notes = tuple(report.notes)
    report.warn()
    return device


def compiled(
    report: Report,
    top: str | None,
    parameters: dict[str, Any],
    defines: dict[str, str],
    include: list[str],
    perl: bool,
) -> "Node":
    """Return the elaborated address map. Raises DescriptionError with all that the compiler has to say."""
    streams = sys.stdout, sys.stderr
    try:
        from systemrdl.compiler import RDLCompiler
        from systemrdl.component import Addrmap
        from systemrdl.messages import RDLCompileError
        from systemrdl.preprocessor.perl_preprocessor import PerlPreprocessor
    except ImportError as error:
        reason = "reading SystemRDL needs systemrdl-compiler: pip install 'pagetrap[rdl]'"
        raise ImportError(reason, name=error.name) from error
    finally:
        sys.stdout, sys.stderr = streams  # systemrdl's import has colorama wrap them, and strip colours from output
    try:
        compiler = RDLCompiler(message_printer=_Messages(report))
        source = PerlPreprocessor(compiler.env, fspath(report.path), include)
        if not perl and source.get_perl_segments(source.tokenize())[1]:
            report.fail("has Perl code between <% and %>, which is not run: read it, then say perl=True")
        compiler.compile_file(fspath(report.path), include, defines)
        maps = [name for name, each in compiler.root.comp_defs.items() if isinstance(each, Addrmap)]
        if top is not None and maps and top not in maps:
            close = get_close_matches(top, maps, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(maps)}"
            report.fail(f"there is no address map {top!r}; {hint}")
        return compiler.elaborate(top, parameters=parameters).top
    except DescriptionError:
        raise
    except OSError as error:
        included = "" if error.filename in (None, fspath(report.path)) else f"{error.filename}: "
        report.fail(f"cannot be read: {included}{error.strerror}", error)
    except UnicodeDecodeError as error:
        report.fail(f"not text: {error.reason} at byte {error.start}", error)
    except RDLCompileError as error:
        problems = report.problems or [str(error)]  # of several the last says that there have been others
        raise DescriptionError(report.path, *(problems[:-1] or problems)) from error
    except Exception as error:  # the compiler's own mistake, over unexpected input
        report.fail(f"systemrdl-compiler failed over it: {type(error).__name__}: {error}", error)


class _Messages:
    """Takes what the compiler has to say, with its place."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def print_message(self, severity: int, text: str, reference: Any) -> None:
        """Keep a message: errors (4, 5) are problems, warnings notes."""
        line = getattr(reference, "line", None)
        place = "" if line is None else f"{reference.path}:{line}:{reference.line_selection[0] + 1}: "
        if severity >= 4:
            self.report.problems.append(f"{place}{text}")
        else:
            self.report.note(place.rstrip(": ") or fspath(self.report.path), "warning", text)


class Reader:
    """Reads the nodes of one compiled design."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def device(self, node: "Node", path: str = "") -> type[Described]:
        """Make the class of an address map or a regfile. `path`: of a block, what its registers' paths begin with."""
        self._notes(node, path or node.inst_name)
        entries = [entry for child in node.children() for entry in self.entries(child, path and f"{path}.")]
        return assemble(path or node.inst_name, entries, self.report)

    def alone(self, node: Any) -> Iterator[Entry]:
        """Iterate over what becomes of one register or memory that is a device by itself, at offset 0."""
        width = node.get_property("regwidth") // 8 if node.component_type_name == "reg" else 0
        doc = node.get_property("desc", default=None) or ""
        name = str(node.inst_name)
        self._notes(node, name)
        shapes = [Shape(name, 0, width, doc=doc)]
        yield from (self.register if width else self.memory)(node, name, shapes)

    def entries(self, node: Any, scope: str) -> Iterator[Entry]:
        """Iterate over what becomes of one component."""
        path = scope + node.inst_name
        extra = self._extra(node, path)
        path = scope + extra.get("name", node.inst_name)
        kind = node.component_type_name
        if kind == "signal":
            self.report.note(path, "signal", "not driven; declare a line() and set it")
        elif self.report.wants(path):
            shapes = list(self._shapes(node, path, extra))
            if kind == "reg":
                self._notes(node, path)
                yield from self.register(node, path, shapes)
            elif kind == "mem":
                self._notes(node, path)
                yield from self.memory(node, path, shapes)
            else:
                inner = self.device(node, path)
                for shape in shapes:
                    member: Block[Any] = block(shape.offset, inner, name=shape.name)
                    yield Entry(path, member)

    def _shapes(self, node: "AddressableNode", path: str, extra: Mapping[str, Any]) -> Iterator[Shape]:
        """Return the places of a component: an array of registers is one, any other array one for each element."""
        name = extra.get("name", node.inst_name)
        width = node.get_property("regwidth") // 8 if node.component_type_name == "reg" else 0
        doc = node.get_property("desc", default=None) or ""
        dimensions = node.array_dimensions or []
        is_array = bool(width) and len(dimensions) == 1
        self.report.count(path, node.n_elements, 1 if is_array else node.n_elements)
        if is_array:
            yield Shape(name, node.raw_address_offset, width, dimensions[0], node.array_stride, doc)
            return
        for each in node.unrolled():
            index = "".join(f"[{i}]" for i in each.current_idx or ())  # type: ignore[attr-defined]
            yield Shape(name + index, each.address_offset, width, doc=doc)  # type: ignore[attr-defined]

    def register(self, node: "RegNode", path: str, shapes: Sequence[Shape]) -> Iterator[Entry]:
        """Iterate over the registers one `reg` is: several when it is an array of more dimensions than one."""
        width = node.get_property("regwidth")
        if width > _WIDEST:
            self.report.refuse(path, f": its regwidth is {width} bits, expected at most {_WIDEST}")
            return
        if node.is_alias:
            self.report.note(path, "alias", f"has bits of its own, not those of {node.alias_primary.inst_name}")
        reset = 0
        named: list[Field] = []
        unnamed: list[tuple[Field, int]] = []
        for field in node.fields():
            made, value = self._field(node, field, path)
            reset |= value << made.lsb
            if made.name.startswith("_"):
                unnamed.append((made, value))
            else:
                named.append(made)
        rest = Bits((1 << width) - 1, "na", None, None, False)
        own = {(made.access, made.on_read, made.on_write, made.singlepulse) for made, _ in unnamed}
        covered = sum(made.mask for made in [*named, *(made for made, _ in unnamed)])
        if len(own) == 1 and covered == rest.mask and not unnamed[0][0].singlepulse:
            rest = Bits(rest.mask, *own.pop())  # type: ignore[arg-type]
        else:
            named += [made for made, _ in unnamed]
        yield from declare(shapes, path, reset, rest, named, self.report)

    def memory(self, node: "MemNode", path: str, shapes: Sequence[Shape]) -> Iterator[Entry]:
        """Iterate over arrays of registers, which memories are here."""
        width, count = node.get_property("memwidth"), node.get_property("mementries")
        if width % 8 or width > _WIDEST:
            self.report.refuse(path, f": memwidth is {width} bits, expected whole bytes, and at most {_WIDEST} bits")
            return
        for child in node.registers():
            self.report.note(f"{path}.{child.inst_name}", "virtual register", "its memory's entries have no fields")
        access = node.get_property("sw").name
        self.report.count(path, count * len(shapes), len(shapes))
        places = [evolve(shape, width=width // 8, count=count, stride=width // 8) for shape in shapes]
        yield from declare(places, path, 0, Bits((1 << width) - 1, access, None, None, False), (), self.report)

    def _field(self, register: "RegNode", node: "FieldNode", outer: str) -> tuple[Field, int]:
        extra = self._extra(node, f"{outer}.{node.inst_name}")
        name = extra.get("name", node.inst_name)
        path = f"{outer}.{name}"
        self._notes(node, path)
        lsb, msb = node.low, node.high
        if register.is_msb0_order:  # bit 0 is the most significant one
            lsb, msb = (register.get_property("regwidth") - 1 - bit for bit in (msb, lsb))
        words = [self._effect(node, path, word) for word in ("onread", "onwrite")]
        bits = behaviour(path, 0, extra.get("access", node.get_property("sw").name), words[0], words[1], self.report)
        field = Field(
            name,
            msb,
            lsb,
            self._enum(node, extra),
            access=bits.access,  # type: ignore[arg-type]  # SystemRDL's words are a Device's
            on_read=bits.on_read,  # type: ignore[arg-type]
            on_write=bits.on_write,  # type: ignore[arg-type]
            singlepulse=extra.get("singlepulse", node.get_property("singlepulse")),
        )
        return field, self._reset(node, path)

    def _effect(self, node: "FieldNode", path: str, word: str) -> str | None:
        effect = node.get_property(word)
        if effect is not None and effect.name in _USER:
            self.report.note(path, f"{word} {effect.name}", "left to the description's user; write a handler")
            return None
        return None if effect is None else str(effect.name)

    def _enum(self, node: "FieldNode", extra: Mapping[str, Any]) -> dict[int, str]:
        if "enum" in extra:
            return {int(value): name for value, name in extra["enum"].items()}
        encode = node.get_property("encode")
        return {} if encode is None else {member.value: member.name for member in encode}

    def _reset(self, node: "FieldNode", path: str) -> int:
        reset = node.get_property("reset")
        if reset is None or isinstance(reset, int):
            return reset or 0
        self.report.note(path, "reset", f"is what {reset.inst_name} has, and 0 here")
        return 0

    def _notes(self, node: "Node", path: str) -> None:
        """Note every property that is given and has no place in a Device."""
        for word in node.list_properties():
            if word not in SILENT:
                self.report.note(path, word, "nothing of it happens by itself; the device's code can do it")

    def _extra(self, node: "Node", path: str) -> dict[str, Any]:
        """Return what `to_rdl` added to SystemRDL as a property of its own."""
        text = node.get_property(PROPERTY, default=None)
        if text is None:
            return {}
        try:
            extra = json.loads(text)
            if not isinstance(extra, dict):
                raise ValueError(f"a {type(extra).__name__}")
        except ValueError as error:
            self.report.fail(f"{path}: property {PROPERTY} is {text!r}, expected a JSON object: {error}", error)
        return extra
