"""Quality of style apdrawing's recipe, leave one out: each portrait is drawn by a network that never saw its drawing.

    OMP_NUM_THREADS=1 python bench/apdrawing_folds.py --pairs DIR --portraits DIR --out DIR [--jobs N] [--steps N]

Pre-trains once on the portraits without drawings, then trains as often as there are pairs, each time without one, with
the settings of pyapdraw/training/recipes, in two lengths, of which the mean is judged; `--jobs` pairs at a time. A run
that was stopped goes on. About half an hour a pair and core; wanted: mean F at least 0.73 and T at most 0.058.
"""

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from pyapdraw import evaluate, weights
from pyapdraw.data.portraits import Item
from pyapdraw.training import apdrawing, loop

RECIPES = Path(apdrawing.__file__).parent / "recipes"
STEPS = (1000, 1600)  # of the second stage: the shipped weights are the mean of two
STYLES = ("ink", "apdrawing")


def fold(item: Item, pairs: Path, out: Path, lengths: Sequence[int], changes: dict) -> list[tuple[str, float, float]]:
    """F and T of each style for one portrait, drawn by a network that was trained on the others."""
    folder, mean = out / item.name, out / item.name / apdrawing.WEIGHTS
    for steps in lengths:
        given = changes | {"schedule.steps": steps, "held_names": [item.name]}
        config = apdrawing.read_config(RECIPES / "apdrawing.toml", **given)
        apdrawing.train(pairs, folder / str(steps), config, quiet=True)
    weights.write(mean, weights.average([folder / str(n) / apdrawing.WEIGHTS for n in lengths]), overwrite=True)
    found = []
    for style, path in zip(STYLES, (None, mean)):
        figures = evaluate.evaluate([item], style, weights=path, sheet=folder / f"{style}.png").mean
        found.append((style, figures.f, figures.t))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (("pairs", "photos with drawings"), ("portraits", "photos"), ("out", "folder of the runs")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default: 1)")
    parser.add_argument("--steps", type=int, help="of either stage, for a trial (default: those of the recipes)")
    options = parser.parse_args()
    changes = {} if options.steps is None else {"schedule.steps": options.steps}
    first = options.out / "pretrain"
    apdrawing.train(options.portraits, first, apdrawing.read_config(RECIPES / "apdrawing_pretrain.toml", **changes))
    lengths = STEPS if options.steps is None else (options.steps,)
    changes = {"start": str(first / loop.LAST), "rehearsal.folder": str(options.portraits)}
    run = partial(fold, pairs=options.pairs, out=options.out, lengths=lengths, changes=changes)
    items = evaluate.items_of(options.pairs)
    rows = []
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        for item, found in zip(items, pool.map(run, items)):
            for style, f, t in found:
                print(f"{item.name:24} {style:10} F {f:.4f}  T {t:.4f}", flush=True)
            rows += found
    for style in STYLES:
        f, t = np.mean([row[1:] for row in rows if row[0] == style], axis=0)
        print(f"{'mean':24} {style:10} F {f:.4f}  T {t:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
