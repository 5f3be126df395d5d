"""Video frames and pixel arrays: libav's planes into upright RGB, drawings into the planes that the encoder wants.

Colour is decided here, once: the matrix (BT.601, BT.709, BT.2020) and the range (limited, full) that the stream declares
are honoured, missing ones are guessed as players do, HDR (PQ, HLG) is brought to SDR, and the output is BT.709 limited.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .errors import BadInput

# ISO/IEC 23091-2 code points, which libav uses as they are.
BT709, UNSPECIFIED, BT470BG, SMPTE170M, SMPTE240M, BT2020_NCL, BT2020_CL = 1, 2, 5, 6, 7, 9, 10
PQ, HLG = 16, 18
LIMITED, FULL = 1, 2

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
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            matrix = np.frombuffer(bytes(data), np.int32)
            return matrix if matrix.size == 9 and matrix[[0, 1, 3, 4]].any() else None
    return None


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
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self.how: tuple[bool, bool, bool] | None = None

    def __call__(self, frame) -> np.ndarray:
        if self.how is None:  # the first frame decides for the whole stream: the output has one size
            self.how, self._size = orientation(frame), (frame.width, frame.height)
        matrix, color_range, transfer = self._colour(frame)
        if transfer in (PQ, HLG):
            pixels = self._hdr(frame, matrix, color_range, transfer)
        else:
            pixels = self._sdr(frame, matrix, color_range)
        return np.ascontiguousarray(turn(pixels, self.how))

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

    def _sdr(self, frame, matrix: int, color_range: int) -> np.ndarray:
        if frame.format.is_rgb is False and _depth(frame) in (10, 12):
            frame = shift_to_8_bit(frame)
        alpha = any(part.is_alpha for part in frame.format.components) or frame.format.name == "pal8"
        rgb = self._reformat(frame, "rgba" if alpha else "rgb24", matrix, color_range)
        width, height = rgb.width, rgb.height
        if not alpha:
            return plane_array(rgb, 0, 3 * width, height).reshape(height, width, 3)
        pixels = plane_array(rgb, 0, 4 * width, height).reshape(height, width, 4)
        return _on_white(pixels)

    def _hdr(self, frame, matrix: int, color_range: int, transfer: int) -> np.ndarray:
        rgb = self._reformat(frame, "rgb48le", matrix, color_range)
        width, height = rgb.width, rgb.height
        pixels = plane_array(rgb, 0, 3 * width, height, np.uint16).reshape(height, width, 3)
        return hdr_to_sdr(pixels, transfer)

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


def _depth(frame) -> int:
    return max(part.bits for part in frame.format.components)


def shift_to_8_bit(frame):
    """A 10- or 12-bit planar YUV frame as the 8-bit frame of the same layout: v >> (bits - 8), rounded, which is exact
    for the levels of ITU-R BT.709 (the code values of n bits are those of 8 bits times 2^(n-8)). Other formats come
    back as they are."""
    import av

    name = frame.format.name
    layout = next((part for part in ("yuv420p", "yuv422p", "yuv444p", "gray") if name.startswith(part)), None)
    if layout is None or not name.endswith("le"):
        return frame
    bits = _depth(frame)
    narrow = av.VideoFrame(frame.width, frame.height, "gray" if layout == "gray" else layout)
    for index, plane in enumerate(narrow.planes):
        wide = plane_array(frame, index, plane.width, plane.height, np.uint16)
        target = plane_array(narrow, index, plane.width, plane.height)
        np.copyto(target, np.minimum((wide + (1 << (bits - 9))) >> (bits - 8), 255), casting="unsafe")
    return narrow


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """RGBA laid on white: uint8 [H, W, 4] -> uint8 [H, W, 3]."""
    alpha = pixels[:, :, 3:].astype(np.uint16)
    mixed = pixels[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


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
    """16-bit code -> linear light, 1 = reference white for PQ (BT.2100 table 4), 1 = peak of the scene for HLG (table 5)."""
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
    """Drawings into frames for the encoder: yuv420p, BT.709, limited range. Callable: uint8 [H, W] or [H, W, 3] -> frame.

    yuv420p needs even sides: an odd width or height gets its last column or row once more."""

    def __init__(self, height: int, width: int):
        from av.video.reformatter import VideoReformatter

        self.height, self.width = height + height % 2, width + width % 2
        self._reformatter = VideoReformatter()
        self._luma = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)

    def __call__(self, drawing: np.ndarray):
        drawing = self._even(drawing)
        frame = self._grey(drawing) if drawing.ndim == 2 else self._rgb(drawing)
        frame.colorspace, frame.color_range = BT709, LIMITED
        return frame

    def _even(self, drawing: np.ndarray) -> np.ndarray:
        rows, columns = self.height - drawing.shape[0], self.width - drawing.shape[1]
        if rows or columns:
            drawing = np.pad(drawing, [(0, rows), (0, columns)] + [(0, 0)] * (drawing.ndim - 2), mode="edge")
        return drawing

    def _grey(self, drawing: np.ndarray):
        import av

        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        np.take(self._luma, drawing, out=plane_array(frame, 0, self.width, self.height), mode="clip")
        for index in (1, 2):
            plane_array(frame, index, self.width // 2, self.height // 2).fill(128)
        return frame

    def _rgb(self, drawing: np.ndarray):
        import av

        rgb = av.VideoFrame(self.width, self.height, "rgb24")
        plane_array(rgb, 0, 3 * self.width, self.height)[:] = drawing.reshape(self.height, 3 * self.width)
        return self._reformatter.reformat(
            rgb,
            format="yuv420p",
            src_colorspace="itu709",
            dst_colorspace="itu709",
            src_color_range=FULL,
            dst_color_range=LIMITED,
            threads=1,
        )


def check_drawing(drawing, shape: tuple[int, ...] | None) -> np.ndarray:
    """The drawing as an array, if it is uint8 [H, W] or [H, W, 3] of the size of the first one. Raises BadInput."""
    drawing = np.asarray(drawing)
    fits = drawing.dtype == np.uint8 and (drawing.ndim == 2 or (drawing.ndim == 3 and drawing.shape[2] == 3))
    if not fits or drawing.size == 0 or (shape is not None and drawing.shape[:2] != tuple(shape[:2])):
        size = "H, W" if shape is None else f"{shape[0]}, {shape[1]}"
        given = f"{drawing.dtype} {list(drawing.shape)}"
        raise BadInput(f"draw_frame returned {given}, expected uint8 [{size}] or [{size}, 3]")
    return drawing
