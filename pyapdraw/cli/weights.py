"""`pyapdraw weights list|verify|import|export|average`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import complain, show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    weights = verbs.add_parser("weights", help="list, verify, import, export and average weights")
    actions = weights.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="names of the shipped weights")
    verify = actions.add_parser("verify", help="compare weights with their sha256")
    verify.add_argument("weights", nargs="*", metavar="NAME|FILE", help="default: all shipped weights")
    bring = actions.add_parser("import", help="a published checkpoint into a weight file of ours")
    bring.add_argument("checkpoint", metavar="FILE", help="*_net_gen.pt, *_net_dis.pt, *_net_NAME.pth, or their folder")
    bring.add_argument("--system", help="apdrawing or apdrawing2 (default: whichever fits)")
    bring.add_argument("--part", help="generator, discriminators or auxiliary (default: the first that is there)")
    give = actions.add_parser("export", help="a weight file of ours under its published names")
    give.add_argument("checkpoint", metavar="NAME|FILE.safetensors")
    mean = actions.add_parser("average", help="the mean of weight files of one network, trained from the same start")
    mean.add_argument("checkpoint", nargs="+", metavar="NAME|FILE.safetensors")
    for action in (bring, give, mean):
        action.add_argument("-o", "--output", required=True, metavar="OUT")
        action.add_argument("--overwrite", action="store_true", help="replace an existing output")
    for action in (listing, verify, bring, give, mean):
        action.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Does the action, and prints what was written."""
    from pyapdraw import weights
    from pyapdraw.errors import WeightsError
    from pyapdraw.files import check_output, names_folder

    if args.action == "list":
        show("\n".join(weights.names()))
        return codes.DONE
    if args.action == "verify":
        return _verify(args.weights or weights.names())
    try:
        given = args.checkpoint if args.action == "average" else [args.checkpoint]
        protected = [file for each in given for file in weights.sources(each)]
        if args.action != "export" or not names_folder(args.output):
            check_output(args.output, overwrite=args.overwrite, inputs=protected)
        if args.action == "import":
            loaded = weights.read_checkpoint(args.checkpoint, args.system, part=args.part).weights
            weights.write(args.output, loaded, overwrite=args.overwrite)
            files = [args.output]
        elif args.action == "average":
            loaded = weights.average(args.checkpoint)
            weights.write(args.output, loaded, overwrite=args.overwrite)
            files, args.checkpoint = [args.output], " + ".join(args.checkpoint)
        else:
            loaded = weights.read(args.checkpoint)
            files = weights.export_checkpoint(loaded, args.output, overwrite=args.overwrite)
    except WeightsError as e:
        complain(str(e))
        return codes.SOME_FAILED
    what = ", ".join(f"{name} {value}" for name, value in loaded.config.items())
    for file in files:
        show(f"{args.checkpoint} -> {file} ({loaded.part} of {loaded.system}, {what})")
    return codes.DONE


def _verify(wanted: Sequence[str]) -> int:
    from pyapdraw import weights
    from pyapdraw.errors import WeightsError

    failed = 0
    for name in wanted:
        try:
            if name in weights.names():
                show(f"{name:16} {len(weights.verify(name)):9} bytes, sha256 as recorded")
            else:
                loaded = weights.read(name)
                show(f"{name}: {loaded.part} of {loaded.system}, {len(loaded.tensors)} tensors, sha256 as recorded")
        except WeightsError as e:
            failed += 1
            complain(str(e))
    return codes.SOME_FAILED if failed else codes.DONE
