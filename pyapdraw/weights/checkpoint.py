"""Reading files of torch.save safely: by torch's restricted reader only, which builds tensors and containers and runs
nothing else."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

from pyapdraw.errors import WeightsError
from pyapdraw.need import need


def load_pickle(path: Path) -> Any:
    """What a torch file holds: tensors, numbers, text and containers of these. Raises WeightsError."""
    torch = need("torch", extra="train", why="reading a published checkpoint")
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: cannot read: {'not a file' if os.path.exists(path) else 'no such file'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what cannot be read is an error anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+\.\w+)|(Unsupported \w+ \d+)", str(error))
        if code:
            what = code[1] or code[2].lower()
            raise WeightsError(f"{path}: refused: it holds more than tensors, which could run code ({what})") from error
        raise WeightsError(f"{path}: not a torch file, or damaged ({_line(error)})") from error
    except Exception as error:  # the container's reader raises nearly anything for damaged files
        raise WeightsError(f"{path}: not a torch file, or damaged ({type(error).__name__}: {_line(error)})") from error


def text_key(key: Any) -> str:
    """A name as text: files of Python 2 have bytes."""
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _line(text: Any) -> str:
    """The first words of a message of torch's, which would go on with advice to turn the check off."""
    return " ".join(str(text).split())[:120]
