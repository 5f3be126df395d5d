"""Shared fixtures. Data that is not part of the project is looked for in a `shared/` folder beside a checkout."""

from pathlib import Path

import pytest


def _find_shared() -> Path | None:
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data" / "README.md").is_file():
            return folder / "shared"
    return None


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with portraits, pairs and reference values; the test is skipped where it is absent."""
    found = _find_shared()
    if found is None:
        pytest.skip("no shared/ folder with portraits and reference values beside this checkout")
    return found


_LINES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def summary_line(pytestconfig):
    """A function that puts a line of counts into the summary at the end of the run."""
    return pytestconfig.stash.setdefault(_LINES, []).append


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)
