"""Which tests run on the emulated device, and how thoroughly: it is a hundred times slower than a CPU kernel."""

import os

from cases_emulated import NOT_ON_A_GPU, SUITES
from hypothesis import settings

EXAMPLES = int(os.environ.get("EMULATED_EXAMPLES", "60"))  # of each property


def left_out(item, device: str) -> str | None:
    """The reason why a test is not for a device: what is left out on the emulated one, and more on a GPU."""
    name, suite = item.nodeid.split("::", 1)[1].lower(), item.path.name
    words = SUITES.get(suite, {}) | (NOT_ON_A_GPU.get(suite, {}) if device == "cuda" else {})
    return next((reason for word, reason in words.items() if word in name), None)


def fewer_examples(item, most: int) -> None:
    test = getattr(item.obj, "__func__", item.obj)
    chosen = getattr(test, "_hypothesis_internal_use_settings", None)
    if chosen is not None and chosen.max_examples > most:
        test._hypothesis_internal_use_settings = settings(chosen, max_examples=most)
