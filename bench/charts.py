"""Draws a record of bench/run.py: how much faster than each peer, and every operation under the machine's roofs.

    python bench/charts.py bench/results/MACHINE.json [--out docs/images]

Writes bench-ratios.png and bench-roofline.png, readable on white and on dark pages (a light card of their own).
Needs matplotlib (the `dev` extra).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import report  # noqa: E402

from pyapdraw.bench import OURS  # noqa: E402

INK, GRID, CARD = "#22262b", "#d5d9de", "#fbfbf9"
SLOWER, FASTER, UNASKED = "#c2452d", "#2a6f97", "#8fb3c9"
COLOURS = ["#2a6f97", "#c2452d", "#4f8a3d", "#8a5aa8", "#c98a1b", "#3d8f8a", "#7a5c46", "#b34d7f", "#5b6770", "#9aa023"]


def pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({
        "figure.facecolor": CARD, "axes.facecolor": CARD, "savefig.facecolor": CARD, "text.color": INK,
        "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK, "font.size": 9,
        "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip
    return plt


def clean(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


Dot = tuple[float, float | None, float | None]  # ratio, must, aim


def lines(record: dict[str, Any]) -> dict[str, list[Dot]]:
    """Label of an operation beside one peer -> a dot for each case, in the order of the targets."""
    found: dict[str, list[Dot]] = {}
    for row in report.rows(record):
        kind = row["case"].split()[0] + " " if row["case"].startswith(("bf16", "f32")) else ""
        kind = kind.replace(":", ", mean")
        for peer, ratio in row["ratio"].items():
            label = f"{row['suite']} {kind}/ {clean(peer, 36)}"
            found.setdefault(label, []).append((ratio, row["must"].get(peer), row["aim"].get(peer)))
    return found


def goal_marks(axes: Any, y: int, dots: list[Dot]) -> None:
    """What is asked and hoped for, where it is one number for the whole line."""
    for which, style in ((1, "-"), (2, ":")):
        values = {dot[which] for dot in dots if dot[which] is not None}
        for value in values if len(values) <= 2 else ():
            axes.plot([value, value], [y - 0.38, y + 0.38], style, color=INK, linewidth=1.6, zorder=2)


def ratios(record: dict[str, Any], path: Path) -> int:
    """One line for an operation and a peer, one dot for a case, on a log scale: peer's time / ours. Returns how many
    dots."""
    plt = pyplot()
    found = lines(record)
    figure, axes = plt.subplots(figsize=(10, 1.4 + 0.24 * max(1, len(found))), layout="constrained")
    for y, dots in enumerate(found.values()):
        goal_marks(axes, y, dots)
        for ratio, must, _ in dots:
            colour = UNASKED if must is None else (SLOWER if ratio < must else FASTER)
            axes.plot(ratio, y, "o", markersize=5.5, color=colour, markeredgecolor=CARD, markeredgewidth=0.5, zorder=3)
        low, high = min(dot[0] for dot in dots), max(dot[0] for dot in dots)
        span = f"{low:.3g}x" if len(dots) == 1 else f"{low:.3g} to {high:.3g}x, {len(dots)} cases"
        axes.annotate(span, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_xscale("log")
    values = [value for dots in found.values() for dot in dots for value in dot if value]
    low, high = min([0.5, *values]), max([2.0, *values])
    axes.set_xlim(low / 1.25, high * 1.25)
    ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low / 1.25 <= t <= high * 1.25]
    axes.set_xticks(ticks, [f"{t:g}x" for t in ticks])
    axes.minorticks_off()
    axes.axvline(1, color=INK, linewidth=1, zorder=1)
    axes.set_yticks(range(len(found)), list(found), fontsize=8)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="both", color=GRID, zorder=0)
    figure.supxlabel(
        "peer's time / ours on equal threads: right of 1x we are faster; a dot is a case\n"
        "full tick: what is asked, dotted tick: the aim; red: fell short; pale: nothing asked",
        fontsize=8.5,
    )
    axes.set_title(f"Beside its peers: {record['machine']['cpu']}, {record['machine']['cores']} cores", loc="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return sum(map(len, found.values()))


def points(record: dict[str, Any], threads: int) -> list[tuple[str, str, float, float]]:
    """(suite, case, flop per byte, GFLOP/s) of the rows that count both, on that many threads."""
    found = []
    for row in report.rows(record):
        if row["flop"] and row["moved_bytes"] and row["threads"] == threads:
            rate = row["flop"] / row["median_ms"][OURS] / 1e6
            found.append((row["suite"], row["case"], row["flop"] / row["moved_bytes"], rate))
    return found


def moved(record: dict[str, Any], threads: int) -> list[tuple[str, str, float, float]]:
    """(suite, case, bytes, GB/s) of the rows that count bytes and no flop."""
    return [(row["suite"], row["case"], row["moved_bytes"], row["moved_bytes"] / row["median_ms"][OURS] / 1e6)
            for row in report.rows(record)
            if row["moved_bytes"] and not row["flop"] and row["threads"] == threads]  # fmt: skip


ROOFS = {"copy_l1_gbs": "L1", "copy_l2_gbs": "L2", "copy_l3_gbs": "L3", "copy_dram_streaming_gbs": "DRAM"}


def copies(peak: dict[str, Any]) -> list[tuple[str, float]]:
    """(label, GB/s) of the copies, those near each other under one label."""
    groups: list[list[tuple[str, float]]] = []
    for value, name in sorted((peak[key], name) for key, name in ROOFS.items()):
        if groups and value / groups[-1][0][1] < 1.4:
            groups[-1].append((name, value))
        else:
            groups.append([(name, value)])
    return [(", ".join(f"{n} {v:.0f}" for n, v in group) + " GB/s", group[-1][1]) for group in groups]


def roof_lines(axes: Any, peak: dict[str, Any], low: float, high: float) -> None:
    """Slopes of the copies and the two flat roofs, named outside at the right and at the top."""
    tops = [("fp32 FMA", peak["fma_f32_gflops"]), ("bf16 dot", peak["dot_bf16_gflops"])]
    tops = [(name, value) for name, value in tops if value]
    most = max(value for _, value in tops)
    for name, value in copies(peak):
        corner = min(most / value, high)
        axes.plot([low, corner], [low * value, corner * value], color=INK, linewidth=1, alpha=0.55, zorder=1)
        axes.annotate(name, (corner, corner * value), (0, 5), textcoords="offset points", rotation=38,
                      rotation_mode="anchor", fontsize=7.5)  # fmt: skip
    for name, value in tops:
        axes.plot([value / peak["copy_l1_gbs"], high], [value, value], color=INK, linewidth=1.4, zorder=1)
        axes.annotate(f"{name}\n{value:.0f} GFLOP/s", (high, value), (4, 0), textcoords="offset points", va="center",
                      fontsize=7.5)  # fmt: skip


def scatter(axes: Any, found: list[tuple[str, str, float, float]], colours: dict[str, str]) -> None:
    for suite, _, x, y in found:
        axes.plot(x, y, "o", markersize=5, color=colours[suite], markeredgecolor=CARD, markeredgewidth=0.5, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(color=GRID, zorder=0, which="major")


def named_suites(axes: Any, found: list[tuple[str, str, float, float]], colours: dict[str, str]) -> None:
    for suite in report.in_order({p[0] for p in found}):
        axes.plot([], [], "o", markersize=5, color=colours[suite], label=suite)
    if found:
        axes.legend(fontsize=7.5, loc="lower right", frameon=True, facecolor=CARD, edgecolor=GRID)


def roofline(record: dict[str, Any], path: Path) -> int:
    """Left the roofline of rows that count flop, right the bandwidth of the others. Returns how many are drawn."""
    plt = pyplot()
    threads = max(int(n) for n in record["peaks"])
    computing, moving = points(record, threads), moved(record, threads)
    peak = record["peaks"][str(threads)]
    suites = report.in_order({p[0] for p in computing + moving})
    colours = {s: COLOURS[i % len(COLOURS)] for i, s in enumerate(suites)}
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained")
    low = min([0.1, *(p[2] / 1.5 for p in computing)])
    high = max([300.0, *(p[2] * 1.5 for p in computing)])
    roof_lines(left, peak, low, high)
    scatter(left, computing, colours)
    left.set_xlim(low, high)
    left.set_xlabel("flop per byte moved (a convolution counted as direct: fewer are needed above the fp32 roof)")
    left.set_ylabel("GFLOP/s")
    scatter(right, moving, colours)
    for name, value in copies(peak):
        right.axhline(value, color=INK, linewidth=1, alpha=0.55)
        right.annotate(f"copy in\n{name}", (1, value), (4, 0), textcoords="offset points", va="center", fontsize=7.5,
                       xycoords=("axes fraction", "data"))  # fmt: skip
    right.set_xlabel("bytes moved a call")
    right.set_ylabel("GB/s")
    left.set_title(f"Roofline, {threads} threads: {record['machine']['cpu']}\n\n", loc="left")
    right.set_title("Operations counted in bytes only\n\n", loc="left")
    named_suites(left, computing, colours)
    named_suites(right, moving, colours)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return len(computing) + len(moving)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images")
    given = parser.parse_args()
    try:
        record = report.load(given.record)
    except report.BadRecord as e:
        print(e, file=sys.stderr)
        return 2
    for draw, name in ((ratios, "bench-ratios.png"), (roofline, "bench-roofline.png")):
        count = draw(record, given.out / name)
        print(f"{given.out / name}: {count} drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main())
