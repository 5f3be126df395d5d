"""Every claim about the CUDA backend, and where a record of bench/gpu_proof.py proves it.

docs/gpu-proof.md is this list beside the newest record: `python bench/gpu/claims.py` writes its table anew.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cases_emulated import SUITES  # noqa: E402

PAGE = ROOT / "docs" / "gpu-proof.md"
RESULTS = ROOT / "bench" / "results"
MARKS = "<!-- claims -->", "<!-- end of claims -->"
OPEN, ABSENT = "not yet proven", "no CUDA kernel yet"

TABLE = (ROOT / "csrc" / "core" / "ops.def").read_text(encoding="utf-8")
# Operations that the GPU's pass of another test file than test_<op>.py is for.
TESTED_IN = {
    "ink_planes": "test_ink",
    "yuv_to_rgb": "test_yuv",
    "rgb_to_yuv": "test_yuv",
    "paste_yuv": "test_crop_yuv",
    "rgb_to_nchw": "test_composite",
    "nchw_to_rgb": "test_composite",
    "distance_transform_pair": "test_distance_transform",
    "fuse_regions_backward": "test_fuse_regions",
    "conv2d_bf16": "test_conv2d",
    "max_pool2d": "test_conv2d",
    "crop_area": "test_crop",
    "crop_warp": "test_crop",
    "nms": "test_crop",
    "bias_act_backward": "test_bias_act",
}
OPERATIONS = {op: TESTED_IN.get(op, f"test_{op}") for op in re.findall(r"^PA_(?:CPU_)?OP\((\w+)", TABLE, re.M)}
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")
# What is said of CUDA itself: the test file that holds it, and what is known without a GPU.
STAND_INS = "with stand-ins on the emulated device"
BEHAVIOUR = {
    "torch operators follow the current stream and survive graph capture": ("test_cuda_libraries", ""),
    "arrays of CuPy, Numba and JAX in and out, in stream order": ("test_cuda_libraries", STAND_INS),
    "torch tensors past the dispatcher; kept contexts and scratch memory on several streams and in a capture; DLPack"
    " producers without streams; tensors of no elements": ("test_cuda_torch", STAND_INS),
    "one clear `DeviceError` for what is missing or fails": ("test_cuda_errors", STAND_INS),
    "`examples/embed_cuda`: crop, fuse, composite as a captured graph": ("embed_cuda", "builds and links"),
}
PROGRAMS = {"embed_cuda"}  # no test files: right when they end with 0


BEST = ""  # any peer: what is asked has to hold against every torch variant


@dataclass
class Speed:
    """A row of bench/gpu/SUITE.py: text with what is asked, the case's beginning, and the mode. All such rows count."""

    text: str
    suite: str
    case: str
    mode: str
    peer: str
    exactly: bool = False  # peer is the whole name, not its beginning


SPEED = [
    Speed("distance_transform 512² x 1, device time in a graph: 10 us, aim 5", "distance_transform", "1 x 512²",
          "graph, cold", "limit 10 us"),
    Speed("the same, call to result: 10x CuPy, aim 12x", "distance_transform", "1 x 512²", "call", "CuPy"),
    Speed("distance_transform 16 x 512²: 20x CuPy in a loop, aim 60x", "distance_transform", "16 x 512²", "stream",
          "CuPy"),
    Speed("the same: 5x a Triton transform of ours", "distance_transform", "16 x 512²", "graph, cold", "Triton"),
    Speed("distance_transform 16 x 1024²: 20x CuPy in a loop, aim 60x", "distance_transform", "16 x 1024²", "stream",
          "CuPy"),
    Speed("the same: 5x a Triton transform of ours", "distance_transform", "16 x 1024²", "graph, cold", "Triton"),
    Speed("distance_transform 4096² x 1: 3x CuPy, aim 8x", "distance_transform", "1 x 4096²", "stream", "CuPy"),
    Speed("distance_transform 256 x 1024²: 6 ms, aim 2 ms", "distance_transform", "256 x 1024²", "graph, cold",
          "limit 6000 us"),
    Speed("fuse_regions 512² x 1: one launch, 5 us", "fuse_regions", "x 1", "graph, cold", "limit 5 us"),
    Speed("fuse_regions 512² x 1 and x 16: 20x the torch sequence", "fuse_regions", "x 1", "stream", "torch eager"),
    Speed("the same: 1x torch.compile with the rectangles as constants, 3x at x 16", "fuse_regions", "x 1",
          "graph, cold", "torch.compile", exactly=True),
    Speed("the same, x 1: 1.3x torch.compile with the centres as a tensor", "fuse_regions", "x 1", "graph, cold",
          "torch.compile, centres given"),
    Speed("fuse_regions in bfloat16 and float16: no slower than in float32", "fuse_regions", "x 1", "graph, cold",
          "ours in float32"),
    Speed("fuse_regions 512² x 16: twice the time of its bytes, aim 70 % of copy bandwidth", "fuse_regions", "x 16",
          "graph, cold", "limit"),
    Speed("modulated_conv2d, layers of 64² to 1024², 16 bits: 1.5x torch eager, aim 2.3x", "modulated_conv2d", "",
          "graph, cold", "torch eager"),
    Speed("the same: 1.2x torch.compile max-autotune, aim 1.4x", "modulated_conv2d", "", "graph, cold",
          "torch.compile"),
    Speed("the same, batch 16: 2x the grouped form, aim 3x", "modulated_conv2d", "", "graph, cold", "torch grouped"),
    Speed("the same, up layers: 1.2x torch with weight and filter composed into phases, aim 1.6x", "modulated_conv2d",
          "", "graph, cold", "torch phases"),
    Speed("its matrix core, 512 channels at 64²: 0.7x cuDNN's convolution alone, aim 0.85x", "modulated_conv2d",
          "matrix core", "graph, resident", "cuDNN convolution alone"),
    Speed("config f synthesis, 1024², batch 1: 1.5x the best torch variant", "network", "config f", "graph, cold",
          BEST),
    Speed("the same: 1 ms, aim 0.45 ms", "network", "config f", "graph, cold", "limit 1000 us"),
    Speed("a 1080p NV12 frame to crop, ink, composite and NV12: 4x torch", "frame", "1080p", "graph, cold", "torch"),
    Speed("the same: 0.5 ms, aim 0.2 ms", "frame", "1080p", "graph, cold", "limit 500 us"),
    Speed("the same, the face moves every frame, calls in a stream: 0.5 ms, aim 0.2 ms",
          "frame", "1080p NV12, the face moves", "stream", "limit 500 us"),
]  # fmt: skip


def newest(folder: Path = RESULTS) -> dict[str, Any] | None:
    """The record with the latest date."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("gpu-*.json"))]
    return max(records, key=lambda r: r["date"], default=None)


def available() -> dict[str, bool]:
    """The operations that have a CUDA kernel, as csrc/core/ops.def says."""
    return dict.fromkeys(re.findall(r"^PA_OP\((\w+)", TABLE, re.M), True)


def step(record: dict[str, Any] | None, part: str, name: str) -> dict[str, Any] | None:
    return (record or {}).get("parts", {}).get(part, {}).get(name)


def tested(record: dict[str, Any] | None, file: str) -> str:
    """The figure of a test file that ran on the GPU, or that it is open or failed."""
    found = step(record, "test", file)
    if file in PROGRAMS and found and not found["cut_off"]:
        return "ran, its answers right" if found["code"] == 0 else "**FAILED**"
    if not found or not found.get("rows"):
        return OPEN
    rows = found["rows"]
    if rows["failed"] or found["code"] != 0:
        return f"**FAILED**: {rows['failed']} of {rows['failed'] + rows['passed']} tests"
    return f"{rows['passed']} tests" if rows["passed"] else OPEN


def profiled(record: dict[str, Any] | None) -> str:
    found = (step(record, "profile", "kernels") or {}).get("rows") or {"rows": [], "finished": []}
    return f"{len(found['rows'])} kernels of {len(found['finished'])} calls" if found["rows"] else OPEN


def sanitized(record: dict[str, Any] | None, tool: str, which: str = "calls") -> str:
    found = step(record, "sanitize", tool)
    if not found or found["cut_off"] or which not in found.get("summary", {}):
        return OPEN
    counts = found["summary"]
    bad = counts.get("errors", 0) + counts.get("hazards", 0)
    return f"**{bad} findings**" if bad or found["code"] != 0 else f"clean, {counts[which]} calls"


def measured(record: dict[str, Any] | None, claim: Speed) -> str:
    """The worst row that the claim is about, or that it is open."""
    rows = (step(record, "bench", claim.suite) or {}).get("rows", {}).get("rows", [])
    found = []
    for row in rows:
        peers = [p for p in row["must"] if p in row["ratio"]]
        peers = [p for p in peers if p == claim.peer or (p.startswith(claim.peer) and not claim.exactly)]
        peers = [p for p in peers if p.startswith("limit") == claim.peer.startswith("limit")]
        if row["case"].startswith(claim.case) and row["cache"] == claim.mode and row["verdict"] != "dry":
            found += [(row["ratio"][p] / row["must"][p], row["ratio"][p], p, row) for p in peers]
    if not found:
        return OPEN
    of_must, ratio, peer, row = min(found, key=lambda f: f[0])
    ours = 1e3 * row["median_ms"]["pyapdraw"]
    aim = row["aim"].get(peer)
    verdict = "**fell short**" if of_must < 1 else "aim reached" if aim and ratio >= aim else "reached"
    beside = "" if peer.startswith("limit") else f", {ratio:.2f}x {peer}"
    worst = f", the worst of {len(found)}: {row['case']}" if len(found) > 1 else ""
    percent = f", {row['percent_of_limit']:.0f} % of the machine's limit" if row["percent_of_limit"] else ""
    return f"{ours:.3g} us{beside}{percent}{worst}: {verdict}"


def rows(record: dict[str, Any] | None, available: dict[str, bool]) -> list[tuple[str, str, str]]:
    """(claim, what is known without a GPU, figure) of everything."""
    found = []
    for op, file in OPERATIONS.items():
        emulated = "passes on the emulated device" if f"{file}.py" in SUITES and available.get(op) else ""
        figure = tested(record, file) if available.get(op) else ABSENT
        found.append((f"`{op}` agrees with the CPU", emulated, figure))
    for tool in SANITIZERS:
        found.append((f"compute-sanitizer {tool}: every operation, small", "", sanitized(record, tool)))
    for tool in SANITIZERS:
        found.append(
            (
                f"the same, {tool}, with 16-bit operands",
                "runs on the emulated device",
                sanitized(record, tool, "calls_16_bit"),
            )
        )
    found.append(("every kernel's time, grid and registers in the record", "its trace is parsed", profiled(record)))
    found += [(text, known, tested(record, file)) for text, (file, known) in BEHAVIOUR.items()]
    found += [(claim.text, "", measured(record, claim)) for claim in SPEED]
    return found


def page(record: dict[str, Any] | None, available: dict[str, bool]) -> str:
    """The table as Markdown."""
    gpu = (record or {}).get("gpu", {})
    where = f"{gpu.get('name')}, driver {gpu.get('driver_version')}" if record else ""
    lines = ["| claim | without a GPU | on a GPU | date | GPU, driver |", "|---|---|---|---|---|"]
    for claim, known, figure in rows(record, available):
        proven = record is not None and figure not in (OPEN, ABSENT)
        date = record["date"] if record is not None and proven else ""
        lines.append(f"| {claim} | {known} | {figure} | {date} | {where if proven else ''} |")
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """The page with the table between its marks."""
    before, mark, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise ValueError(f"{PAGE.name}: no marks {' and '.join(MARKS)}")
    return f"{before}{mark}\n{table}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    given = parser.parse_args()
    old = PAGE.read_text(encoding="utf-8")
    new = with_table(old, page(newest(), available()))
    if given.check:
        print("up to date" if new == old else "docs/gpu-proof.md is not up to date: python bench/gpu/claims.py")
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
