"""The element names of CMSIS-SVD 1.3 that occur in a peripheral, by what becomes of them."""

from typing import Final

_NUMBERS: Final = """
addressOffset addressUnitBits baseAddress bitOffset bitWidth dim dimIncrement lsb msb resetMask resetValue size
"""
NUMBERS: Final = frozenset(_NUMBERS.split())

_WRITES: Final = "oneToClear oneToSet oneToToggle zeroToClear zeroToSet zeroToToggle clear set modify"
CHOICES: Final = {
    "access": ["read-only", "write-only", "read-write", "writeOnce", "read-writeOnce"],
    "modifiedWriteValues": _WRITES.split(),
    "readAction": ["clear", "set", "modify", "modifyExternal"],
    "usage": ["read", "write", "read-write"],
    "isDefault": ["true", "false", "1", "0"],
}

REQUIRED: Final = {
    "peripheral": ("name",),
    "cluster": ("name", "addressOffset"),
    "register": ("name", "addressOffset"),
    "field": ("name",),
}

# Said about the device, and nothing a Device does: each is noted where it stands.
UNDONE: Final = {
    "protection": "every access is let through",
    "disableCondition": "the device is always there",
}

# Prose, names for header files, and what is read elsewhere.
_OTHERS: Final = """
alternateCluster alternateGroup alternatePeripheral alternateRegister appendToName bitRange cluster dataType description
dimArrayIndex dimIndex dimName displayName enumeratedValue enumeratedValues field fields groupName headerEnumName
headerStructName interrupt maximum minimum name peripheral prependToName range register registers useEnumeratedValues
value version writeAsRead writeConstraint
"""
KNOWN: Final = NUMBERS | CHOICES.keys() | UNDONE.keys() | frozenset(_OTHERS.split())
