"""Optional packages are imported at first use, through here, so that a missing one says how to get it."""

import importlib
from types import ModuleType

from pyapdraw.errors import Unsupported


def need(package: str, *, extra: str, why: str) -> ModuleType:
    """Import `package`; `extra` is the extra of pyapdraw that brings it, `why` what it is for.

    Raises Unsupported with the command that installs it.

    >>> need("torch", extra="train", why="training a model")  # doctest: +SKIP
    """
    try:
        return importlib.import_module(package)
    except ImportError as e:
        how = f"pip install 'pyapdraw[{extra}]'"
        raise Unsupported(f"{why} needs the package '{package}' ({e}); install it with: {how}") from e
