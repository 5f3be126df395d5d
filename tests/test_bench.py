"""Benchmarks as programs: verdicts, the record and its round trip, comparison, charts, and `pyapdraw bench`."""

import copy
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyapdraw import _C, bench
from pyapdraw.bench import cases
from pyapdraw.cli import main
from pyapdraw.errors import BadInput

FOLDER = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture(scope="module")
def scripts():
    """The modules of bench/, which import each other by their bare names."""
    if not FOLDER.is_dir():
        pytest.skip("not run from a source tree")
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))


def row(case="a", ours=1.0, peer=4.0, must=None, aim=None, **more):
    return {
        "suite": "s", "case": case, "threads": 1, "cache": "warm",
        "median_ms": {"pyapdraw": ours, "peer": peer},
        "quartiles_ms": {"pyapdraw": [ours * 0.98, ours * 1.02], "peer": [peer, peer]},
        "ratio": {"peer": peer / ours}, "must": must or {}, "aim": aim or {}, "pixels": 100, "flop": 0,
        "moved_bytes": 500, "verdict": "", **more,
    }  # fmt: skip


PEAK = {"isa": "cpu_base", "threads": 1, "fma_f32_gflops": 100.0, "dot_bf16_gflops": 200.0, "copy_l1_gbs": 90.0,
        "copy_l2_gbs": 80.0, "copy_l3_gbs": 70.0, "copy_dram_gbs": 10.0, "copy_dram_streaming_gbs": 20.0}  # fmt: skip


def record(*rows):
    caches = {"1": 32 << 10, "2": 1 << 20, "3": 32 << 20}
    here = {"name": "x-2-cores", "cpu": "X", "cores": 2, "isa": "cpu_base", "cache_bytes": caches, "system": "L",
            "governor": None, "python": "3"}  # fmt: skip
    suite = {"date": "2026-01-02", "commit": "abc", "rows": list(rows), "wrong": []}
    return {"schema": 1, "machine": here, "peaks": {"1": PEAK}, "versions": {"numpy": "2"}, "suites": {"s": suite}}


@pytest.mark.parametrize(
    ("ratio", "must", "aim", "verdict"),
    [
        ({"p": 3.0}, {}, {}, ""),
        ({"p": 3.0}, {"p": 2}, {}, "pass"),
        ({"p": 3.0}, {"p": 2}, {"p": 4}, "pass"),
        ({"p": 4.0}, {"p": 2}, {"p": 4}, "aim"),
        ({"p": 1.9}, {"p": 2}, {"p": 4}, "FELL SHORT"),
        ({"p": 9.0, "q": 0.9}, {"p": 2, "q": 1}, {}, "FELL SHORT"),
        ({"p": 9.0}, {"p": 2, "q": 1}, {}, "FELL SHORT"),  # a peer that was not measured proves nothing
        ({"p": 9.0, "q": 1.1}, {"p": 2, "q": 1}, {"p": 8, "q": 2}, "pass"),
    ],
)
def test_verdicts(scripts, ratio, must, aim, verdict):
    row = scripts("record").Row("s", "c", 1, "warm", ratio=ratio, must=must, aim=aim)
    assert row.verdict == verdict


def test_a_suite_checks_then_times_and_writes_rows_that_the_record_takes(scripts, tmp_path, monkeypatch):
    suites, report = scripts("record"), scripts("report")
    monkeypatch.setattr(bench, "SETTLE_S", 0)
    monkeypatch.setattr(sys, "argv", ["bench", "--seconds", "0.01", "--json", str(tmp_path / "rows.json")])
    suite = suites.Suite("s")

    def wrong():
        raise AssertionError("no")

    suite.compare("good", {"pyapdraw": lambda: None, "peer": lambda: sum(range(2000))}, must={"peer": 1}, threads=1)
    assert suite.compare("bad", {"pyapdraw": lambda: None}, check=wrong) is None
    assert suite.finish() == 1
    found = json.loads((tmp_path / "rows.json").read_text())
    assert found["wrong"] == ["bad: no"] and found["rows"][0]["verdict"] == "pass"
    report.check_record(record(*found["rows"]), "here")


def test_a_record_survives_its_file(scripts, tmp_path):
    report, original = scripts("report"), record(row(must={"peer": 2}, verdict="pass"), row("b"))
    report.save(original, tmp_path / "r.json")
    assert report.load(tmp_path / "r.json") == original
    text = report.text(original)
    assert "FELL SHORT" not in text and "1 comparisons with a target: 1 reach it" in text
    assert "0.5 GB/s (1 %)" not in text and "GB/s" in text and "peer 4 = 4.00x" in text


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: r.update(schema=2), "no record of schema 1"),
        (lambda r: r.pop("peaks"), "'peaks' is missing"),
        (lambda r: r["suites"]["s"].pop("rows"), "suite 's' has no rows"),
        (lambda r: r["suites"]["s"]["rows"][0].pop("median_ms"), "'median_ms' is 'missing'"),
        (lambda r: r["suites"]["s"]["rows"][0]["median_ms"].pop("pyapdraw"), "no time of pyapdraw"),
        (lambda r: r["suites"]["s"]["rows"][0]["ratio"].update(peer=-1), "positive"),
        (lambda r: r["suites"]["s"]["rows"][0].update(threads=7), "no peaks for 7 threads"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(scripts, tmp_path, spoil, said, capsys):
    spoilt = copy.deepcopy(record(row()))
    spoil(spoilt)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(spoilt))
    report, compare = scripts("report"), scripts("compare")
    with pytest.raises(report.BadRecord, match=said) as caught:
        report.load(path)
    assert str(path) in str(caught.value)
    sys.argv = ["compare", str(path), str(path)]
    assert compare.main() == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ours", "peer", "mark", "code"),
    [
        (1.0, 4.0, "", 0),
        (1.03, 4.0, "", 0),  # within the spread
        (1.5, 4.0, "SLOWER", 1),
        (1.5, 6.0, "busy?", 0),  # the peer slowed down alike
        (0.5, 4.0, "faster", 0),
    ],
)
def test_compare_flags_beyond_the_spread(scripts, tmp_path, monkeypatch, capsys, ours, peer, mark, code):
    report, compare = scripts("report"), scripts("compare")
    old, new = record(row(), row("gone")), record(row(ours=ours, peer=peer), row("fresh"))
    assert compare.flag(old["suites"]["s"]["rows"][0], new["suites"]["s"]["rows"][0], 1.1)[2] == mark
    report.save(old, tmp_path / "old.json")
    report.save(new, tmp_path / "new.json")
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")])
    assert compare.main() == code
    said = capsys.readouterr().out
    assert "only in the old record: s, gone" in said and "new: s, fresh" in said and mark in said


def test_compare_refuses_files_that_are_not_there(scripts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "none.json"), str(tmp_path / "none.json")])
    assert scripts("compare").main() == 2
    assert "none.json: No such file" in capsys.readouterr().err


def test_charts_draw_a_record(scripts, tmp_path):
    pytest.importorskip("matplotlib", reason="charts need matplotlib, of the dev extra")
    charts = scripts("charts")
    rows = [row(f"case {i}", ours=1 + i, must={"peer": 2}, flop=i % 2 * 1e6) for i in range(8)]
    assert charts.ratios(record(*rows), tmp_path / "a.png") == 8
    assert charts.roofline(record(*rows), tmp_path / "b.png") == 8
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_charts_draw_an_empty_record(scripts, tmp_path):
    pytest.importorskip("matplotlib", reason="charts need matplotlib, of the dev extra")
    charts = scripts("charts")
    assert charts.ratios(record(), tmp_path / "a.png") == charts.roofline(record(), tmp_path / "b.png") == 0


def test_figures_go_between_the_marks(scripts, tmp_path):
    report = scripts("report")
    page = tmp_path / "README.md"
    page.write_text(f"before\n{report.MARKS[0]}\nold\n{report.MARKS[1]}\nafter\n")
    report.into_readme("new", page)
    assert page.read_text() == f"before\n{report.MARKS[0]}\nnew\n{report.MARKS[1]}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(report.BadRecord, match="marks"):
        report.into_readme("new", page)
    assert all(mark in (FOLDER / "README.md").read_text() for mark in report.MARKS)


def test_every_suite_is_found_and_kept_records_are_well_formed(scripts):
    run, report = scripts("run"), scripts("report")
    names = [path.stem.removeprefix("bench_") for path in run.suites([])]
    assert names == report.in_order(names) and {"ink", "faces", "mask", "video"} <= set(names)
    with pytest.raises(SystemExit, match="no suite nothing"):
        run.suites(["nothing"])
    for path in set((FOLDER / "results").glob("*.json")) - set((FOLDER / "results").glob("gpu-*.json")):
        kept = report.load(path)
        assert path.stem == kept["machine"]["name"]


def test_peaks_are_measured():
    one = _C.machine_peaks(1, 0.05)
    numbers = [v for k, v in one.items() if k not in ("isa", "threads", "dot_bf16_gflops")]
    assert one["isa"] == next(iter(_C.backends())) and one["threads"] == 1
    assert len(numbers) == 6 and all(0.05 < v < 1e5 for v in numbers)
    for arguments, name in [((-1, 0.1), "threads"), ((1, 0), "seconds"), ((1, float("nan")), "seconds")]:
        with pytest.raises(BadInput, match=name):
            _C.machine_peaks(*arguments)


def test_the_roof_of_a_row():
    caches = {"1": 32 << 10, "2": 1 << 20, "3": 32 << 20}
    for moved, cache, most in [
        (1e3, "warm", 90),
        (1e5, "warm", 80),
        (8e6, "warm", 70),
        (1e8, "warm", 20),
        (1e3, "cold", 20),
    ]:
        assert bench.roof(row(moved_bytes=moved, cache=cache), PEAK, caches) == [("GB/s", moved / 1e6, most)]
    assert bench.roof(row(flop=2e6, moved_bytes=0), PEAK, caches) == [("GFLOP/s", 2.0, 100)]
    assert bench.roof(row("3x3 bf16", flop=2e6, moved_bytes=0), PEAK, caches) == [("GFLOP/s", 2.0, 200)]


def test_the_verb_prints_checks_and_writes(scripts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "SETTLE_S", 0)
    assert main(["bench", "--seconds", "0.01", "--threads", "2", "--json", str(tmp_path / "b.json")]) == 0
    said = capsys.readouterr().out
    for name in ("peaks:", "distance_transform 512", "fuse_regions", "conv2d", "yuv_to_rgb"):
        assert name in said
    assert "WRONG" not in said
    kept = scripts("report").load(tmp_path / "b.json")
    assert {r["threads"] for r in kept["suites"]["native"]["rows"]} == {2}
    text = (tmp_path / "b.json").read_text()
    assert str(Path.home()) not in text and __import__("platform").node() not in text


def test_the_verb_without_peers_needs_neither_torch_nor_opencv():
    code = (
        "import sys; from pyapdraw.cli import main; sys.modules.update(torch=None, cv2=None, scipy=None);"
        "sys.exit(main(['bench', 'composite', 'conv2d', '--no-peers', '--seconds', '0.01', '--threads', '1']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "composite 512" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing"], 2, "OP: nothing given"),
        (["composite", "--threads", "999"], 2, "threads: 999 given"),
        (["composite", "--seconds", "0"], 2, "seconds: 0.0 given"),
        (["composite", "--no-peers", "--seconds", "0.01", "--json", "/no/such/folder/b.json"], 4, "/no/such/folder"),
    ],
)
def test_the_verb_refuses(words, code, said, capsys):
    assert main(["bench", *words]) == code
    assert said in capsys.readouterr().err


def test_a_wrong_answer_is_not_timed(monkeypatch, capsys):
    def wrong(threads):
        return [cases.Case("liar", lambda: None, lambda: cases.agree(np.ones(3), np.zeros(3), 0.5))]

    monkeypatch.setitem(bench.CASES, "composite", wrong)
    assert main(["bench", "composite", "--seconds", "0.01"]) == 1
    assert "WRONG ANSWER" in capsys.readouterr().out
