"""Element names of CMSIS-SVD 1.3 that occur in a peripheral, and their counterparts in a Device."""

from typing import Final

from mmio.device.effects import SYNONYMS

NUMBERS: Final = frozenset(
    [
        "addressOffset",
        "addressUnitBits",
        "baseAddress",
        "bitOffset",
        "bitWidth",
        "dim",
        "dimIncrement",
        "lsb",
        "msb",
        "resetMask",
        "resetValue",
        "size",
    ]
)

ACCESS: Final = {
    "read-write": "rw",
    "read-only": "r",
    "write-only": "w",
    "read-writeOnce": "rw1",
    "writeOnce": "w1",
    "read": "r",  # a slip of some vendors, and without a doubt
    "write": "w",
}
# None: reading changes something, and the format does not say what.
ON_READ: Final = {"clear": "rclr", "set": "rset", "modify": None, "modifyExternal": None}
_BITWISE: Final = ("oneToClear", "oneToSet", "oneToToggle", "zeroToClear", "zeroToSet", "zeroToToggle")
# None: SVD's word for a write without an effect.
ON_WRITE: Final = {word: SYNONYMS[word] for word in _BITWISE} | {"clear": "wclr", "set": "wset", "modify": None}
USAGE: Final = {"read-write": 0, "read": 1, "write": 2}  # the order in which tables of names are looked into

# Said about the device, and nothing a Device does: each is noted where it stands.
UNDONE: Final = {
    "protection": "every access is let through",
    "disableCondition": "the device is always there",
}

# Prose, names for header files, and what is read elsewhere.
_OTHERS: Final = """
access alternateCluster alternateGroup alternatePeripheral alternateRegister appendToName bitRange cluster dataType
description dimArrayIndex dimIndex dimName displayName enumeratedValue enumeratedValues field fields groupName
headerEnumName headerStructName interrupt isDefault maximum minimum modifiedWriteValues name peripheral prependToName
range readAction register registers usage useEnumeratedValues value version writeAsRead writeConstraint
"""
KNOWN: Final = NUMBERS | UNDONE.keys() | frozenset(_OTHERS.split())
