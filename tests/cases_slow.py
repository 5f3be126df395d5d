"""The tests that are not in the quick lane (`make check`, `pytest -m "not slow"`): a test is, unless it is named here.

A word is looked for in the names of the tests (with their class and parameters), without regard to case; "" is in all
of them. The files stand in the order in which they are run, those with the longest tests first.
"""

SLOW: dict[str, tuple[str, ...]] = {
    "test_emulated.py": ("",),
    "test_cuda_code.py": ("",),
}


def is_slow(item) -> bool:
    name = item.nodeid.split("::", 1)[1].lower()
    return any(word in name for word in SLOW.get(item.path.name, ()))
