"""The command line: `pyapdraw draw photo.jpg -o drawing.png`.

Exit codes: 0 done, 1 some inputs failed (each named), 2 wrong usage, 3 no usable backend, 4 output not written.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyapdraw.standard import complain, hush, listening, say, show

DONE, SOME_FAILED, WRONG_USAGE, NO_BACKEND, NOT_WRITTEN = 0, 1, 2, 3, 4
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The whole command line; a test holds it against the public contract."""
    from pyapdraw._C import __version__
    from pyapdraw.training import commands

    top = argparse.ArgumentParser(prog="pyapdraw", description="Portraits into drawings, from photos and videos.")
    top.add_argument("--version", action="version", version=f"pyapdraw {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    add_draw(verbs)
    styles = verbs.add_parser("styles", help="list the styles")
    styles.set_defaults(run=run_styles)
    info = verbs.add_parser("info", help="version, backends and what they can do")
    info.add_argument("--table", action="store_true", help="only which operation runs on which backend, as Markdown")
    info.set_defaults(run=run_info)

    bench = verbs.add_parser("bench", help="time the native operations beside this machine's measured peaks")
    bench.add_argument("operations", nargs="*", metavar="OP", help="operations (default: all)")
    bench.add_argument("--threads", type=int, default=0, metavar="N", help="default: those of the process")
    bench.add_argument("--seconds", type=float, default=0.3, metavar="S", help="of calls for an operation (0.3)")
    bench.add_argument("--json", metavar="FILE.json", help="write the figures")
    bench.add_argument("--overwrite", action="store_true", help="replace a file that is no earlier record")
    bench.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True,
                       help="also OpenCV, SciPy and torch where they are installed (default: yes)")  # fmt: skip
    bench.set_defaults(run=run_bench)

    add_weights_and_eval(verbs)
    commands.add_to(verbs)
    return top


def add_draw(verbs: Any) -> None:
    """Adds `draw` to the command line's verbs."""
    draw = verbs.add_parser("draw", help="draw photos, folders, glob patterns and videos")
    draw.add_argument(
        "inputs", nargs="+", metavar="IN",
        help="photo, video, folder or glob pattern, told apart by content; - for a photo on standard input",
    )  # fmt: skip
    draw.add_argument(
        "-o", "--output", required=True, metavar="OUT",
        help="file (.png .jpg .webp .tif .avif; video: .mp4 .mov .mkv .webm .gif), folder, or - for standard output",
    )  # fmt: skip
    draw.add_argument("--style", default="ink", help="see `pyapdraw styles` (default: ink)")
    draw.add_argument("--faces", choices=("all", "largest"), default="all", help="which faces to draw (default: all)")
    draw.add_argument("--no-face", choices=("draw", "pass", "skip", "error"), default=None,
                      help="without a face: drawn all the same, unchanged, no output (video: empty sheet), or an error"
                      " (default: pass a photo, draw a video)")  # fmt: skip
    draw.add_argument(
        "--aligned", action="store_true", help="inputs are aligned square crops already: no face detection"
    )
    draw.add_argument("--landmarks", metavar="PATH",
                      help="with --aligned: folder of NAME.txt, or a file: five lines 'x y' from 1")  # fmt: skip
    draw.add_argument("--masks", metavar="PATH", help="with --aligned: folder of person masks NAME.png, or one mask")
    draw.add_argument("--background", choices=("white", "keep", "photo"), default="white",
                      help="around the person: white, what the style draws, or the photo (default: white)")  # fmt: skip
    draw.add_argument("--side-by-side", action="store_true", help="photo and drawing next to each other")
    draw.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="never replaced silently when named"
    )
    draw.add_argument("--runtime", default="auto", help="how the style runs; see `pyapdraw info` (default: auto)")
    draw.add_argument(
        "--size", type=int, metavar="PX", help="upper limit of a face crop's side (default: 2048 photo, 512 video)"
    )
    draw.add_argument("--start", metavar="TIME", help="of a video: draw from here on; seconds or hh:mm:ss")
    draw.add_argument("--end", metavar="TIME", help="of a video: draw up to here")
    draw.add_argument("--crf", type=int, metavar="N", help="of a video: from 0, best and largest, to 51 (default: 20)")
    draw.add_argument("--weights", metavar="NAME|FILE", help="for the style instead of the shipped ones")
    draw.add_argument("--report", metavar="FILE.json", help="write times, faces and choices of every input")
    draw.add_argument("--recursive", action="store_true", help="also the folders inside a folder")
    draw.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    draw.add_argument("--skip-existing", action="store_true", help="pass inputs whose output is there already")
    draw.add_argument("--max-pixels", type=pixels, default=50_000_000, metavar="N",
                      help="larger pictures are refused before they are decoded (default: 50e6)")  # fmt: skip
    draw.add_argument("-q", "--quiet", action="store_true", help="print only what failed")
    draw.set_defaults(run=run_draw)


def pixels(text: str) -> int:
    """A number of pixels, also as 50e6; ValueError, which argparse words, for another."""
    value = float(text)
    if not 1 <= value <= 1e12:
        raise ValueError
    return int(value)


def add_weights_and_eval(verbs: Any) -> None:
    """Adds `weights` and `eval` to the command line's verbs."""
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
        action.set_defaults(run=run_weights)

    evaluate = verbs.add_parser("eval", help="figures and a contact sheet of a style against given drawings")
    evaluate.add_argument("what", metavar="STYLE|PHOTOS", help="a style with --data, or a folder of aligned photos")
    evaluate.add_argument("drawings", nargs="?", help="with PHOTOS: folder of drawings of the same names")
    evaluate.add_argument("--data", metavar="DIR", help="aligned portraits with drawings; see `pyapdraw data check`")
    evaluate.add_argument("--style", default="ink", help="with PHOTOS: the style to judge (default: ink)")
    evaluate.add_argument("--weights", metavar="FILE", help="for the style instead of the shipped ones")
    evaluate.add_argument("--sheet", metavar="FILE.png", help="write photos, given drawings and ours side by side")
    evaluate.add_argument("--json", metavar="FILE.json", help="write the figures")
    evaluate.add_argument("--overwrite", action="store_true", help="replace existing files")
    evaluate.add_argument("--fid", metavar="MODULE:FUNCTION",
                          help="features of a picture uint8 [H,W,3], for the Frechet distance")  # fmt: skip
    evaluate.set_defaults(run=run_eval)


def run_draw(args: argparse.Namespace) -> int:
    """`pyapdraw draw`."""
    start = time.perf_counter()
    from pyapdraw import batch, inputs
    from pyapdraw.artist import Artist
    from pyapdraw.errors import OutputError
    from pyapdraw.files import check_record

    given = batch.Given(args.landmarks, args.masks)
    if given and not args.aligned:
        raise inputs.Usage("--landmarks, --masks: given without --aligned, of whose photos they are expected to be")
    sources = inputs.expand(args.inputs, args.output, recursive=args.recursive)
    targets = inputs.Targets(args.output, sources)
    rules = {"overwrite": args.overwrite, "inputs": [i.path for i in sources.files]}
    if args.report:
        check_record(args.report, **rules)
    artist = Artist(
        args.style, args.device, args.runtime, faces=args.faces, no_face=args.no_face, aligned=args.aligned,
        background=args.background, largest_px=args.size, weights=args.weights, max_pixels=args.max_pixels,
    )  # fmt: skip
    manner = batch.Manner(args.side_by_side, args.overwrite, args.skip_existing, given, _video_options(args))
    load_s = time.perf_counter() - start
    outcomes = batch.draw_all(artist, sources, targets, manner, _teller(args.quiet or targets.standard, args.no_face))
    failed = [o for o in outcomes if o.status == "failed"]
    foreign = sum(o.status == "no media" for o in outcomes)
    if failed and len(outcomes) > 1:
        complain(f"{len(failed)} of {len(outcomes)} inputs failed")
    if foreign and not args.quiet:
        complain(f"{foreign} of {len(outcomes)} files are no photos or videos, passed over")
    if args.report:
        seconds = {"wall_s": time.perf_counter() - start, "load_s": load_s}
        try:
            batch.write_report(args.report, artist, outcomes, seconds, **rules)
        except OutputError as e:
            complain(str(e))
            return NOT_WRITTEN
    if any(o.output_failed for o in failed):
        return NOT_WRITTEN
    return SOME_FAILED if failed else DONE


def _video_options(args: argparse.Namespace) -> Any:
    """VideoOptions of the command line; None, and PyAV is not loaded, where it says nothing of videos."""
    if (args.crf, args.start, args.end) == (None, None, None):
        return None
    from pyapdraw.media.video import Encoding, VideoOptions

    encoding = Encoding() if args.crf is None else Encoding(crf=args.crf)
    return VideoOptions(encoding, args.start, args.end, args.max_pixels)


def _teller(quiet: bool, no_face: str | None):
    """What prints an outcome as it comes: failures always, the rest unless quiet. no_face: the policy, to be worded."""

    def tell(outcome) -> None:
        if outcome.status == "failed":
            complain(str(outcome.error))
        elif outcome.status != "no media" and not quiet:
            say(_line(outcome))
            if note := _faceless(outcome, no_face):
                complain(f"{outcome.source}: {note}")

    return tell


def _faceless(outcome, policy: str | None) -> str | None:
    """What was done without a face, in words; None where there was nothing to do."""
    if outcome.status != "done":
        return None
    is_video = outcome.details["kind"] == "video"
    done = {"draw": "drawn all the same", "skip": "left empty"}.get(policy or ("draw" if is_video else "pass"))
    done = done or "passed through unchanged"
    if not is_video:
        return None if outcome.details["faces"] else f"no face found, {done}"
    faces = outcome.details["faces_per_frame"]
    return f"{faces.count(0)} of {len(faces)} frames without a face, {done}" if 0 in faces else None


def _face_count(outcome) -> int:
    return max(outcome.details.get("faces_per_frame", [0]), default=0) or len(outcome.details.get("faces", []))


def _line(outcome) -> str:
    if outcome.status == "skipped":
        return f"{outcome.source}: skipped ({outcome.error})"
    faces = _face_count(outcome)
    what = f"{faces} face{'s' * (faces != 1)}"
    if outcome.details.get("kind") == "video":
        frames = outcome.details["frames"]["in"]
        what = f"{frames} frame{'s' * (frames != 1)}, {frames / outcome.wall_s:.1f} fps, at most {what}"
    return f"{outcome.source} -> {outcome.target} ({what}, {outcome.wall_s * 1000:.0f} ms)"


def run_styles(args: argparse.Namespace) -> int:
    """`pyapdraw styles`."""
    from pyapdraw import styles

    for name, summary in styles().items():
        show(f"{name:12} {summary}")
    return DONE


def run_info(args: argparse.Namespace) -> int:
    """`pyapdraw info`."""
    import json

    from pyapdraw.about import info, support_table

    show(support_table() if args.table else json.dumps(info(), indent=1))
    return DONE


def run_bench(args: argparse.Namespace) -> int:
    """`pyapdraw bench`."""
    from pyapdraw import bench
    from pyapdraw.files import check_record, write_record

    def tell(line: str) -> None:
        show(line)

    if args.json:
        check_record(args.json, overwrite=args.overwrite)
    options = {"threads": args.threads, "seconds": args.seconds, "with_peers": args.peers}
    record = bench.bench(args.operations, **options, tell=tell)
    if args.json:
        write_record(args.json, "bench", record, overwrite=args.overwrite)
    return SOME_FAILED if record["suites"]["native"]["wrong"] else DONE


def run_weights(args: argparse.Namespace) -> int:
    """`pyapdraw weights list|verify|import|export|average`."""
    from pyapdraw import weights
    from pyapdraw.errors import WeightsError
    from pyapdraw.files import check_output, names_folder

    if args.action == "list":
        show("\n".join(weights.names()))
        return DONE
    if args.action == "verify":
        return _verify_weights(args.weights or weights.names())
    try:
        given = args.checkpoint if args.action == "average" else [args.checkpoint]
        protected = [file for each in given for file in weights.sources(each)]
        if args.action != "export" or not names_folder(args.output):
            check_output(args.output, overwrite=args.overwrite, inputs=protected)
        if args.action == "import":
            held = weights.read_checkpoint(args.checkpoint, args.system, part=args.part).weights
            weights.write(args.output, held, overwrite=args.overwrite)
            files = [args.output]
        elif args.action == "average":
            held = weights.average(args.checkpoint)
            weights.write(args.output, held, overwrite=args.overwrite)
            files, args.checkpoint = [args.output], " + ".join(args.checkpoint)
        else:
            held = weights.read(args.checkpoint)
            files = weights.export_checkpoint(held, args.output, overwrite=args.overwrite)
    except WeightsError as e:
        complain(str(e))
        return SOME_FAILED
    what = ", ".join(f"{name} {value}" for name, value in held.config.items())
    for file in files:
        show(f"{args.checkpoint} -> {file} ({held.part} of {held.system}, {what})")
    return DONE


def _verify_weights(wanted: Sequence[str]) -> int:
    from pyapdraw import weights
    from pyapdraw.errors import WeightsError

    failed = 0
    for name in wanted:
        try:
            if name in weights.names():
                show(f"{name:16} {len(weights.verify(name)):9} bytes, sha256 as recorded")
            else:
                held = weights.read(name)
                show(f"{name}: {held.part} of {held.system}, {len(held.tensors)} tensors, sha256 as recorded")
        except WeightsError as e:
            failed += 1
            complain(str(e))
    return SOME_FAILED if failed else DONE


def run_eval(args: argparse.Namespace) -> int:
    """`pyapdraw eval`."""
    from dataclasses import asdict

    from pyapdraw import evaluate
    from pyapdraw.errors import BadInput
    from pyapdraw.files import check_output, check_record, write_record

    if (args.data is None) == (args.drawings is None):
        raise BadInput("eval: STYLE --data DIR, or PHOTOS DRAWINGS [--style STYLE], expected")
    features = evaluate.features_named(args.fid) if args.fid else None
    style = args.what if args.data else args.style
    items = evaluate.items_of(args.data) if args.data else evaluate.items_of(args.what, args.drawings)
    given = [path for item in items for path in (item.photo, item.drawing)]
    rules = {"overwrite": args.overwrite, "inputs": [*given, args.weights]}
    if args.json:
        check_record(args.json, **rules)
    if args.sheet:
        check_output(args.sheet, **rules)
    report = evaluate.evaluate(items, style, weights=args.weights, features=features, sheet=args.sheet)
    show(evaluate.table(report))
    if args.json:
        write_record(args.json, "eval", asdict(report), **rules)
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    from pyapdraw.errors import DeviceError, Error, OutputError, Unsupported

    try:
        with _ended_as_by_ctrl_c(), listening():
            args = parser().parse_args(argv)
            return args.run(args)
    except KeyboardInterrupt as e:
        complain(f"interrupted; {e}" if e.args else "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        hush()
        return DONE
    except Error as e:
        complain(str(e))
        if isinstance(e, OutputError):
            return NOT_WRITTEN
        return NO_BACKEND if isinstance(e, (DeviceError, Unsupported)) else WRONG_USAGE


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM tidies up as Ctrl-C does: no temporary file stays, a video's part is closed."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs it decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
