"""One at a time: test processes that run side by side share what is built under build/."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock file `path`, and holds it."""
    import fcntl  # not on every system, and the modules that use this one are imported on all

    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
