"""Many inputs, one output each: what becomes of each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw.artist import PHOTO, Artist, NoFace
from pyapdraw.cli import standard
from pyapdraw.cli.inputs import VIDEO_SUFFIXES, Input, Inputs, Targets, Usage
from pyapdraw.clock import Clock
from pyapdraw.composite import side_by_side
from pyapdraw.data.aligned import named_as, read_aligned_landmarks, read_mask
from pyapdraw.errors import BadInput, Error, OutputError
from pyapdraw.files import check_output, write_record
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import encode_image, read_photo, write_image


@dataclass(frozen=True)
class Given:
    """What is known of aligned photos: landmark files and person masks, each a file or a folder with their names."""

    landmarks: str | None = None
    masks: str | None = None

    def __bool__(self) -> bool:
        return self.landmarks is not None or self.masks is not None


@dataclass(frozen=True)
class Manner:
    """How each input is drawn. side_by_side: photo and drawing next to each other. overwrite: existing outputs are
    replaced. skip_existing: an input whose output is there is passed. video: `video.VideoOptions`, None: the usual
    ones."""

    side_by_side: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    given: Given = field(default_factory=Given)
    video: Any = None


@dataclass
class Outcome:
    """What became of one input. status: done, skipped (no face, by policy; or its output exists), "no media" (something
    else that lay in a folder) or failed."""

    source: str
    target: str | None = None
    status: str = "done"
    error: str | None = None
    output_failed: bool = False
    wall_s: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def draw_photo_file(artist: Artist, source: Input, target: Path | None, manner: Manner) -> dict[str, Any]:
    """Draws one photo into a file (None: standard output, as PNG); returns faces, size and stage times."""
    clock, given = Clock(), manner.given
    content = standard.opened_input() if source.path is None else source.path
    name = source.path or Path(str(source))
    sources = [each for each in (source.path, given.landmarks, given.masks, artist.options.weights) if each]
    with clock("read"):
        if target is not None:
            check_output(target, overwrite=manner.overwrite, inputs=sources)
        pixels = read_photo(content, max_pixels=artist.options.max_pixels).pixels
        points, known = None, {}
        if given.landmarks is not None:
            path = named_as(given.landmarks, name, (".txt",))
            points = read_aligned_landmarks(path, name, pixels.shape)
            sources.append(str(path))
        if given.masks is not None:
            path = named_as(given.masks, name)
            known["person"] = read_mask(path, name, pixels.shape)
            sources.append(str(path))
    with clock("faces"):
        found = artist.find(pixels) if points is None else [artist.aligned_face(pixels, points)]
    drawing = artist.draw_found(pixels, found, PHOTO, clock, known)
    with clock("write"):
        result = side_by_side(pixels, drawing) if manner.side_by_side else drawing
        if target is None:
            standard.write(encode_image(result))
        else:
            write_image(result, target, overwrite=manner.overwrite, inputs=sources)
    height, width = pixels.shape[:2]
    return {
        "kind": "photo",
        "size_px": [width, height],
        "faces": [_face_record(f) for f in artist.choose(found)],
        "stages_s": clock.seconds,
    }


def draw_video_file(artist: Artist, source: Input, target: Path | None, manner: Manner) -> dict[str, Any]:
    """Draws one video file; returns the report of the video loop with the stages of the drawing in it."""
    if source.path is None or target is None:
        raise BadInput(f"{source}: a video given, a photo expected on standard input and output")
    if manner.given:
        raise BadInput(f"{source}: a video given, photos expected with landmark or mask files")
    from pyapdraw.frame_artist import draw_with  # PyAV is loaded for videos alone
    from pyapdraw.media.video import VideoOptions

    options = manner.video or VideoOptions(max_pixels=artist.options.max_pixels)
    rules = {"side_by_side": manner.side_by_side, "overwrite": manner.overwrite}
    return draw_with(artist, source.path, target, options=options, **rules)


def is_moving(source: Input, targets: Targets) -> bool:
    """Whether an input is drawn as a video. A moving GIF, WebP or PNG is one when its output is named as a video."""
    if source.path is None:
        return False
    kind = what_is(source.path).what
    return kind == "video" or (
        kind == "animation" and targets.file is not None and targets.file.suffix.lower() in VIDEO_SUFFIXES
    )


def draw_one(artist: Artist, source: Input, targets: Targets, manner: Manner) -> Outcome:
    """Draws one input whatever it is; every failure becomes part of the outcome, so that the batch goes on."""
    outcome = Outcome(str(source))
    start = time.perf_counter()
    try:
        if source.is_litter:
            outcome.status = "no media"
            return outcome
        if source.trouble:
            raise BadInput(f"{source}: {source.trouble}")
        is_video = is_moving(source, targets)
        target = None if targets.standard else targets.of(source, is_video)
        outcome.target = "-" if target is None else str(target)
        if manner.skip_existing and target is not None and target.exists():
            outcome.status, outcome.error = "skipped", f"{target} exists"
            return outcome
        work = draw_video_file if is_video else draw_photo_file
        outcome.details = work(artist, source, target, manner)
    except NoFace as error:
        skip = artist.options.no_face == "skip"
        outcome.status, outcome.error = ("skipped" if skip else "failed"), _told(error, source)
    except (Usage, BrokenPipeError):
        raise
    except Error as error:
        outcome.status, outcome.error = "failed", _told(error, source)
        outcome.output_failed = isinstance(error, OutputError)
    except MemoryError:
        outcome.status, outcome.error = "failed", f"{source}: does not fit into memory"
    except Exception as error:  # a fault of ours: the other inputs are drawn all the same
        what = f"{type(error).__name__}: {error}"
        outcome.status, outcome.error = (
            "failed",
            f"{source}: not drawn, by a fault of pyapdraw ({what}); please report it",
        )
    finally:
        outcome.wall_s = time.perf_counter() - start
    return outcome


def _told(error: Error, source: Input) -> str:
    """The message, which names the file also where it comes from a stage that knows the picture only."""
    text = str(error)
    if text.startswith("image: "):
        return f"{source}: {text.removeprefix('image: ')}"
    return text


def draw_all(
    artist: Artist, inputs: Inputs, targets: Targets, manner: Manner, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Draws every input in turn; `tell` hears of each outcome as it comes."""
    outcomes = []
    for source in inputs.files:
        outcome = draw_one(artist, source, targets, manner)
        tell(outcome)
        outcomes.append(outcome)
    return outcomes


def write_report(
    path: str, artist: Artist, outcomes: Sequence[Outcome], seconds: dict[str, float], **rules: Any
) -> None:
    """Writes the JSON of a run: what was chosen and why, and one record an input. rules: see `files.write_record`."""
    record = {
        "style": artist.style_name,
        "plan": asdict(artist.plan),
        "options": {**asdict(artist.options), **artist.style_options},
        **seconds,
        "inputs": [asdict(o) for o in outcomes],
    }
    write_record(path, "draw", record, **rules)


def _face_record(face: Any) -> dict[str, Any]:
    return {
        "box_px": [round(float(v), 2) for v in face.box_px],
        "landmarks_px": np.round(np.asarray(face.landmarks_px, float), 2).tolist(),
        "score": round(float(face.score), 4),
    }


__all__ = ["Given", "Manner", "Outcome", "draw_all", "draw_one", "write_report"]
