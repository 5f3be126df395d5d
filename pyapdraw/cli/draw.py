"""`pyapdraw draw`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from pyapdraw.choices import BACKGROUNDS, DEVICES, FACES, FRAMES, NO_FACE
from pyapdraw.cli import codes
from pyapdraw.cli.settings import style_options
from pyapdraw.cli.standard import complain, say


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
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
    draw.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", dest="options",
                      help="an option of the style")  # fmt: skip
    draw.add_argument("--frame", choices=FRAMES, default="whole",
                      help="people where they stand, or the largest face's crop on a page of its own"
                      " (default: whole)")  # fmt: skip
    draw.add_argument("--faces", choices=FACES, default="all", help="which faces to draw (default: all)")
    draw.add_argument("--no-face", choices=NO_FACE, default=None,
                      help="without a face: drawn all the same, unchanged, no output (video: empty page), or an error"
                      " (default: pass a photo, draw a video)")  # fmt: skip
    draw.add_argument(
        "--aligned", action="store_true", help="inputs are aligned square crops already: no face detection"
    )
    draw.add_argument("--landmarks", metavar="PATH",
                      help="with --aligned: folder of NAME.txt, or a file: five lines 'x y' from 1")  # fmt: skip
    draw.add_argument("--masks", metavar="PATH", help="folder of person masks NAME.png, or one mask, white = person")
    draw.add_argument("--background", choices=BACKGROUNDS, default="white",
                      help="behind the people: white, the photo, the photo with what the style drew beyond them, or the"
                      " scene in thin lines (default: white)")  # fmt: skip
    draw.add_argument("--side-by-side", action="store_true", help="photo and drawing next to each other")
    draw.add_argument("--device", choices=DEVICES, default="auto", help="never replaced silently when named")
    draw.add_argument("--runtime", default="auto", help="how the style runs; see `pyapdraw info` (default: auto)")
    draw.add_argument(
        "--size",
        type=int,
        metavar="PX",
        help="side of a bust's page, of a photo at most (default: 2048 photo, 512 video)",
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
    draw.set_defaults(run=run)


def pixels(text: str) -> int:
    """A number of pixels, also as 50e6; ValueError, which argparse words, for another."""
    value = float(text)
    if not 1 <= value <= 1e12:
        raise ValueError
    return int(value)


def run(args: argparse.Namespace) -> int:
    """Draws every input; writes the report where it is asked for."""
    start = time.perf_counter()
    from pyapdraw.artist import Artist
    from pyapdraw.cli import batch, inputs
    from pyapdraw.errors import OutputError
    from pyapdraw.files import check_record

    given = batch.Given(args.landmarks, args.masks)
    if args.landmarks and not args.aligned:
        raise inputs.Usage("--landmarks: given without --aligned, of whose photos they are expected to be")
    sources = inputs.expand(args.inputs, args.output, recursive=args.recursive)
    targets = inputs.Targets(args.output, sources)
    rules = {"overwrite": args.overwrite, "inputs": [i.path for i in sources.files]}
    if args.report:
        check_record(args.report, **rules)
    artist = Artist(
        args.style, args.device, args.runtime,
        frame=args.frame, faces=args.faces, no_face=args.no_face, aligned=args.aligned,
        background=args.background, largest_px=args.size, weights=args.weights, max_pixels=args.max_pixels,
        **style_options(args.style, args.options),
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
            return codes.NOT_WRITTEN
    if any(o.output_failed for o in failed):
        return codes.NOT_WRITTEN
    return codes.SOME_FAILED if failed else codes.DONE


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
