"""Cache of compiled instructions, shared by emulators of equal settings.

What a compiled instruction does depends on its bytes, the mode and the `Settings` of the emulator, and on nothing else:
the registers and the bus are its arguments. So emulators of equal settings share one cache while one of them lives.
"""

from typing import Final
from weakref import WeakValueDictionary

from attrs import fields

from decode import decode
from decode.cache import Cache
from decode.refusal import MAX_LENGTH
from emulate.builder import Settings
from emulate.compiler import Compiled, compile_instruction

_LONGEST_KEY: Final = 32
"""Bytes of code that are kept as a key: with what follows an instruction it is found sooner, but memory has a bound."""


class Compilations:
    """The compiled instructions of emulators with the same settings.

    Attributes:
        settings: what the code is compiled for.
        recent: what `Emulator.step` looks at: by mode, then by code bytes.
    """

    __slots__ = ("__weakref__", "_caches", "recent", "settings")

    def __init__(self, settings: Settings, size: int) -> None:
        """Start with nothing.

        Args:
            settings: what to compile for.
            size: byte strings to keep for each mode.
        """
        self.settings = settings
        self._caches = {bits: Cache[bytes, Compiled](size) for bits in (16, 32, 64)}
        self.recent = {bits: cache.recent for bits, cache in self._caches.items()}

    def __len__(self) -> int:
        return sum(len(cache) for cache in self._caches.values())

    def compiled(self, bits: int, code: bytes) -> Compiled:
        """Return the compiled instruction at the start of `code`, from the cache when it is there.

        Raises:
            UnsupportedInstruction: the emulator does not do this instruction.
            DecodeError: the bytes are not an instruction.
            ValueError: `bits` is not a mode.
        """
        key = code if len(code) <= _LONGEST_KEY else code[:MAX_LENGTH]
        cache = self._caches.get(bits)
        if cache is None:
            raise ValueError(f"bits is 16, 32 or 64, not {bits!r}")
        found = cache.find(key)
        if found is None:
            instruction = decode(key, bits, self.settings.vendor)
            found = cache.find(instruction.code)
            if found is None:
                found = compile_instruction(instruction, self.settings)
                cache.keep(instruction.code, found)
            if key != instruction.code:
                cache.keep(key, found)
        return found


_shared: Final[WeakValueDictionary[tuple[object, ...], Compilations]] = WeakValueDictionary()


def shared(settings: Settings, size: int) -> Compilations:
    """Return the compilations of these settings and this size, which all who ask for the same get.

    A callable among the settings is compared by identity, independent of its `__eq__`. It is not kept alive by the
    cache: it may own the emulator. Its `id` cannot be reused as long as the entry lives.
    """
    values = (getattr(settings, field.name) for field in fields(Settings))
    key = (size, *(id(value) if callable(value) else value for value in values))
    found = _shared.get(key)
    if found is None:
        found = _shared[key] = Compilations(settings, size)
    return found
