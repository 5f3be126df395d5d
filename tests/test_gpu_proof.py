"""bench/gpu_proof.sh and bench/gpu: every script runs dry on the CPU, the record and its page say what is true."""

import contextlib
import importlib
import itertools
import json
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from pyapdraw import _C, ops

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
pytest.importorskip("torch", reason="the benchmarks of the GPU are written with torch")
if not BENCH.is_dir():
    pytest.skip("not run from a source tree", allow_module_level=True)


@pytest.fixture(scope="module")
def scripts():
    """The modules of bench/ and bench/gpu by name."""
    folders = [str(BENCH / "gpu"), str(BENCH)]
    sys.path[:0] = folders
    yield importlib.import_module
    for folder in folders:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def dry():
    """One dry run of everything, and its record."""
    done = subprocess.run(
        [str(BENCH / "gpu_proof.sh"), "--dry", "--again", "--seconds", "900"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout, json.loads((ROOT / "build" / "gpu-proof-dry" / "gpu-none.json").read_text())


def rows_of(record):
    return [row for step in record["parts"]["bench"].values() for row in step["rows"]["rows"]]


def test_a_dry_run_goes_through_every_part(dry, scripts):
    said, record = dry
    assert set(record["parts"]) == {"build", "test", "profile", "sanitize", "bench"}
    assert set(record["parts"]["profile"]["kernels"]["rows"]["finished"]) >= {"1080p frame", "config f network"}
    assert set(record["parts"]["bench"]) == set(scripts("gpu_proof").BENCHES)
    for part in record["parts"].values():
        assert all(step["code"] == 0 and not step["cut_off"] for step in part.values())
    assert record["parts"]["test"]["test_composite"]["rows"]["passed"] > 20
    assert record["parts"]["sanitize"]["memcheck"]["summary"]["calls"] > 25
    assert "FAILED" not in said and "wrong" in said
    assert all(row["verdict"] == "dry" for row in rows_of(record)), "a dry run proves nothing"


def test_a_dry_run_leaves_no_record_among_the_results(dry):
    assert not (BENCH / "results" / "gpu-none.json").exists()


def test_every_claim_about_speed_has_its_row(dry, scripts):
    claims = scripts("claims")
    rows = rows_of(dry[1])
    for claim in claims.SPEED:
        mine = [r for r in rows if r["suite"] == claim.suite and r["case"].startswith(claim.case)]
        mine = [r for r in mine if r["cache"] == claim.mode]
        assert mine, claim
        assert any(p.startswith(claim.peer) for r in mine for p in r["must"]), claim


def test_every_target_of_a_row_is_claimed(dry, scripts):
    claims = scripts("claims")
    for row in rows_of(dry[1]):
        for peer in row["must"]:
            assert any(
                c.suite == row["suite"] and row["case"].startswith(c.case) and peer.startswith(c.peer)
                for c in claims.SPEED
            ), (row["case"], peer)


def test_dry_runs_prove_nothing(dry, scripts):
    claims = scripts("claims")
    assert all(claims.measured(dry[1], claim) == claims.OPEN for claim in claims.SPEED)


def test_every_operation_is_claimed(scripts):
    claims = scripts("claims")
    entries = set(next(iter(_C.backends().values())))
    assert set(claims.OPERATIONS) == entries >= set(claims.TESTED_IN)
    behaviour = {file for file, _ in claims.BEHAVIOUR.values()} - claims.PROGRAMS
    for file in {*claims.OPERATIONS.values(), *behaviour}:
        assert (ROOT / "tests" / f"{file}.py").is_file(), file
    assert claims.SANITIZERS == scripts("gpu_proof").SANITIZERS


def test_the_page_is_up_to_date(scripts):
    """Otherwise: python bench/gpu/claims.py."""
    claims = scripts("claims")
    text = claims.PAGE.read_text(encoding="utf-8")
    assert claims.with_table(text, claims.page(claims.newest(), claims.available())) == text


def test_the_page_knows_which_kernels_there_are(scripts):
    if "cuda" not in _C.backends():
        pytest.skip("this build has no CUDA kernels")
    assert set(scripts("claims").available()) == {op for op, there in _C.backends()["cuda"].items() if there}


def row(suite="fuse_regions", case="x 1", mode="graph, cold", ours=4.0, peers=None, must=None, aim=None):
    peers = {"limit 5 us": 0.005} if peers is None else peers
    return {
        "suite": suite, "case": case, "cache": mode, "median_ms": {"pyapdraw": ours / 1e3, **peers},
        "ratio": {p: ms / (ours / 1e3) for p, ms in peers.items()}, "must": must or dict.fromkeys(peers, 1.0),
        "aim": aim or {}, "percent_of_limit": 20.0, "verdict": "pass",
    }  # fmt: skip


def record(rows=(), tests=None, sanitizers=None):
    def step(**more):
        return {"code": 0, "cut_off": False, "seconds": 1.0, **more}

    return {
        "date": "2027-01-02",
        "gpu": {"name": "NVIDIA X", "driver_version": "600.1"},
        "parts": {
            "bench": {"fuse_regions": step(rows={"rows": list(rows), "wrong": []})},
            "test": {k: step(rows=v) for k, v in (tests or {}).items()},
            "sanitize": {k: step(summary=v) for k, v in (sanitizers or {}).items()},
        },
    }


def test_figures_of_speed(scripts):
    claims = scripts("claims")
    claim = next(c for c in claims.SPEED if c.peer == "limit 5 us")
    assert claims.measured(record([row()]), claim) == "4 us, 20 % of the machine's limit: reached"
    assert "**fell short**" in claims.measured(record([row(ours=6.0)]), claim)
    assert claims.measured(record([row(mode="stream")]), claim) == claims.OPEN
    assert claims.measured(record([row(peers={}, must={"limit 5 us": 1.0})]), claim) == claims.OPEN
    peer = next(c for c in claims.SPEED if c.suite == "fuse_regions" and c.peer == "torch.compile")
    both = [
        row(peers={"torch.compile": ms}, must={"torch.compile": 3.0}, aim={"torch.compile": 5}) for ms in (0.03, 0.1)
    ]
    assert claims.measured(record(both), peer) == (
        "4 us, 7.50x torch.compile, 20 % of the machine's limit, the worst of 2: x 1: aim reached"
    )


def test_figures_of_tests_and_sanitizers(scripts):
    claims = scripts("claims")
    good, bad = ({"passed": 9, "failed": n, "skipped": 1} for n in (0, 2))
    assert claims.tested(record(tests={"test_ink": good}), "test_ink") == "9 tests"
    assert claims.tested(record(tests={"test_ink": bad}), "test_ink") == "**FAILED**: 2 of 11 tests"
    assert claims.tested(record(tests={"test_ink": {**good, "passed": 0}}), "test_ink") == claims.OPEN
    assert claims.tested(record(tests={"embed_cuda": None}), "embed_cuda") == "ran, its answers right"
    assert claims.tested(record(tests={"test_ink": None}), "test_ink") == claims.OPEN
    assert claims.tested(record(), "test_ink") == claims.tested(None, "test_ink") == claims.OPEN
    assert claims.sanitized(record(sanitizers={"memcheck": {"errors": 0, "calls": 3}}), "memcheck") == "clean, 3 calls"
    found = claims.sanitized(record(sanitizers={"racecheck": {"hazards": 2, "calls": 3}}), "racecheck")
    assert found == "**2 findings**"
    assert claims.sanitized(record(sanitizers={"memcheck": {"errors": 0}}), "memcheck") == claims.OPEN


def test_the_page_of_a_record(scripts):
    claims = scripts("claims")
    text = claims.page(record([row()], {"test_ink": {"passed": 3, "failed": 0, "skipped": 0}}), {"ink": True})
    assert "| `ink` agrees with the CPU |" in text and "| 3 tests | 2027-01-02 | NVIDIA X, driver 600.1 |" in text
    assert f"| `flow_dog` agrees with the CPU |  | {claims.ABSENT} |  |  |" in text
    with pytest.raises(ValueError, match="marks"):
        claims.with_table("no marks", text)


def test_a_wrong_answer_or_a_crash_fails_and_time_that_runs_out_is_left(scripts, tmp_path, monkeypatch, capsys):
    proof = scripts("gpu_proof")
    monkeypatch.setattr(proof, "ROOT", tmp_path)
    programs = {"good": "print(1)", "bad": "raise SystemExit(1)", "slow": "import time; time.sleep(60)"}

    def steps(part, run):
        return [proof.Step(part, n, [sys.executable, "-c", p], 2.0) for n, p in programs.items()]

    monkeypatch.setattr(proof, "steps", steps)
    assert proof.main(["bench", "--dry"]) == 1
    said = capsys.readouterr().out
    assert "bench good: ok" in said and "bench bad: FAILED" in said and "bench slow: cut off" in said
    assert proof.main(["bench", "--dry", "--only", "slow"]) == 3
    assert proof.main(["bench", "--dry", "--only", "good"]) == 0
    assert "bench good" not in capsys.readouterr().out.split("\n\n")[0], "a finished step is not repeated"
    assert proof.main(["bench", "--dry", "--only", "good", "--again", "--seconds", "0"]) == 3
    assert proof.main(["test", "--dry", "--only", "bad"]) == 1


def test_usage_and_a_host_without_a_gpu(scripts, monkeypatch, capsys):
    proof = scripts("gpu_proof")
    with pytest.raises(SystemExit) as left:
        proof.main(["nothing"])
    assert left.value.code == 2 and "no part nothing" in capsys.readouterr().err
    monkeypatch.setattr(proof, "gpu", lambda: {})
    assert proof.main(["bench"]) == 1 and "no GPU" in capsys.readouterr().err


def test_the_record_goes_to_the_results_and_to_out(scripts, tmp_path, monkeypatch):
    proof = scripts("gpu_proof")
    monkeypatch.setattr(proof, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    written = proof.write({"gpu": {"name": "NVIDIA H200"}}, types.SimpleNamespace(dry=False, folder=tmp_path))
    assert [p.relative_to(tmp_path).as_posix() for p in written] == [
        "results/gpu-nvidia-h200.json",
        "out/gpu-nvidia-h200.json",
    ]


def test_sanitizer_and_junit_output(scripts, tmp_path):
    proof = scripts("gpu_proof")
    text = "3 calls on the device, 2 of them with 16-bit operands, 1 of 2\n== ERROR SUMMARY: 2 errors\n"
    text += "== RACECHECK SUMMARY: 1 hazard displayed (0 errors)"
    assert proof.sanitizer_summary(text) == {"errors": 2, "hazards": 1, "calls": 3, "calls_16_bit": 2}
    (tmp_path / "a.xml").write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/>'
        '<testcase classname="t" name="b"><failure/></testcase>'
        '<testcase classname="t" name="c"><skipped message="no"/></testcase></testsuite></testsuites>'
    )
    assert proof.junit(tmp_path / "a.xml") == {
        "passed": 1, "failed": 1, "skipped": 1, "failures": ["t.b"], "skips": ["no"]
    }  # fmt: skip


@pytest.fixture
def suite(scripts, tmp_path, monkeypatch):
    def make(*options):
        monkeypatch.setattr(sys, "argv", ["suite", "--dry", "--json", str(tmp_path / "rows.json"), *options])
        return scripts("measure").Suite("s")

    return make


def test_a_suite_checks_before_it_times_and_goes_on_where_it_was(suite, scripts, tmp_path):
    measure = scripts("measure")
    runs = []

    def candidate(name):
        return measure.Candidate(lambda i: runs.append(name))

    def wrong():
        raise AssertionError("no")

    first = suite()
    first.compare("a", {measure.OURS: candidate("a"), "p": candidate("p")}, moved_bytes=1e6)
    first.compare("b", {measure.OURS: candidate("b")}, check=wrong)
    first.compare("c", {measure.OURS: measure.Candidate(lambda i: 1 / 0)})
    assert "b" not in runs and first.finish() == 1
    kept = json.loads((tmp_path / "rows.json").read_text())
    assert kept["finished"] == ["a"] and len(kept["wrong"]) == 3 and "ZeroDivisionError" in kept["wrong"][1]
    assert {r["cache"] for r in kept["rows"]} == {"graph, cold", "stream"}
    assert kept["rows"][0]["floor_ms"] == pytest.approx(0.1)
    runs.clear()
    second = suite()
    second.compare("a", {measure.OURS: candidate("a")})
    second.compare("b", {measure.OURS: candidate("b")})
    assert "a" not in runs and "b" in runs and second.finish() == 0
    assert {r["case"] for r in second.rows} == {"a", "b"}


def test_verdicts_of_the_gpu(scripts):
    measure, row = scripts("measure"), scripts("record").Row
    asked = {"must": {"CuPy": 3, "limit 5 us": 1}, "aim": {"CuPy": 8}}
    for ratio, verdict in [
        ({"CuPy": 4.0, "limit 5 us": 1.2}, "pass"),
        ({"CuPy": 9.0, "limit 5 us": 1.2}, "aim"),
        ({"CuPy": 4.0, "limit 5 us": 0.9}, "FELL SHORT"),
        ({"limit 5 us": 2.0}, "NOT MEASURED"),
    ]:
        assert measure.verdict(row("s", "c", 0, "graph, cold", ratio=ratio, **asked), {}) == verdict
    assert measure.limit(10, 5) == measure.Asked({"limit 10 us": 1.0}, {"limit 10 us": 2.0})


def test_errors_are_relative_and_nan_is_infinite(scripts):
    import torch

    error = scripts("measure").relative_error
    assert error(torch.tensor([1.0, 1.1]), torch.tensor([1.0, 1.0])) == pytest.approx(0.1 / 2**0.5, rel=1e-5)
    assert error(torch.tensor([float("nan")]), torch.tensor([1.0])) == float("inf")


class FakeCuda:
    """torch.cuda as measure.py uses it: a graph keeps its calls, an event takes the host's time."""

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = time.perf_counter()

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return (end.at - self.at) * 1e3

    class Stream:
        def wait_stream(self, other):
            pass

    class CUDAGraph:
        replays = 0

        def replay(self):
            FakeCuda.CUDAGraph.replays += 1

    current_stream = Stream
    stream = staticmethod(contextlib.nullcontext)
    graph = staticmethod(contextlib.nullcontext)
    is_available = staticmethod(lambda: True)
    synchronize = staticmethod(lambda: None)

    @staticmethod
    def get_device_properties(_):
        return types.SimpleNamespace(L2_cache_size=50_000_000)


def test_timing_on_a_stand_in_for_the_gpu(scripts, monkeypatch):
    import torch

    measure = scripts("measure")
    monkeypatch.setattr(measure.torch, "cuda", FakeCuda)
    found = measure.ceilings(torch.device("cpu"), 1000, 64)
    assert found["copy_gbs"] > 0 and found["matmul_bf16_tflops"] > 0
    monkeypatch.setattr(measure, "ceilings", lambda device: found)
    monkeypatch.setattr(sys, "argv", ["suite", "--seconds", "0.01"])
    suite = measure.Suite("s")
    assert suite.sets(1_000_000) == 150 and suite.sets(1) == 256 and suite.sets(1e12) == 2
    runs, numbers = [], itertools.count()

    def run(i):
        runs.append(i)
        return torch.full((2,), float(i))

    eager = measure.Candidate(run, ("stream", "call"))
    suite.compare(
        "a", {measure.OURS: measure.Candidate(run), "eager": eager}, sets=30, modes=measure.MODES, moved_bytes=1e6,
        asked={"graph, cold": measure.limit(1e9), "stream": measure.Asked({"eager": 1e-6}),
               "call": measure.Asked({"x": 1})},
    )  # fmt: skip
    assert not suite.wrong and suite.finish() == 0
    assert [r["verdict"] for r in suite.rows] == ["pass", "", "pass", "NOT MEASURED"]
    assert set(runs) == set(range(30)) and FakeCuda.CUDAGraph.replays > 10
    growing = measure.Candidate(lambda i: torch.full((2,), 2.0 ** next(numbers)))
    suite.compare("differs in a graph", {measure.OURS: growing}, sets=2, modes=("graph, cold",))
    assert suite.wrong and "other values" in suite.wrong[0] and suite.finish() == 1


def test_a_gpu_host_is_described_as_found(scripts, monkeypatch, tmp_path):
    """nvidia-smi by a stand-in on PATH, which takes queries alone."""
    proof = scripts("gpu_proof")
    program = tmp_path / "nvidia-smi"
    values = ", ".join(["NVIDIA H200", "580.1", "9.0", *["1"] * (len(proof.FIELDS) - 3)])
    program.write_text(f'#!/bin/sh\ncase "$1" in --query-gpu=*) echo "{values}";; *) exit 1;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = proof.gpu()
    assert found["name"] == "NVIDIA H200" and found["compute_cap"] == "9.0" and set(found) == set(proof.FIELDS)
    run = types.SimpleNamespace(dry=False, folder=tmp_path, sources="s")
    commands = [
        " ".join(s.command)
        for part in ("build", "test", "profile", "sanitize", "bench")
        for s in proof.steps(part, run)
    ]
    assert any("-DPYAPDRAW_CUDA_ARCHITECTURES=90" in c for c in commands)
    assert any("examples/embed_cuda" in c for c in commands)
    assert sum("--device cuda" in c for c in commands) > 5 and sum("compute-sanitizer" in c for c in commands) == 4
    assert sum("bench/gpu/" in c and "--json" in c for c in commands) == len(proof.BENCHES) + 1
    assert any("bench/gpu/kernels.py" in c for c in commands)


def event(name, dur, cat="kernel", grid=(4, 1, 1), block=(128, 1, 1), registers=32, ph="X"):
    """As torch's profiler writes it for a node of a replayed graph."""
    args = {"device": 0, "stream": 7, "graph id": 1, "grid": list(grid), "block": list(block), "blocks per SM": 0.03,
            "registers per thread": registers, "shared memory": 0, "est. achieved occupancy %": 0}  # fmt: skip
    return {"ph": ph, "cat": cat, "name": name, "pid": 0, "tid": 7, "ts": 1.5, "dur": dur, "args": args}


def test_the_kernels_of_a_trace(scripts):
    """Those of one name, grid, block and registers together; nothing of the host; the most time first."""
    events = [
        event("rows", 10.0), event("columns", 2.0), event("rows", 14.0), event("rows", 3.0, grid=(8, 1, 1)),
        event("cudaGraphLaunch", 99.0, "cuda_runtime"), event("aten::mm", 99.0, "cpu_op"),
        event("rows", 99.0, ph="i"), {"ph": "M", "name": "process_name", "args": {"name": "python"}},
        {"ph": "X", "cat": "gpu_memset", "name": "Memset (Device)", "dur": 1.25, "args": {"bytes": 4}},
    ]  # fmt: skip
    found = scripts("kernels").kernels_of({"traceEvents": events})
    assert [(k["kernel"], k["count"], k["mean_us"], k["grid"]) for k in found] == [
        ("rows", 2, 12.0, [4, 1, 1]), ("rows", 1, 3.0, [8, 1, 1]), ("columns", 1, 2.0, [4, 1, 1]),
        ("Memset (Device)", 1, 1.25, []),
    ]  # fmt: skip
    assert found[0]["block"] == [128, 1, 1] and found[0]["registers"] == 32 and found[3]["registers"] is None
    assert scripts("kernels").kernels_of({"traceEvents": []}) == []


def test_the_composed_peer_of_up_layers_is_the_transposed_convolution_and_the_filter(scripts):
    import torch

    peer = scripts("peer_stylegan")
    normal = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=normal, dtype=torch.float64)

    x, weight, taps, styles = random(2, 7, 6, 9), random(5, 7, 3, 3), random(4), random(2, 7)
    noise, bias = random(1, 1, 12, 18), random(5)
    options = {"noise": noise, "bias": bias}
    expected = peer.scale(x, weight, styles, taps=taps, up=2, **options)
    squares = weight.square().sum((2, 3))
    found = peer.phases(x, peer.composed(weight, taps), styles, demodulated=squares, **options)
    torch.testing.assert_close(found, expected)
    found = peer.phases(x, peer.composed(weight, taps), styles, demodulated=squares, **(options | {"noise": None}))
    torch.testing.assert_close(found, peer.scale(x, weight, styles, taps=taps, up=2, **(options | {"noise": None})))


@pytest.mark.parametrize("batch", [1, 3])
def test_the_peer_for_any_face_is_the_published_one(scripts, batch):
    import torch
    from cases_fuse_regions import portrait

    fuse = scripts("fuse_regions")
    inputs = fuse.Inputs(batch, 96, 0, torch.device("cpu"))
    assert torch.equal(inputs.any_face(fuse.for_any_face), inputs.exact())
    parts, centres, hair, background, mask = (
        [torch.from_numpy(p) for p in x] if isinstance(x, list) else torch.from_numpy(x) for x in portrait(batch, 96)
    )
    centres = centres + torch.tensor([[-60, 70]])  # partly outside
    found = fuse.for_any_face(parts, centres, hair, background, mask)
    assert torch.equal(found, ops.fuse_regions(parts, centres, hair, background, mask))


def test_grids_of_a_moving_face_are_those_of_a_resting_one(scripts):
    import numpy as np
    import torch

    frame = scripts("frame")
    affine = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -5.0]])
    for size, source in (((40, 56), (30, 41)), ((17, 9), (64, 48))):
        made = [make(affine, size, source, torch.device("cpu")) for make in (frame.grid, frame.affine_grid)]
        torch.testing.assert_close(*made, rtol=1e-4, atol=1e-4)


def test_the_commit_of_a_record_is_looked_up_by_its_sources(scripts, tmp_path, monkeypatch):
    """A copy of a tree without its history, or with other files changed, still is what some commit holds."""
    commits = scripts("commits")

    def git(*arguments):
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=tmp_path, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    hashes, names = [], []
    (tmp_path / "csrc").mkdir()
    for i in range(3):
        (tmp_path / "csrc" / "a.cpp").write_text(f"int a = {i // 2};")
        (tmp_path / "README.md").write_text(str(i))
        git("add", "-A")
        git("commit", "-qm", str(i))
        hashes.append(commits.of_files(commits.files_here(tmp_path)))
        names.append(git("rev-parse", "--short", "HEAD"))
    assert hashes[0] == hashes[1] != hashes[2]
    assert commits.with_sources(hashes[0], tmp_path) == names[0], "the first that holds them"
    assert commits.with_sources(hashes[2], tmp_path) == names[2]
    assert commits.with_sources("0" * 16, tmp_path) is None
    assert commits.with_sources(hashes[0], tmp_path / "csrc" / "none") is None


def test_the_committed_record_names_the_commit_of_its_sources(scripts):
    commits = scripts("commits")
    record = scripts("claims").newest()
    found = commits.with_sources(record["sources"], ROOT)
    if found is None:
        pytest.skip("no history here that holds the record's sources")
    assert found.startswith(record["commit"]) or record["commit"].startswith(found)
