"""Shared fixtures, and the devices that tests run on: `--device cpu`; `emulated`, the CUDA kernels on the CPU; `cuda`,
the same on a GPU; `carried`, the CPU kernels behind what carries arrays to a GPU and back.

Data that is not part of the project is looked for in a `shared/` folder beside a checkout.
"""

import signal
from pathlib import Path

import pytest
from emulated import module

counts = pytest.StashKey[list[str]]()
carried = pytest.StashKey[object]()


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=("cpu", "emulated", "cuda", "carried"),
        default="cpu",
        help="emulated: CPU tensors go through the CUDA kernels, which run on the CPU; cuda: on a GPU "
        "(docs/architecture.md)",
    )


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As `nohup ... &` leaves it; the programs that tests interrupt would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[counts] = []
    device = config.getoption("device")
    if device == "emulated":
        if module.missing():
            pytest.exit(f"--device emulated: {module.missing()}", returncode=1)
        module.install(module.build())
    elif device != "cpu":
        import carrier

        memory = "cuda" if device == "cuda" else "cpu"
        if reason := carrier.missing(memory):
            pytest.exit(f"--device {device}: {reason}", returncode=1)
        config.stash[carried] = carrier.install(memory)


def pytest_collection_modifyitems(config, items):
    device = config.getoption("device")
    if device == "cpu":
        return
    from emulated.selection import fewer_examples, left_out

    gone = [item for item in items if left_out(item, device)]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if not left_out(item, device)]
    if device == "emulated":
        for item in items:
            fewer_examples(item)


def pytest_sessionfinish(session):
    """Tests that all pass without a call on the device have shown nothing."""
    installed = session.config.stash.get(carried, None)
    if installed is not None and not session.config.option.collectonly:
        session.config.stash[counts].append(f"{installed.calls} calls on the device")
        if not installed.calls and session.exitstatus == 0:
            session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[counts]:
        terminalreporter.section("counts")
        terminalreporter.write("\n".join(config.stash[counts]) + "\n")


@pytest.fixture(scope="session")
def record_counts(pytestconfig):
    """Takes a line for the summary."""
    return pytestconfig.stash[counts].append


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
