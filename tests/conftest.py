"""Shared fixtures, and the devices that tests run on: `--device cpu`; `emulated`, the CUDA kernels on the CPU; `cuda`,
the same on a GPU; `copied`, the CPU kernels behind what copies arrays to a GPU and back.

Tests that take long are marked `slow` (cases_slow.py); every other one is in the quick lane of `make check`. What is
counted is told at the end, with the skipped tests by their reason, also where several processes share the tests (`-n`).

Data that is not part of the project is looked for in a `shared/` folder beside a checkout.
"""

import signal
from collections import Counter
from pathlib import Path

import cases_slow
import pytest
from emulated import module

counts = pytest.StashKey[list[str]]()
copies = pytest.StashKey[object]()


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=("cpu", "emulated", "cuda", "copied"),
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
        import copy_to_device

        memory = "cuda" if device == "cuda" else "cpu"
        if reason := copy_to_device.missing(memory):
            pytest.exit(f"--device {device}: {reason}", returncode=1)
        config.stash[copies] = copy_to_device.install(memory)


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(config, items):
    order = list(cases_slow.SLOW)
    for item in items:
        if cases_slow.is_slow(item):
            item.add_marker("slow")
    whole_files = not any("::" in arg for arg in config.args)
    config.stash[cases_slow.FAULTS] = cases_slow.faults(items) if whole_files else []
    # The longest first, so that where several processes test none is left alone with one at the end.
    items.sort(key=lambda item: order.index(item.path.name) if item.get_closest_marker("slow") else len(order))
    device = config.getoption("device")
    quick = config.option.markexpr == "not slow"
    if device == "cpu" and not quick:
        return
    from emulated.selection import EXAMPLES, fewer_examples, left_out

    if quick or device == "emulated":
        for item in items:
            fewer_examples(item, cases_slow.EXAMPLES if quick else EXAMPLES)
    if device == "cpu":
        return
    gone = [item for item in items if left_out(item, device)]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if not left_out(item, device)]


def pytest_sessionfinish(session):
    """Tests that all pass without a call on the device have shown nothing."""
    installed = session.config.stash.get(copies, None)
    if installed is not None and not session.config.option.collectonly:
        session.config.stash[counts].append(f"{installed.calls} calls on the device")
        if not installed.calls and session.exitstatus == 0:
            session.exitstatus = 1
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = session.config.stash[counts]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """One of several processes has ended (pytest-xdist)."""
    node.config.stash[counts] += getattr(node, "workeroutput", {}).get("counts", [])


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[counts]:
        terminalreporter.section("counts")
        terminalreporter.write("\n".join(dict.fromkeys(config.stash[counts])) + "\n")
    if skipped := Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("skipped")
        for reason, count in skipped.most_common():
            terminalreporter.write(f"SKIPPED {count}: {reason}\n")


def reason_of(report) -> str:
    """Why a test was skipped, in one line."""
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return " ".join(said.removeprefix("Skipped: ").split())


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
