"""Select the recorded cases, and the register bits, of a CPU with given features."""

from collections.abc import Iterable, Mapping

from emulate.conformance.case import machine


def features_without(words: Iterable[str]) -> frozenset[str]:
    """Return the features of the recording machine but for those whose names begin with one of `words`.

    Raises:
        ValueError: a word is not the beginning of any feature that a case needs.
    """
    features = machine().features
    lacking: set[str] = set()
    for word in words:
        found = {name for name in features if name.startswith(word)}
        if not found:
            raise ValueError(f"expected CPUID features of the recorded cases, such as AVX512 or MOVBE, got {word!r}")
        lacking |= found
    return features - lacking


def width_of(name: str, features: frozenset[str]) -> int:
    """Return how many bits a register has on a CPU with these features: 0 when it does not have it."""
    if name.startswith("zmm"):
        if "AVX512F" in features:
            return 512
        return 0 if int(name[3:]) >= 16 else 256 if "AVX" in features else 128
    if name.startswith("k"):
        return 64 if "AVX512F" in features else 0
    return 80


def visible(registers: Mapping[str, int], features: frozenset[str]) -> Mapping[str, int]:
    """Return registers as a CPU with these features has them: without those it lacks, the others cut to their width."""
    if "AVX512F" in features:
        return registers
    widths = {name: width_of(name, features) for name in registers}
    return {name: value & (1 << widths[name]) - 1 for name, value in registers.items() if widths[name]}
