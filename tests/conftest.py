"""Shared fixtures, and the devices that tests run on: `--device cpu`, or `--device emulated` for the CUDA kernels.

Data that is not part of the project is looked for in a `shared/` folder beside a checkout.
"""

from pathlib import Path

import pytest
from emulated import module

counts = pytest.StashKey[list[str]]()


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=("cpu", "emulated"),
        default="cpu",
        help="emulated: CPU tensors go through the CUDA kernels, which run on the CPU (docs/architecture.md)",
    )


def pytest_configure(config):
    config.stash[counts] = []
    if config.getoption("device") == "emulated":
        if module.missing():
            pytest.exit(f"--device emulated: {module.missing()}")
        module.install(module.build())


def pytest_collection_modifyitems(config, items):
    if config.getoption("device") != "emulated":
        return
    from emulated.selection import fewer_examples, left_out

    gone = [item for item in items if left_out(item)]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if not left_out(item)]
    for item in items:
        fewer_examples(item)


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[counts]:
        terminalreporter.section("counts")
        terminalreporter.write("\n".join(config.stash[counts]) + "\n")


@pytest.fixture
def record_counts(request):
    """Takes a line for the summary."""
    return request.config.stash[counts].append


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
