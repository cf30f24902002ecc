"""IN and OUT. Their string forms are in `strings`."""

from decode.operands import PortOperand, RegisterOperand
from emulate.builder import Builder
from emulate.recipes import recipe


def port_number(b: Builder, operand: PortOperand) -> str:
    """Return the expression of a port's number."""
    return b.register(operand.register) if operand.register else f"{operand.number:#x}"


@recipe("in")
def in_(b: Builder) -> None:
    """Read a port into AL, AX or EAX."""
    destination, port = b.instruction.operands
    assert isinstance(port, PortOperand)
    b.write(destination, b.local(f"bus.port_read({port_number(b, port)}, {port.width})", "m"))


@recipe("out")
def out(b: Builder) -> None:
    """Write AL, AX or EAX to a port."""
    port, source = b.instruction.operands
    assert isinstance(port, PortOperand)
    assert isinstance(source, RegisterOperand)
    b.act(f"bus.port_write({port_number(b, port)}, {port.width}, {b.read(source)})")
