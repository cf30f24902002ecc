"""SystemRDL properties that reader and writer share: those with a counterpart in a Device, ignored, and unsupported.

SystemRDL has no words for some of what a `Device` can be: a register name with a space, a bit that software can
neither read nor write, a pulse of several bits. The writer puts those into a property of its own, `pagetrap`, which
any compiler takes for a user-defined property; its value is a JSON object.
"""

from typing import Final

PROPERTY: Final = "pagetrap"

# A Device has words for these, or they are prose.
_SAID: Final = """
name desc sw onread onwrite rclr rset woclr woset singlepulse reset encode fieldwidth regwidth accesswidth mementries
memwidth pagetrap
"""
# About wires, simulators and how the map came about: no software sees these.
_WIRING: Final = """
hw we wel hwenable hwmask anded ored xored swacc swmod precedence next hdl_path hdl_path_slice hdl_path_gate
hdl_path_gate_slice donttest dontcompare addressing alignment lsb0 msb0 littleendian shared sharedextbus errextbus
ispresent
"""
SILENT: Final = frozenset([*_SAID.split(), *_WIRING.split()])  # properties that need no note
