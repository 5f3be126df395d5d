"""Which tests run on the emulated device, and how thoroughly: it is a hundred times slower than a CPU kernel."""

import os

from cases_emulated import SUITES
from hypothesis import settings

EXAMPLES = int(os.environ.get("EMULATED_EXAMPLES", "60"))  # of each property


def left_out(item) -> str | None:
    """The reason why a test is not for the emulated device."""
    name = item.nodeid.split("::", 1)[1].lower()
    return next((reason for word, reason in SUITES.get(item.path.name, {}).items() if word in name), None)


def fewer_examples(item) -> None:
    test = getattr(item.obj, "__func__", item.obj)
    chosen = getattr(test, "_hypothesis_internal_use_settings", None)
    if chosen is not None and chosen.max_examples > EXAMPLES:
        test._hypothesis_internal_use_settings = settings(chosen, max_examples=EXAMPLES)
