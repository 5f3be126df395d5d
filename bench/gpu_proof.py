"""Builds on a GPU host, runs the tests there, the sanitizers and the benchmarks, and keeps one record of it all.

    python bench/gpu_proof.py [build] [test] [profile] [sanitize] [bench] [report]
                              [--only WORD] [--seconds 570] [--again] [--dry]

Without parts: all of them. Each part consists of steps with a time limit of their own; a step that has succeeded for
these sources is not repeated (build/gpu-proof/), so a run that was cut off goes on where it was. The record goes to
bench/results/gpu-NAME.json, and to the folder $OUT where that is set. Nothing is downloaded: the module is built with
CMake into pyapdraw/, and this tree stands on PYTHONPATH.

Exit code: 0 everything asked for has run and was right; 1 something failed or gave a wrong answer; 2 wrong usage; 3
steps are left because time ran out. Targets that are missed are published, they are no failure.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "gpu"))

import commits  # noqa: E402

RESULTS = HERE / "results"
PARTS = ("build", "test", "profile", "sanitize", "bench", "report")
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")
BENCHES = ("distance_transform", "fuse_regions", "modulated_conv2d", "frame", "network")
FIELDS = ("name", "driver_version", "compute_cap", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
          "clocks.max.mem", "power.limit", "power.draw", "temperature.gpu", "pstate", "utilization.gpu")  # fmt: skip
SCHEMA = 1


@dataclass
class Step:
    """One command. limit_s: after which it is stopped. rows: a file that it writes, also when it is stopped."""

    part: str
    name: str
    command: list[str]
    limit_s: float
    rows: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.part}-{self.name}"


class Run:
    """The folder of the state, and the time that is left."""

    def __init__(self, seconds: float, dry: bool, again: bool):
        self.dry, self.again = dry, again
        self.folder = ROOT / "build" / ("gpu-proof-dry" if dry else "gpu-proof")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + seconds
        self.sources = source_hash()

    def done(self, step: Step) -> bool:
        """Whether it has succeeded for these sources; a part that was cut off or failed runs again."""
        kept = self.result(step.key)
        return not self.again and kept is not None and kept["code"] == 0

    def result(self, key: str) -> dict[str, Any] | None:
        path = self.folder / f"{key}.json"
        kept = json.loads(path.read_text()) if path.is_file() else None
        return kept if kept and kept["sources"] == self.sources else None

    def execute(self, step: Step) -> dict[str, Any]:
        left = self.end - time.monotonic()
        if left < 5:
            return {"code": None, "seconds": 0.0, "said": "no time was left", "cut_off": True}
        limit = min(step.limit_s, left)
        environment = {**os.environ, **paths(), **step.environment}
        log = self.folder / f"{step.key}.log"
        start = time.monotonic()
        with log.open("w") as stream:
            process = subprocess.Popen(
                step.command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                code = None
        kept = {
            "code": code, "seconds": round(time.monotonic() - start, 1), "cut_off": code is None,
            "said": "\n".join(log.read_text(errors="replace").splitlines()[-25:]),
            "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "sources": self.sources,
        }  # fmt: skip
        if step.rows and step.rows.is_file():
            kept["rows"] = json.loads(step.rows.read_text()) if step.rows.suffix == ".json" else junit(step.rows)
        if step.part == "sanitize":
            kept["summary"] = sanitizer_summary(log.read_text(errors="replace"))
        (self.folder / f"{step.key}.json").write_text(json.dumps(kept, indent=1))
        return kept


def paths() -> dict[str, str]:
    """The tree itself as the installed package, and what the kernels of torch.compile are kept in."""
    python = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return {"PYTHONPATH": python, "PYTHONUNBUFFERED": "1"}


def source_hash() -> str:
    """Of everything that a result depends on."""
    return commits.of_files(commits.files_here(ROOT))


def junit(path: Path) -> dict[str, Any]:
    """Counts of a JUnit file, and the reasons of what was skipped."""
    import xml.etree.ElementTree as ET

    cases = list(ET.parse(path).getroot().iter("testcase"))
    bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = [c.find("skipped") for c in cases if c.find("skipped") is not None]
    return {
        "passed": len(cases) - len(bad) - len(skipped), "failed": len(bad), "skipped": len(skipped),
        "failures": [f"{c.get('classname')}.{c.get('name')}" for c in bad][:20],
        "skips": sorted({(s.get("message") or "")[:200] for s in skipped if s is not None})[:10],
    }  # fmt: skip


def sanitizer_summary(text: str) -> dict[str, int]:
    """The counts of compute-sanitizer's summary lines."""
    found = {}
    for errors in re.findall(r"ERROR SUMMARY: (\d+) error", text):
        found["errors"] = found.get("errors", 0) + int(errors)
    for hazards in re.findall(r"RACECHECK SUMMARY: (\d+) hazard", text):
        found["hazards"] = found.get("hazards", 0) + int(hazards)
    if calls := re.findall(r"(\d+) calls on the device", text):
        found["calls"] = int(calls[-1])
    if halves := re.findall(r"(\d+) of them with 16-bit operands", text):
        found["calls_16_bit"] = int(halves[-1])
    return found


# Steps ---------------------------------------------------------------------------------------


def steps(part: str, run: Run) -> list[Step]:
    made = {"build": build_steps, "test": test_steps, "profile": profile_steps, "sanitize": sanitize_steps,
            "bench": bench_steps}  # fmt: skip
    return made[part](run)


def build_steps(run: Run) -> list[Step]:
    """CMake into pyapdraw/ for the GPU that is there."""
    check = "from pyapdraw import _C; print(_C.__version__, {n: sum(t.values()) for n, t in _C.backends().items()})"
    checked = Step("build", "import", [sys.executable, "-c", check + "; assert 'cuda' in _C.backends()"], 60)
    if run.dry:
        return [checked]
    target = run.folder / "build"
    arch = (gpu().get("compute_cap") or "9.0").replace(".", "")
    ninja = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = ["cmake", "-S", str(ROOT), "-B", str(target), *ninja, f"-DPython_EXECUTABLE={sys.executable}",
                 "-DPYAPDRAW_CUDA=ON", f"-DPYAPDRAW_CUDA_ARCHITECTURES={arch}"]  # fmt: skip
    compile_ = ["cmake", "--build", str(target), "--target", "_C", "-j", str(os.cpu_count() or 2)]
    install = ["cmake", "--install", str(target), "--component", "python", "--prefix", str(ROOT / "pyapdraw")]
    return [
        Step("build", "configure", configure, 90),
        Step("build", "compile", compile_, 420),
        Step("build", "install", install, 30),
        checked,
    ]


def test_steps(run: Run) -> list[Step]:
    """The tests of the CPU kernels copied to the GPU, then those that are about CUDA itself."""
    sys.path.insert(0, str(ROOT / "tests"))
    from cases_emulated import SUITES

    found = []
    device = "copied" if run.dry else "cuda"
    suites = ["test_composite.py"] if run.dry else list(SUITES)
    about_cuda = sorted(p.name for p in (ROOT / "tests").glob("test_cuda_*.py") if p.name != "test_cuda_code.py")
    for file in [*suites, *([] if run.dry else about_cuda)]:
        rows = run.folder / f"{file}.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={rows}"]
        command += [] if file in about_cuda else ["--device", device]
        found.append(Step("test", file.removesuffix(".py"), [*command, f"tests/{file}"], 240, rows))
    return found if run.dry else [*found, embedding_step(run)]


def embedding_step(run: Run) -> Step:
    """examples/embed_cuda, built against what the build part has made, and run."""
    prefix, user = run.folder / "prefix", run.folder / "embed_cuda"
    commands = [
        ["cmake", "--install", str(run.folder / "build"), "--component", "dev", "--prefix", str(prefix)],
        ["cmake", "-S", str(ROOT / "examples" / "embed_cuda"), "-B", str(user), f"-DCMAKE_PREFIX_PATH={prefix}"],
        ["cmake", "--build", str(user)],
        [str(user / "embed_cuda")],
    ]
    return Step("test", "embed_cuda", ["sh", "-ec", "\n".join(shlex.join(c) for c in commands)], 120)


def sanitize_steps(run: Run) -> list[Step]:
    """A short program that calls every operation on the device, under each tool."""
    script = [sys.executable, str(HERE / "gpu" / "sanitize.py"), *(["--dry"] if run.dry else [])]
    # Without torch's cache every array is an allocation of its own, so that the tools see where it ends.
    environment = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    found = []
    for tool in SANITIZERS[:1] if run.dry else SANITIZERS:
        command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", "--print-limit", "20"]
        command = script if run.dry else [*command, *script]
        found.append(Step("sanitize", tool, command, 120, environment=environment))
    return found


def profile_steps(run: Run) -> list[Step]:
    """Kernel by kernel, what the benchmarks measure as a whole."""
    return [bench_step(run, "profile", "kernels", 60)]


def bench_step(run: Run, part: str, name: str, limit_s: float) -> Step:
    """A script of bench/gpu, which goes on from its rows where it was cut off."""
    rows = run.folder / f"{name}-{run.sources}.rows.json"
    command = [sys.executable, str(HERE / "gpu" / f"{name}.py"), "--json", str(rows)]
    command += ["--dry"] if run.dry else ["--ceilings", str(run.folder / "ceilings.json"), "--seconds", "0.5"]
    return Step(part, name, command, limit_s, rows, {"TORCHINDUCTOR_CACHE_DIR": str(run.folder / "inductor")})


def bench_steps(run: Run) -> list[Step]:
    limits = {"modulated_conv2d": 240, "network": 200}
    return [bench_step(run, "bench", name, limits.get(name, 120)) for name in BENCHES]


# The record ----------------------------------------------------------------------------------


def gpu() -> dict[str, str]:
    """What nvidia-smi says of the first GPU, as found; nothing is set."""
    if not shutil.which("nvidia-smi"):
        return {}
    query = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits", "--id=0"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    values = [v.strip() for v in done.stdout.strip().split(",")]
    return dict(zip(FIELDS, values)) if done.returncode == 0 and len(values) == len(FIELDS) else {}


def software() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in ("torch", "triton", "cupy-cuda13x", "jax", "numba-cuda", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if nvcc := shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc"):
        said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False).stdout
        if release := re.search(r"release [\d.]+, (V[\d.]+)", said):
            found["nvcc"] = release[1]
    return found


def record(run: Run, before: dict[str, str], given_commit: str | None) -> dict[str, Any]:
    """Everything that is known for these sources."""
    parts: dict[str, dict[str, Any]] = {}
    for part in PARTS[:-1]:
        for step in steps(part, run):
            kept = run.result(step.key)
            if kept:
                kept = {k: v for k, v in kept.items() if k != "sources" and (k != "said" or kept["code"] != 0)}
                parts.setdefault(part, {})[step.name] = kept
    return {
        "schema": SCHEMA,
        "kind": "gpu",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": given_commit or commits.with_sources(run.sources, ROOT),
        "sources": run.sources,
        "gpu": before,
        "gpu_after": gpu(),
        "software": software(),
        "parts": parts,
    }


def write(kept: dict[str, Any], run: Run) -> list[Path]:
    """A dry run leaves no record among the results."""
    name = re.sub(r"[^a-z0-9]+", "-", (kept["gpu"].get("name") or "none").lower()).strip("-")
    folders = [run.folder] if run.dry else [RESULTS]
    if os.environ.get("OUT") and not run.dry:
        folders.append(Path(os.environ["OUT"]))
    written = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"gpu-{name}.json")
        written[-1].write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return written


def summary(kept: dict[str, Any]) -> str:
    """One short table: a line a step, then one for each row with a target."""
    lines = []
    for part, of_part in kept["parts"].items():
        for name, step in of_part.items():
            rows = step.get("rows") or {}
            state = "cut off" if step["cut_off"] else "ok" if step["code"] == 0 else f"FAILED ({step['code']})"
            extra = ""
            if part == "test" and rows:
                extra = f"{rows['passed']} passed, {rows['failed']} failed, {rows['skipped']} skipped"
            elif part == "sanitize":
                extra = ", ".join(f"{v} {k}" for k, v in step.get("summary", {}).items())
            elif part in ("bench", "profile") and rows:
                extra = f"{len(rows['rows'])} rows, {len(rows['wrong'])} wrong"
            lines.append(f"{part:9} {name:34} {state:12} {step['seconds']:6.1f} s  {extra}")
    for name, step in kept["parts"].get("bench", {}).items():
        for row in (step.get("rows") or {}).get("rows", []):
            if row["must"] and "pyapdraw" in row["median_ms"]:
                ratios = "; ".join(f"{p} {row['ratio'].get(p, 0):.2f}x/{m:.3g}" for p, m in row["must"].items())
                ours = 1e3 * row["median_ms"]["pyapdraw"]
                lines.append(f"{name[:18]:18} {row['case'][:34]:34} {row['cache'][:15]:15} {ours:9.4g} us "
                             f"{row['percent_of_limit'] or 0:4.0f} %  {row['verdict']:12} {ratios}")  # fmt: skip
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--only", default="", help="only the steps whose name contains this")
    parser.add_argument("--seconds", type=float, default=570, help="for everything together")
    parser.add_argument("--again", action="store_true", help="also the steps that have succeeded")
    parser.add_argument("--dry", action="store_true", help="once, on the CPU, without a GPU; keeps no record")
    parser.add_argument("--commit", help="what the record names as the commit, where no history holds these sources")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    run = Run(given.seconds, given.dry, given.again)
    before = gpu()
    if not before and not given.dry:
        print("no GPU: nvidia-smi finds none here; --dry runs the scripts on the CPU", file=sys.stderr)
        return 1
    print(f"{before.get('name', 'dry run')}, driver {before.get('driver_version', '-')}, sources {run.sources}")
    print("as found:", ", ".join(f"{k} {v}" for k, v in before.items() if k not in ("name", "driver_version")))
    failed, left = execute(run, [p for p in PARTS[:-1] if not given.parts or p in given.parts], given.only)
    kept = record(run, before, given.commit)
    print("\n" + summary(kept))
    for path in write(kept, run):
        print(f"written: {path}")
    if failed:
        print("FAILED:", ", ".join(failed))
    if left:
        print("left, run again:", ", ".join(left))
    return 1 if failed else 3 if left else 0


def execute(run: Run, parts: list[str], only: str) -> tuple[list[str], list[str]]:
    """Names of the steps that failed, and of those that are left. Tests run side by side, all else one after the other,
    and nothing after a build that failed."""
    failed: list[str] = []
    left: list[str] = []
    for part in parts:
        todo = [step for step in steps(part, run) if only in step.name and not run.done(step)]
        workers = max(1, min(6, (os.cpu_count() or 1) // 2)) if part == "test" else 1
        with ThreadPoolExecutor(workers) as pool:
            for step, kept in zip(todo, pool.map(partial(execute_one, run, failed), todo)):
                if kept["cut_off"]:
                    left.append(step.key)
    return failed, left


def execute_one(run: Run, failed: list[str], step: Step) -> dict[str, Any]:
    if any(key.startswith("build-") for key in failed):
        return {"code": None, "seconds": 0.0, "said": "the build failed", "cut_off": True}
    if step.rows and (run.again or step.part == "test"):
        step.rows.unlink(missing_ok=True)
    kept = run.execute(step)
    state = "cut off" if kept["cut_off"] else "ok" if kept["code"] == 0 else "FAILED"
    if state == "FAILED":
        print(kept["said"], flush=True)
        failed.append(step.key)
    print(f"{step.part} {step.name}: {state}, {kept['seconds']:.0f} s", flush=True)
    return kept


if __name__ == "__main__":
    sys.exit(main())
