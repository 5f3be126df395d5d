"""Draws a record of bench/run.py: how much faster than each peer, and every operation under the machine's roofs.

    python bench/charts.py bench/results/MACHINE.json [--out docs/images]

Writes bench-ratios.png and bench-roofline.png, readable on white and on dark pages (a light card of their own).
Needs matplotlib (the `dev` extra).
"""

import argparse
import math
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


def bars(record: dict[str, Any]) -> list[tuple[str, float, float | None, float | None]]:
    """(label, ratio, must, aim) of every row and peer, in the order of the targets; those with a target if there are
    many."""
    found = []
    for row in report.rows(record):
        for peer, ratio in row["ratio"].items():
            label = f"{row['suite']}: {clean(row['case'], 44)}, {row['threads']}t / {clean(peer, 30)}"
            found.append((label, ratio, row["must"].get(peer), row["aim"].get(peer)))
    asked = [bar for bar in found if bar[2] is not None]
    return found if len(found) <= 60 else asked


def ratios(record: dict[str, Any], path: Path) -> int:
    """Horizontal bars on a log scale: peer's time / ours. Returns how many."""
    plt = pyplot()
    found = bars(record)
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.2 * max(1, len(found))), layout="constrained")
    for y, (_, ratio, must, aim) in enumerate(found):
        goal = must if must is not None else None
        colour = UNASKED if goal is None else (SLOWER if ratio < goal else FASTER)
        axes.barh(y, ratio - 1, left=1, height=0.66, color=colour, zorder=2)
        for value, style in ((must, "-"), (aim, ":")):
            if value:
                axes.plot([value, value], [y - 0.36, y + 0.36], style, color=INK, linewidth=1.6, zorder=4)
        axes.annotate(f"{ratio:.3g}x", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_xscale("log")
    values = [v for _, *bar in found for v in bar if v]
    low, high = min([0.5, *values]), max([2.0, *values])
    axes.set_xlim(low / 1.25, high * 1.25)
    ticks = [t for t in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low / 1.25 <= t <= high * 1.25]
    axes.set_xticks(ticks, [f"{t:g}x" for t in ticks])
    axes.minorticks_off()
    axes.axvline(1, color=INK, linewidth=1, zorder=3)
    axes.set_yticks(range(len(found)), [bar[0] for bar in found], fontsize=8)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, zorder=0)
    figure.supxlabel(
        "peer's time / ours on equal threads: right of 1x we are faster\n"
        "full tick: what is asked, dotted tick: the aim; red: fell short; pale: nothing asked",
        fontsize=8.5,
    )
    axes.set_title(f"Beside its peers: {record['machine']['cpu']}, {record['machine']['cores']} cores", loc="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return len(found)


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
    """(label, GB/s) of the copies, those within a fifth of each other under one label."""
    groups: list[list[tuple[str, float]]] = []
    for value, name in sorted((peak[key], name) for key, name in ROOFS.items()):
        if groups and value / groups[-1][0][1] < 1.2:
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


def number_points(axes: Any, found: list[tuple[str, str, float, float]], colours: dict[str, str]) -> None:
    """A number beside each point where no point and no other number stands; the legend below names them."""
    places = axes.transData.transform([(x, y) for _, _, x, y in found])
    taken = [tuple(p) for p in places]
    around = [(r, math.pi * k / 6) for r in (13, 20, 28, 37, 47, 58) for k in range(12)]
    pixel = 72 / axes.figure.dpi
    for number, ((suite, _, x, y), place) in enumerate(zip(found, places), 1):
        spots = [(place[0] + r * math.cos(a), place[1] + r * math.sin(a)) for r, a in around]
        free = [s for s in spots if all(abs(s[0] - t[0]) > 15 or abs(s[1] - t[1]) > 11 for t in taken)]
        spot = (free or spots)[0]
        taken.append(spot)
        offset = ((spot[0] - place[0]) * pixel, (spot[1] - place[1]) * pixel)
        axes.annotate(str(number), (x, y), offset, textcoords="offset points", ha="center", va="center", fontsize=7,
                      color=colours[suite], zorder=4, arrowprops={"arrowstyle": "-", "linewidth": 0.4,
                      "color": colours[suite], "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def scatter(axes: Any, found: list[tuple[str, str, float, float]], colours: dict[str, str]) -> None:
    for suite, _, x, y in found:
        axes.plot(x, y, "o", markersize=5, color=colours[suite], markeredgecolor=CARD, markeredgewidth=0.5, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(color=GRID, zorder=0, which="major")


def legend(axes: Any, found: list[tuple[str, str, float, float]], unit: str, colours: dict[str, str]) -> None:
    axes.axis("off")
    axes.set_ylim(max(len(found), 1), 0)
    for i, (suite, case, _, rate) in enumerate(found):
        text = f"{suite}: {clean(case, 58)}"
        axes.text(0.045, i + 0.5, str(i + 1), fontsize=7, ha="right", va="center", color=colours[suite])
        axes.text(0.06, i + 0.5, text, fontsize=7, va="center")
        axes.text(1.0, i + 0.5, f"{rate:.3g} {unit}", fontsize=7, ha="right", va="center")


def roofline(record: dict[str, Any], path: Path) -> int:
    """Left the roofline of rows that count flop, right the bandwidth of the others. Returns how many are drawn."""
    plt = pyplot()
    threads = max(int(n) for n in record["peaks"])
    computing, moving = points(record, threads), moved(record, threads)
    peak = record["peaks"][str(threads)]
    suites = report.in_order({p[0] for p in computing + moving})
    colours = {s: COLOURS[i % len(COLOURS)] for i, s in enumerate(suites)}
    below_in = 0.16 * max(len(computing), len(moving), 1) + 0.2
    figure = plt.figure(figsize=(13, 6.2 + below_in), dpi=130)
    height = figure.get_figheight()
    left, right = (figure.add_axes((x, (below_in + 0.7) / height, 0.38, 4.8 / height)) for x in (0.055, 0.54))
    low = min([0.1, *(p[2] / 1.5 for p in computing)])
    high = max([300.0, *(p[2] * 1.5 for p in computing)])
    roof_lines(left, peak, low, high)
    scatter(left, computing, colours)
    left.set_xlim(low, high)
    left.set_xlabel("flop per byte moved")
    left.set_ylabel("GFLOP/s")
    scatter(right, moving, colours)
    for name, value in copies(peak):
        right.axhline(value, color=INK, linewidth=1, alpha=0.55)
        right.annotate(f"copy in\n{name}", (1, value), (4, 0), textcoords="offset points", va="center", fontsize=7.5,
                       xycoords=("axes fraction", "data"))  # fmt: skip
    right.set_xlabel("bytes moved a call")
    right.set_ylabel("GB/s")
    titles = (f"Roofline, {threads} threads: {record['machine']['cpu']}", "Operations counted in bytes only")
    for axes, x, title, found, unit in ((left, 0.03, titles[0], computing, "GFLOP/s"),
                                        (right, 0.53, titles[1], moving, "GB/s")):  # fmt: skip
        figure.text(x + 0.01, 1 - 0.3 / height, title, fontsize=11)
        if found:
            number_points(axes, found, colours)
            size = 0.16 * len(found) / height
            below = figure.add_axes((x, (below_in + 0.1) / height - size, 0.44, size))
            legend(below, found, unit, colours)
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
