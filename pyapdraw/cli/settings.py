"""Settings on the command line: NAME=VALUE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyapdraw.errors import BadInput


def setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """NAME=VALUE, the value as in TOML, or else as text. option: what it was given to. Raises BadInput."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadInput(f"{option}: {text!r} given, NAME=VALUE expected")
    try:
        return name.strip(), json.loads(value)  # numbers, true, false, "text" and lists look the same in both
    except ValueError:
        return name.strip(), value.strip()


def style_options(style: str, texts: Sequence[str]) -> dict[str, Any]:
    """The options NAME=VALUE of a style. Raises BadInput, also for names that it has not."""
    from pyapdraw.style import registry

    return dict(registry.find(style).checked(dict(setting(text, "--option") for text in texts)))
