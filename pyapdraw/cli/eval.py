"""`pyapdraw eval`."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    evaluate = verbs.add_parser("eval", help="figures and a contact sheet of a style against given drawings")
    evaluate.add_argument("what", metavar="STYLE|PHOTOS|look",
                          help="a style with --data, a folder of aligned photos, or look: at drawings of any"
                          " photos")  # fmt: skip
    evaluate.add_argument("drawings", nargs="?", help="with PHOTOS: folder of drawings of the same names; "
                          "with look: a photo, or a folder of them and of groups of them")  # fmt: skip
    evaluate.add_argument("--masks", metavar="DIR", help="with look: who is in each photo, NAME.png, white = person")
    evaluate.add_argument("--data", metavar="DIR", help="aligned portraits with drawings; see `pyapdraw data check`")
    evaluate.add_argument("--style", default="ink", help="with PHOTOS: the style to judge (default: ink)")
    evaluate.add_argument("--weights", metavar="FILE", help="for the style instead of the shipped ones")
    evaluate.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", dest="options",
                          help="an option of the style, such as hair=ink")  # fmt: skip
    evaluate.add_argument("--sheet", metavar="FILE.png", help="write photos, given drawings and ours side by side")
    evaluate.add_argument("--json", metavar="FILE.json", help="write the figures")
    evaluate.add_argument("--overwrite", action="store_true", help="replace existing files")
    evaluate.add_argument("--fid", metavar="MODULE:FUNCTION",
                          help="features of a picture uint8 [H,W,3], for the Frechet distance")  # fmt: skip
    evaluate.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the figures; writes the record and the sheet where they are asked for."""
    from dataclasses import asdict

    from pyapdraw import evaluate
    from pyapdraw.cli.settings import style_options
    from pyapdraw.errors import BadInput
    from pyapdraw.files import check_output, check_record, write_record

    if args.what == "look":
        return run_look(args)
    if (args.data is None) == (args.drawings is None):
        raise BadInput("eval: STYLE --data DIR, PHOTOS DRAWINGS [--style STYLE], or look PHOTOS, expected")
    features = evaluate.features_named(args.fid) if args.fid else None
    style = args.what if args.data else args.style
    items = evaluate.items_of(args.data) if args.data else evaluate.items_of(args.what, args.drawings)
    given = [path for item in items for path in (item.photo, item.drawing)]
    rules = {"overwrite": args.overwrite, "inputs": [*given, args.weights]}
    if args.json:
        check_record(args.json, **rules)
    if args.sheet:
        check_output(args.sheet, **rules)
    report = evaluate.evaluate(items, style, weights=args.weights, features=features, sheet=args.sheet,
                               options=style_options(style, args.options))  # fmt: skip
    show(evaluate.as_text(report))
    if args.json:
        write_record(args.json, "eval", asdict(report), **rules)
    return codes.DONE


def run_look(args: argparse.Namespace) -> int:
    """`pyapdraw eval look`."""
    from dataclasses import asdict
    from pathlib import Path

    from pyapdraw import look
    from pyapdraw.cli.settings import style_options
    from pyapdraw.data.portraits import pictures
    from pyapdraw.errors import BadInput
    from pyapdraw.files import check_output, check_record, write_record

    if args.drawings is None or args.data is not None:
        raise BadInput("eval look: a photo or a folder of photos expected")
    place = Path(args.drawings)
    photos = [place] if place.is_file() else list(pictures(place).values())
    for group in sorted(place.iterdir()) if place.is_dir() else ():
        masks = args.masks is not None and group.resolve() == Path(args.masks).resolve()
        if group.is_dir() and not masks and not group.name.startswith("."):
            photos += pictures(group).values()
    if not photos:
        raise BadInput(f"{place}: no photo found")
    rules = {"overwrite": args.overwrite, "inputs": [*photos, args.weights]}
    if args.json:
        check_record(args.json, **rules)
    if args.sheet:
        check_output(args.sheet, **rules)
    options = style_options(args.style, args.options)
    rows = look.look(photos, args.style, weights=args.weights, options=options, masks=args.masks, sheet=args.sheet)
    show(look.as_text(rows))
    if args.json:
        write_record(args.json, "look", {"rows": [asdict(row) for row in rows]}, **rules)
    return codes.DONE
