"""A cache of two generations."""

import gc
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode.cache import Cache


class Value:
    """Anything that a garbage collector tracks."""


@given(st.integers(1, 12), st.lists(st.integers(0, 30), max_size=200))
def test_never_holds_more_than_its_size_nor_a_wrong_value(size: int, keys: list[int]) -> None:
    """Whatever is looked up and stored: at most `size` entries, and each key has its own value or none."""
    cache = Cache[int, str](size)
    for key in keys:
        found = cache.find(key)
        assert found in (None, str(key))
        if found is None:
            cache.keep(key, str(key))
        assert cache.find(key) == str(key)
        assert len(cache) <= size


def test_recent_is_always_the_same_dict() -> None:
    """A caller that has taken `recent` once may look there for ever; a dict of the caller's does as well."""
    own: dict[int, str] = {}
    for cache in (Cache[int, str](4), Cache[int, str](4, recent=own)):
        recent = cache.recent
        for key in range(20):
            cache.keep(key, str(key))
            assert cache.recent is recent
            assert cache.find(key) == recent[key] == str(key)
    assert cache.recent is own


@pytest.mark.parametrize("size", [2, 3, 16, 1000])
def test_what_is_used_all_the_time_stays(size: int) -> None:
    """A key that is looked up after each new one is never evicted, but for a cache of one."""
    cache = Cache[int, str](size)
    cache.keep(-1, "in use")
    for key in range(5 * size):
        cache.keep(key, str(key))
        assert cache.find(-1) == "in use"
        assert len(cache) <= size


def test_the_oldest_goes_first() -> None:
    """Of what is not looked up, the first stored is the first evicted, one for each new entry."""
    cache = Cache[int, str](8)
    for key in range(8):
        cache.keep(key, str(key))
    for key in range(8, 16):
        cache.keep(key, str(key))
        assert len(cache) == 8
        assert cache.find(key - 8) is None


def test_clear_forgets_both_generations() -> None:
    """Nothing is found after it, and the cache works on."""
    cache = Cache[int, str](4)
    for key in range(6):
        cache.keep(key, str(key))
    cache.clear()
    assert len(cache) == 0
    assert [cache.find(key) for key in range(6)] == [None] * 6
    cache.keep(7, "7")
    assert cache.find(7) == "7"


def test_a_full_cache_starts_no_garbage_collection() -> None:
    """Each new object is made before another one is freed, so the collector's count of allocations does not grow."""
    cache = Cache[int, list[Value]](1000)
    for key in range(1000):
        cache.keep(key, [Value()])
    gc.collect()
    before = gc.get_stats()[0]["collections"]
    for key in range(1000, 50_000):
        cache.keep(key, [Value()])
    assert gc.get_stats()[0]["collections"] - before <= 4


def test_threads_share_it_without_a_lock() -> None:
    """Values are never mixed up or lost for good, and the size is exceeded by one a thread at most."""
    cache = Cache[int, str](64)
    wrong: list[object] = []

    def work(seed: int) -> None:
        source = random.Random(seed)
        for _ in range(20_000):
            key = source.randrange(200)
            found = cache.find(key)
            if found is None:
                cache.keep(key, str(key))
            elif found != str(key):
                wrong.append((key, found))
            if len(cache) > 2 * 64 + 4:  # two generations while one ends
                wrong.append(len(cache))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) <= 64 + 4


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), ("many", TypeError), (None, TypeError)])
def test_size_is_at_least_one(size: object, error: type[Exception]) -> None:
    """Anything else is refused with what was given."""
    with pytest.raises(error, match=r"cache"):
        Cache[int, str](size)  # type: ignore[arg-type]
