"""Addresses of the machine code that stubs of patched instructions call (`mmio/patching/stub.py`)."""

from attrs import frozen


@frozen
class StubFunctions:
    """Addresses of the functions that stubs call.

    Attributes:
        load: for a plain load.
        store: for a plain store.
        wide_load: for a plain load of more than eight bytes.
        wide_store: for a plain store of more than eight bytes.
        other: for any other instruction.
    """

    load: int
    store: int
    wide_load: int
    wide_store: int
    other: int

    def of(self, stores: bool, wide: bool) -> int:
        """Return the function for a plain load or store."""
        if wide:
            return self.wide_store if stores else self.wide_load
        return self.store if stores else self.load
