"""The reusable object behind `pyapdraw.draw`: one style, its tools, and the choice of device and runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyapdraw import align
from pyapdraw.choices import BACKGROUNDS, FACES, FRAMES, NO_FACE
from pyapdraw.clock import Clock
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Detector, Face
from pyapdraw.media import images
from pyapdraw.media.kinds import MAX_PIXELS
from pyapdraw.ops.warp_affine import warp_affine
from pyapdraw.pipeline import How, draw_faces
from pyapdraw.style import registry
from pyapdraw.style.base import SteadyTools, Tools
from pyapdraw.style.plan import plan

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Medium:
    """What differs between photos and frames: the policy without a face, whether pictures are still, and the message
    where there has to be a face."""

    no_face: str
    still: bool
    without_face: str


PHOTO = Medium("pass", True, "image: no face found; another picture, or no_face='pass' or 'draw', expected")
FRAME = Medium("draw", False, "no face found; no_face (--no-face) 'draw', 'pass' or 'skip' goes on")
LARGEST_PX = 2048  # width of a photo's bust


class NoFace(BadInput):
    """No face was found and the policy is "error"."""


@dataclass(frozen=True)
class Options:
    """How to draw. Every field is checked when an Options is made.

    frame: "whole" people where they stand, on a page of the picture's size, or "bust": the largest face's crop on a
    page of its own. faces: "all" or "largest". no_face: what a picture without a face becomes: "draw" what the style
    makes of it all the same (white paper where it cannot), "pass" unchanged, "skip" no result (in a video: an empty
    page), "error"; None: "pass" for a photo, "draw" for the frames of a video, which would flash otherwise. aligned:
    the picture is a crop already (eyes where the template has them), and is drawn at its size. background: see
    `pipeline.How`. largest_px: of a bust's page: upper limit of its side for a photo, None = 2048; its side for a
    video, None = 512. weights: a file for the style instead of its shipped weights (see `pyapdraw weights`).
    max_pixels: a picture file, Pillow image or video frame with more is refused before it is decoded.
    """

    frame: str = "whole"
    faces: str = "all"
    no_face: str | None = None
    aligned: bool = False
    background: str = "white"
    largest_px: int | None = None
    weights: str | Path | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        fixed = {
            "frame": FRAMES,
            "faces": FACES,
            "no_face": (None, *NO_FACE),
            "background": BACKGROUNDS,
        }
        for name, allowed in fixed.items():
            if getattr(self, name) not in allowed:
                known = ", ".join(text for text in allowed if text)
                raise BadInput(f"{name}: {getattr(self, name)!r} given, one of {known} expected")
        size = self.largest_px
        if size is not None and not (isinstance(size, Real) and 64 <= size <= 8192):
            raise BadInput(f"largest_px (--size): {size!r} given, 64 to 8192 expected")
        if not (isinstance(self.max_pixels, Real) and self.max_pixels >= 1):
            raise BadInput(f"max_pixels: {self.max_pixels!r} given, at least 1 expected")


class Artist:
    """Draws pictures in one style. Cheap to keep, safe to use from several threads at once, and to send to processes:
    what is pickled are the arguments, and the copy makes its tools anew.

    Args:
        style: a name from `pyapdraw.styles()`.
        device: "auto", "cpu" or "cuda"; "cuda" fails loudly where the style cannot run there.
        runtime: "auto" or the name of a runtime of the style (see `pyapdraw info`).
        options: fields of `Options` (frame, faces, no_face, aligned, background, largest_px, weights, max_pixels).

    Raises:
        BadInput: unknown style or option value. WeightsError: a file that holds no weights of the style. Unsupported,
        DeviceError: nothing can run the style as asked.
    """

    def __init__(self, style: str = "ink", device: str = "auto", runtime: str = "auto", **options: Any) -> None:
        entry = registry.find(style)
        ours = {name: options.pop(name) for name in Options.__dataclass_fields__ if name in options}
        try:
            self.style_options = dict(entry.checked(options))
        except BadInput as error:
            raise BadInput(f"{error}; of all styles: {', '.join(Options.__dataclass_fields__)}") from None
        self.options = Options(**ours)
        weights = entry.weights(self.options.weights)
        self.plan = plan(entry, weights, device, runtime)
        self.style_name = style
        self._asked = device, runtime
        self.style = entry.create(self.plan, weights, self.style_options, self.options.weights)
        self.tools = Tools()
        self.detector = Detector()
        np.linalg.inv(np.eye(2))  # OpenBLAS takes its buffer on first use, and ends the process where it cannot

    def __getstate__(self) -> dict[str, Any]:
        device, runtime = self._asked
        asked = {"style": self.style_name, "device": device, "runtime": runtime}
        return {**asked, **self.style_options, **asdict(self.options)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __copy__(self) -> Artist:
        return self.with_options()

    def faces(self, image: Any) -> list[Face]:
        """Faces of a picture of any kind (see `draw`), largest first, in px of the upright picture; with `aligned`, the
        one the template says."""
        return self.find(images.take(image, self.options.max_pixels).pixels)

    def find(self, pixels: np.ndarray) -> list[Face]:
        """As `faces`, of uint8 [H,W,3]."""
        if self.options.aligned:
            return [self.aligned_face(pixels)]
        with _within_memory(pixels):
            return self.detector.detect(pixels)

    def aligned_face(self, pixels: np.ndarray, landmarks_px: np.ndarray | None = None) -> Face:
        """As the function `aligned_face`, on the template of the style."""
        return aligned_face(pixels, landmarks_px, self.style.template)

    def choose(self, faces: Sequence[Face]) -> list[Face]:
        """The faces to draw, largest first, by the option `faces`."""
        ordered = sorted(faces, key=lambda f: -_area(f))
        return ordered[:1] if self.options.faces == "largest" else ordered

    def draw(self, image: Any) -> Any:
        """Draws a picture of any kind; the drawing is of the same kind, size [H,W,3] (RGB).

        image: [H,W,3] RGB, [H,W,4] RGBA (laid on white), [H,W,1] or [H,W] grey, uint8 or float in 0 to 1, of numpy,
        torch, CuPy, pycuda, Numba or JAX; a Pillow image of any mode (turned upright by its EXIF tag), which gives an
        RGB image; or a path, bytes or a file opened in binary mode, which give numpy uint8.
        Raises BadInput for anything else, and `NoFace` where the policy for no face is "error" or "skip".
        """
        given = images.take(image, self.options.max_pixels)
        try:
            drawn = self.draw_pixels(given.pixels)
        except BadInput as error:
            if given.name == "image" or not str(error).startswith("image:"):
                raise
            raise type(error)(given.name + str(error).removeprefix("image")) from error
        return given.back(np.repeat(drawn[:, :, None], 3, axis=2) if drawn.ndim == 2 else drawn)

    def draw_pixels(
        self,
        rgb: np.ndarray,
        faces: Sequence[Face] | None = None,
        clock: Clock | None = None,
        *,
        person: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `draw`, of a numpy array, with faces found elsewhere if given; the drawing is uint8 [H,W,3], or [H,W]
        where it is grey on white paper.

        person: mask uint8 [H,W] of the picture's people, 255 = person, instead of the one found here.
        """
        clock = clock or Clock()
        pixels = images.rgb_from(rgb)
        if faces is None:
            with clock("faces"):
                faces = self.find(pixels)
        return self.draw_found(pixels, faces, PHOTO, clock, {} if person is None else {"person": person})

    def draw_found(
        self,
        pixels: np.ndarray,
        faces: Sequence[Face],
        medium: Medium,
        clock: Clock,
        given: Mapping[str, Any],
        tools: SteadyTools | None = None,
    ) -> np.ndarray:
        """Draws those of the faces found in a picture uint8 [H,W,3] that the options choose; without any it is what the
        policy says, the picture itself by "pass". given: see `pipeline.How`. tools: of the video; None: the artist's
        own."""
        if not faces:
            with clock("draw"):
                return self._without_face(pixels, medium)
        with _within_memory(pixels):
            how, ordered = self._how(pixels, medium, given), sorted(faces, key=lambda face: -_area(face))
            return draw_faces(pixels, ordered, self.style, tools or self.tools, how, clock)

    def _how(self, pixels: np.ndarray, medium: Medium, given: Mapping[str, Any]) -> How:
        options = self.options
        frame = "aligned" if options.aligned else options.frame
        largest = max(pixels.shape[:2]) if options.aligned and medium.still else LARGEST_PX
        width = None if medium.still else int(options.largest_px or self.style.template.width_px)
        most = 1 if options.faces == "largest" else None
        return How(most, frame, options.background, width, int(options.largest_px or largest), medium.still, given)

    def _without_face(self, pixels: np.ndarray, medium: Medium) -> np.ndarray:
        """What a picture uint8 [H,W,3] without a face becomes: see `Options`. Raises NoFace."""
        policy = self.options.no_face or medium.no_face
        if self.options.frame == "bust" and not medium.still and not self.options.aligned:
            pixels = _on_sheet(pixels, self.style.template.shape_px(self._how(pixels, medium, {}).width_px))
        if policy == "draw":
            return self.style.draw_whole(pixels)
        if policy == "pass":
            return pixels
        if policy == "skip" and medium is FRAME:
            return np.full(pixels.shape[:2], 255, np.uint8)
        raise NoFace(medium.without_face)

    def with_options(self, **changes: Any) -> Artist:
        """The same tools under other options, which the style's weights are not."""
        if "weights" in changes:
            raise BadInput(
                f"weights: {changes['weights']} given, but they belong to the style: another Artist expected"
            )
        other = object.__new__(Artist)
        other.__dict__.update(self.__dict__)
        other.options = replace(self.options, **changes)
        return other


def aligned_face(
    pixels: np.ndarray, landmarks_px: np.ndarray | None = None, template: align.Template = align.APDRAWING
) -> Face:
    """The face of a picture that is a crop already: at the given points, or the template's scaled to the picture."""
    h, w = pixels.shape[:2]
    if (h, w) != template.shape_px(w):
        like = "a square crop" if template.aspect == 1 else f"a crop {template.aspect:g} times as high as wide"
        raise BadInput(f"image: {w}x{h} given, {like} expected with aligned=True")
    points = template.points_px(w) if landmarks_px is None else landmarks_px
    return Face(box_px=(0.0, 0.0, w - 1.0, h - 1.0), landmarks_px=points, score=1.0, track=None)


def _on_sheet(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture uint8 [H,W,3] as large as a sheet of that (height, width) takes it, in its middle."""
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    shift = [(side - scale * own) / 2 + (scale - 1) / 2 for side, own in zip(size[::-1], (width, height))]
    to_sheet = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return warp_affine(pixels, to_sheet, size, filter="antialias", border=255)


@contextmanager
def _within_memory(pixels: np.ndarray) -> Iterator[None]:
    """What one picture needs and the machine has not is that picture's error."""
    try:
        yield
    except MemoryError as error:
        height, width = pixels.shape[:2]
        raise BadInput(f"image: {width} x {height} px do not fit into memory: {error}") from error


def _area(face: Face) -> float:
    x0, y0, x1, y1 = face.box_px
    return max(0.0, x1 - x0) * max(0.0, y1 - y0)


__all__ = ["FRAME", "PHOTO", "Artist", "NoFace", "Options", "aligned_face"]
