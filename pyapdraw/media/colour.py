"""Video frames and pixel arrays: libav's planes into upright RGB, drawings into the planes that the encoder wants.

Colour is decided here, once: the matrix (BT.601, BT.709, BT.2020) and the range (limited, full) that the stream
declares are honoured, missing ones are guessed as players do, HDR (PQ, HLG) is brought to SDR, and the output is BT.709
limited.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from pyapdraw import _C  # type: ignore[attr-defined]
from pyapdraw.errors import BadInput

# ISO/IEC 23091-2 code points, which libav uses as they are.
BT709, UNSPECIFIED, BT470BG, SMPTE170M, SMPTE240M, BT2020_NCL, BT2020_CL = 1, 2, 5, 6, 7, 9, 10
PQ, HLG = 16, 18
LIMITED, FULL = 1, 2

_ONE_THREAD = _C.Context(1)  # conversions run beside the drawing, which has the other cores
_BT709_LIMITED = _C.YuvFormat("bt709", False, 8)
_PLANAR = re.compile(
    r"(?P<sampling>yuvj?(?:420|422|444)p|nv12|nv16|nv24|p010le|p016le|gray)(?:(?P<bits>9|10|12|14|16)le)?$"
)
_STRIP_ROWS = 64  # HDR works through strips that stay in the second-level cache
_REFERENCE_WHITE_NITS = 203.0  # ITU-R BT.2408: HDR reference white, which becomes SDR white before the shoulder
_PEAK_NITS = 1000.0
_BT2020_TO_BT709 = np.array(  # ITU-R BT.2087, linear light
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


# --- geometry -------------------------------------------------------------------------------------------------------


def orientation(frame) -> tuple[bool, bool, bool]:
    """(swap axes, flip columns, flip rows) that bring a decoded frame upright, from its display matrix.

    The matrix holds a b u / c d v / x y w in 16.16; a stored point (p, q) is shown at (a p + c q, b p + d q)
    (ISO/IEC 14496-12, 6.2.2). Angles that are no multiple of 90 degrees are rounded to the nearest one."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return False, False, False
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def _display_matrix(frame) -> np.ndarray | None:
    for data in _without_profile(frame).side_data:
        if data.type.name == "DISPLAYMATRIX":
            matrix = np.frombuffer(bytes(data), np.int32)
            return matrix if matrix.size == 9 and matrix[[0, 1, 3, 4]].any() else None
    return None


def _without_profile(frame):
    """The frame without its colour profile. PNG gives profiles a name, and PyAV 18 frees that name twice once somebody
    has looked at the side data of such a frame."""
    from av.filter import Graph

    graph = Graph()
    size = {"width": frame.width, "height": frame.height}
    source = graph.add_buffer(**size, format=frame.format, time_base=frame.time_base or Fraction(1, 1000))
    graph.link_nodes(source, graph.add("sidedata", mode="delete", type="ICC_PROFILE"), graph.add("buffersink"))
    graph.configure()
    graph.push(frame)
    return graph.pull()


def turn(pixels: np.ndarray, how: tuple[bool, bool, bool]) -> np.ndarray:
    """Apply an orientation to [H, W, ...] pixels; a view."""
    swap, flip_columns, flip_rows = how
    if swap:
        pixels = pixels.swapaxes(0, 1)
    if flip_columns:
        pixels = pixels[:, ::-1]
    if flip_rows:
        pixels = pixels[::-1]
    return pixels


def plane_array(frame, index: int, width: int, height: int, dtype=np.uint8) -> np.ndarray:
    """One plane of a frame as [height, width], without a copy (rows keep the stride of libav)."""
    plane = frame.planes[index]
    itemsize = np.dtype(dtype).itemsize
    rows = np.frombuffer(plane, np.uint8, count=plane.line_size * height).reshape(height, plane.line_size)
    return rows[:, : width * itemsize].view(dtype)


# --- decoding -------------------------------------------------------------------------------------------------------


class ToRgb:
    """Frames of one stream into upright RGB. Callable: frame -> uint8 [H, W, 3], C-contiguous, sRGB-like."""

    def __init__(self, matrix: int = UNSPECIFIED, color_range: int = 0, transfer: int = UNSPECIFIED):
        from av.video.reformatter import VideoReformatter

        self._declared = (int(matrix), int(color_range), int(transfer))
        self._reformatter: Any = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self.how: tuple[bool, bool, bool] | None = None

    def __call__(self, frame) -> np.ndarray:
        if self.how is None:  # the first frame decides for the whole stream: the output has one size
            self.how, self._size = orientation(frame), (frame.width, frame.height)
        matrix, color_range, transfer = self._colour(frame)
        if _PLANAR.match(frame.format.name) and self._size == (frame.width, frame.height):
            pixels = self._native(frame, matrix, color_range)
        else:
            pixels = np.ascontiguousarray(turn(self._by_libav(frame, matrix, color_range), self.how))
        return hdr_8_bit_to_sdr(pixels, transfer) if transfer in (PQ, HLG) else pixels

    def _colour(self, frame) -> tuple[int, int, int]:
        """Matrix, range and transfer of a frame: its own, else the stream's, else what players assume."""
        matrix, color_range, transfer = int(frame.colorspace), int(frame.color_range), int(frame.color_trc)
        if matrix in (UNSPECIFIED, 3):
            matrix = self._declared[0]
        if transfer in (UNSPECIFIED, 0):
            transfer = self._declared[2]
        color_range = color_range or self._declared[1]
        if frame.format.name.startswith("yuvj"):
            color_range = FULL
        if matrix in (BT470BG, SMPTE170M):
            matrix = SMPTE170M
        elif matrix == BT2020_CL:
            matrix = BT2020_NCL
        elif matrix not in (BT709, SMPTE240M, BT2020_NCL):
            matrix = BT709 if frame.height > 576 or frame.width > 1024 else SMPTE170M
        return matrix, color_range or LIMITED, transfer

    def _native(self, frame, matrix: int, color_range: int) -> np.ndarray:
        """Planar YUV by the native core. Turned frames are read through turned views of their planes."""
        y, u, v, bits = planes(frame)
        assert self.how is not None
        even = not (frame.width % 2 or frame.height % 2)  # chroma of odd sizes cannot be turned by itself
        how = self.how if even else (False, False, False)
        y, u, v = (turn(plane, how) for plane in (y, u, v))
        pixels = np.empty((*y.shape, 3), np.uint8)
        name = {BT709: "bt709", BT2020_NCL: "bt2020"}.get(matrix, "bt601")
        _C.yuv_to_rgb(y, u, v, pixels, _C.YuvFormat(name, color_range == FULL, bits), _ONE_THREAD)
        return pixels if even else np.ascontiguousarray(turn(pixels, self.how))

    def _by_libav(self, frame, matrix: int, color_range: int) -> np.ndarray:
        """Every other layout: RGB, palettes, alpha (laid on white), big-endian, a size that changed half-way."""
        alpha = any(part.is_alpha for part in frame.format.components) or frame.format.name == "pal8"
        rgb = self._reformat(frame, "rgba" if alpha else "rgb24", matrix, color_range)
        width, height = rgb.width, rgb.height
        if not alpha:
            return plane_array(rgb, 0, 3 * width, height).reshape(height, width, 3)
        return _on_white(plane_array(rgb, 0, 4 * width, height).reshape(height, width, 4))

    def _reformat(self, frame, pixel_format: str, matrix: int, color_range: int):
        assert self._size is not None
        source = "bt2020" if matrix == BT2020_NCL else {BT709: "itu709", SMPTE240M: "smpte240m"}.get(matrix, "itu601")
        return self._reformatter.reformat(
            frame,
            width=self._size[0],  # a stream that changes its size half-way is scaled back
            height=self._size[1],
            format=pixel_format,
            src_colorspace=source,
            dst_colorspace=source,
            src_color_range=color_range,
            dst_color_range=FULL,
            threads=1,
        )


def planes(frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """(y, u, v, bits) of a frame in one of the formats of _PLANAR, as views: uint8, or uint16 with the value in the low
    bits. 10-bit code values are 8-bit ones times 4 (BT.709, 2.9), so bits is all that the conversion needs."""
    found = _PLANAR.match(frame.format.name)
    assert found is not None
    sampling, width, height = found["sampling"], frame.width, frame.height
    high = sampling in ("p010le", "p016le")  # value in the high bits: the same number at 16 bits
    bits = 16 if high else int(found["bits"] or 8)
    dtype = np.uint8 if bits == 8 else np.uint16
    y = plane_array(frame, 0, width, height, dtype)
    if sampling == "gray":
        neutral = np.full(((height + 1) // 2, (width + 1) // 2), 1 << (bits - 1), dtype)
        return y, neutral, neutral, bits
    chroma_width = width if "444" in sampling or sampling == "nv24" else (width + 1) // 2
    chroma_height = (height + 1) // 2 if "420" in sampling or high or sampling == "nv12" else height
    if high or sampling.startswith("nv"):
        pairs = plane_array(frame, 1, 2 * chroma_width, chroma_height, dtype)
        return y, pairs[:, 0::2], pairs[:, 1::2], bits
    u, v = (plane_array(frame, index, chroma_width, chroma_height, dtype) for index in (1, 2))
    return y, u, v, bits


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """RGBA laid on white: uint8 [H, W, 4] -> uint8 [H, W, 3]."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    mixed = pixels[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def hdr_8_bit_to_sdr(pixels: np.ndarray, transfer: int) -> np.ndarray:
    """hdr_to_sdr for 8-bit RGB, through a table of 128 levels a channel: uint8 [H, W, 3] -> uint8 [H, W, 3].

    A sixth of the time of the formulas. Off by 1 to 2 levels on average; more in the deepest shades of PQ, where 8 bits
    are coarse."""
    table = _hdr_table(transfer)
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _STRIP_ROWS):
        strip = pixels[top : top + _STRIP_ROWS].astype(np.int32) >> 1
        index = strip[:, :, 0] << 14 | strip[:, :, 1] << 7 | strip[:, :, 2]
        out[top : top + _STRIP_ROWS] = table.take(index).view(np.uint8).reshape(*index.shape, 4)[:, :, :3]
    return out


@lru_cache(maxsize=2)
def _hdr_table(transfer: int) -> np.ndarray:
    """Result for the middle of every pair of 8-bit levels: uint32 [128^3], red in the lowest byte; 8 MiB."""
    level = np.rint((2 * np.arange(128) + 0.5) * 257).astype(np.uint16)
    red, green, blue = np.meshgrid(level, level, level, indexing="ij")
    grid = np.stack([red, green, blue], axis=3).reshape(128 * 128, 128, 3)
    packed = np.zeros((128**3, 4), np.uint8)
    packed[:, :3] = hdr_to_sdr(grid, transfer).reshape(-1, 3)
    return packed.view(np.uint32)[:, 0]


def hdr_to_sdr(pixels: np.ndarray, transfer: int) -> np.ndarray:
    """HDR RGB in BT.2020 to SDR RGB in BT.709: uint16 [H, W, 3] full range -> uint8 [H, W, 3].

    transfer: PQ (SMPTE ST 2084) or HLG (ARIB STD-B67), both as in ITU-R BT.2100. Reference white (203 cd/m2, BT.2408)
    lands on SDR white; above 30 % of it a Moebius curve (1 up to the knee, smooth to the peak of 1000 cd/m2) compresses
    the largest channel, and the two others follow, which keeps hue; gamma 2.4 (BT.1886) is put back."""
    light, gamma = _light_table(transfer), _gamma_table()
    out = np.empty(pixels.shape, np.uint8)
    weights = np.array([0.2627, 0.6780, 0.0593], np.float32)  # luminance, BT.2020
    for top in range(0, len(pixels), _STRIP_ROWS):
        linear = light[pixels[top : top + _STRIP_ROWS]]
        if transfer == HLG:  # display light = scene light x luminance^0.2 (BT.2100 OOTF, 1000 cd/m2)
            luminance = np.maximum(linear @ weights, 1e-6)
            linear *= (luminance**0.2 * (_PEAK_NITS / _REFERENCE_WHITE_NITS))[:, :, None]
        linear = np.maximum(linear @ _BT2020_TO_BT709.T, 0.0)
        peak = np.maximum(linear.max(axis=2, keepdims=True), 1e-6)
        linear *= _shoulder(peak) / peak
        level = np.minimum(linear * (len(gamma) - 1), len(gamma) - 1).astype(np.uint16)
        out[top : top + _STRIP_ROWS] = gamma[level]
    return out


def _shoulder(x: np.ndarray) -> np.ndarray:
    """Moebius curve: x up to the knee, then (a x + b) / (x + c)-shaped, with slope 1 at the knee and 1 at the peak."""
    knee, peak = 0.3, _PEAK_NITS / _REFERENCE_WHITE_NITS
    a = -knee * knee * (peak - 1.0) / (knee * knee - 2.0 * knee + peak)
    b = (knee * knee - 2.0 * knee * peak + peak) / (peak - 1.0)
    bent = (b * b + 2.0 * b * knee + knee * knee) / (b - a) * (x + a) / (x + b)
    return np.where(x <= knee, x, np.minimum(bent, 1.0))


@lru_cache(maxsize=2)
def _light_table(transfer: int) -> np.ndarray:
    """16-bit code -> linear light; 1 is reference white for PQ (BT.2100 table 4), the peak for HLG (table 5)."""
    code = np.arange(65536) / 65535.0
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = 10000.0 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) / _REFERENCE_WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code * code / 3.0, (np.exp((code - c) / a) + b) / 12.0)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _gamma_table() -> np.ndarray:
    """Linear light 0..1 in 16383 steps -> 8-bit level."""
    return np.rint(255.0 * (np.arange(16384) / 16383.0) ** (1 / 2.4)).astype(np.uint8)


# --- encoding -------------------------------------------------------------------------------------------------------


class FromDrawing:
    """Drawings into frames for the encoder, yuv420p, BT.709, limited range: uint8 [H, W] or [H, W, 3] -> frame.

    yuv420p needs even sides: an odd width or height gets its last column or row once more."""

    def __init__(self, height: int, width: int):
        self.height, self.width = height + height % 2, width + width % 2

    def __call__(self, drawing: np.ndarray):
        import av

        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        y = plane_array(frame, 0, self.width, self.height)
        u, v = (plane_array(frame, index, self.width // 2, self.height // 2) for index in (1, 2))
        _C.rgb_to_yuv(self._even(drawing), y, u, v, _BT709_LIMITED, _ONE_THREAD)
        frame.colorspace, frame.color_range = BT709, LIMITED
        return frame

    def _even(self, drawing: np.ndarray) -> np.ndarray:
        rows, columns = self.height - drawing.shape[0], self.width - drawing.shape[1]
        if rows or columns:
            drawing = np.pad(drawing, [(0, rows), (0, columns)] + [(0, 0)] * (drawing.ndim - 2), mode="edge")
        return drawing


def check_drawing(drawing, shape: tuple[int, ...] | None) -> np.ndarray:
    """The drawing as an array, if it is uint8 [H, W] or [H, W, 3] of the size of the first one. Raises BadInput."""
    drawing = np.asarray(drawing)
    fits = drawing.dtype == np.uint8 and (drawing.ndim == 2 or (drawing.ndim == 3 and drawing.shape[2] == 3))
    if not fits or drawing.size == 0 or (shape is not None and drawing.shape[:2] != tuple(shape[:2])):
        size = "H, W" if shape is None else f"{shape[0]}, {shape[1]}"
        given = f"{drawing.dtype} {list(drawing.shape)}"
        raise BadInput(f"draw_frame returned {given}, expected uint8 [{size}] or [{size}, 3]")
    return drawing
