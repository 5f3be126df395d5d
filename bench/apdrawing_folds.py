"""Quality of style apdrawing's recipe, leave one out: each portrait is drawn by a network that never saw its drawing.

    python bench/apdrawing_folds.py --pairs DIR --portraits DIR --out DIR [--steps N]

Pre-trains once on the portraits without drawings, then trains as often as there are pairs, each time without one, with
the settings of pyapdraw/training/recipes. A run that was stopped goes on. About ten minutes a pair and core; wanted:
mean F at least 0.73 and T at most 0.058.
"""

import argparse
from pathlib import Path

import numpy as np

from pyapdraw import evaluate
from pyapdraw.training import apdrawing, loop

RECIPES = Path(apdrawing.__file__).parent / "recipes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (("pairs", "photos with drawings"), ("portraits", "photos"), ("out", "folder of the runs")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--steps", type=int, help="of either stage, for a trial (default: those of the recipes)")
    options = parser.parse_args()
    changes = {} if options.steps is None else {"schedule.steps": options.steps}
    first = options.out / "pretrain"
    apdrawing.train(options.portraits, first, apdrawing.read_config(RECIPES / "apdrawing_pretrain.toml", **changes))
    changes |= {"start": str(first / loop.LAST), "rehearsal.folder": str(options.portraits)}
    rows = []
    for item in evaluate.items_of(options.pairs):
        out = options.out / item.name
        config = apdrawing.read_config(RECIPES / "apdrawing.toml", held_names=[item.name], **changes)
        apdrawing.train(options.pairs, out, config)
        for style, weights in (("ink", None), ("apdrawing", out / apdrawing.WEIGHTS)):
            report = evaluate.evaluate([item], style, weights=weights, sheet=out / f"{style}.png")
            rows.append((item.name, style, report.mean.f, report.mean.t))
    for name, style, f, t in rows:
        print(f"{name:24} {style:10} F {f:.4f}  T {t:.4f}")
    for style in ("ink", "apdrawing"):
        f, t = np.mean([row[2:] for row in rows if row[1] == style], axis=0)
        print(f"{'mean':24} {style:10} F {f:.4f}  T {t:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
