"""IN and OUT, and the permission any port access needs. Their string forms are in `strings`."""

from collections.abc import Callable

from decode.operands import PortOperand, RegisterOperand
from emulate.builder import Builder
from emulate.faults import GeneralProtection
from emulate.recipes import recipe


def check_port(allowed: Callable[[int, int], bool], port: int, width: int) -> None:
    """Raise #GP(0) unless `allowed(port, width)` (SDM vol. 1, 19.5.2)."""
    if not allowed(port, width):
        raise GeneralProtection(f"port {port:#x} (width {width}) is not allowed", error_code=0)


def _number(b: Builder, operand: PortOperand) -> str:
    """Return the expression of a port's number, having planned the check that it may be accessed."""
    number = b.register(operand.register) if operand.register else b.constant(operand.number, "port")
    if b.settings.port_allowed is not None:
        b.plan(b.call(check_port, b.bind(b.settings.port_allowed, "port_allowed"), number, operand.width))
    return number


@recipe("in")
def in_(b: Builder) -> None:
    """Read a port into AL, AX or EAX."""
    destination, port = b.instruction.operands
    assert isinstance(port, PortOperand)
    b.write(destination, b.answer("port_read", _number(b, port), port.width))


@recipe("out")
def out(b: Builder) -> None:
    """Write AL, AX or EAX to a port."""
    port, source = b.instruction.operands
    assert isinstance(port, PortOperand)
    assert isinstance(source, RegisterOperand)
    b.act(f"bus.port_write({_number(b, port)}, {port.width}, {b.read(source)})")
