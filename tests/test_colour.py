"""frames: rotation, odd sizes, pixel aspect, colour and HDR, as seen by draw_frame and in the output."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cases_video import Clip, frames, make_clip, picture, run
from PIL import Image, ImageCms

from pyapdraw.media.colour import hdr_8_bit_to_sdr, hdr_to_sdr
from pyapdraw.media.video import draw_frames


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied_and_not_passed_on(tmp_path, degrees):
    seen = []

    def draw(rgb, time_s):
        seen.append(rgb)
        return rgb

    upright = picture(0, 64, 96)
    stored = np.rot90(upright, -degrees // 90)
    clip = Clip(
        frames=2, width=stored.shape[1], height=stored.shape[0], rotate_deg=degrees, source=lambda index: stored
    )
    _, output, _ = run(tmp_path, clip, draw=draw)
    assert seen[0].shape == upright.shape and np.abs(seen[0].astype(int) - upright).mean() < 4
    with av.open(str(output)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0 and (frame.width, frame.height) == (96, 64)


@pytest.mark.parametrize("size", [(97, 63), (97, 64), (96, 63), (17, 17), (1, 1), (33, 15)])
def test_odd_sizes_get_one_more_column_or_row(tmp_path, size):
    shapes = []

    def draw(rgb, time_s):
        shapes.append(rgb.shape)
        return rgb

    clip = Clip(frames=3, width=size[0], height=size[1], codec="ffv1", pixel_format="yuv420p", options=())
    _, output, _ = run(tmp_path, clip, ".mkv", draw=draw)
    assert shapes[0] == (size[1], size[0], 3)
    shown = frames(output)[0]
    assert shown.shape[:2] == (size[1] + size[1] % 2, size[0] + size[0] % 2)
    if size == (97, 63):
        assert np.abs(shown[:, 97].astype(int) - shown[:, 96]).mean() < 6


def test_turned_odd_frames_are_upright(tmp_path):
    seen = []
    upright = picture(0, 63, 97)
    stored = np.rot90(upright, -1)
    clip = Clip(
        frames=1, width=63, height=97, rotate_deg=90, codec="mjpeg", pixel_format="yuvj420p",
        options=(("q", "1"),), source=lambda index: stored,
    )  # fmt: skip
    run(tmp_path, clip, ".mov", draw=lambda rgb, t: seen.append(rgb) or rgb)
    assert np.abs(seen[0].astype(int) - upright).mean() < 5


@pytest.mark.parametrize("rotate", [None, 90])
def test_pixel_aspect_is_kept(tmp_path, rotate):
    _, output, _ = run(tmp_path, Clip(frames=3, aspect=Fraction(4, 3), rotate_deg=rotate))
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == (Fraction(3, 4) if rotate else Fraction(4, 3))


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "nv12"])
def test_matrix_and_range_are_honoured(tmp_path, matrix, color_range, pixel_format):
    seen = []
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (235, 235, 235), (5, 5, 5), (128, 128, 128)]
    block = np.zeros((16, 96, 3), np.uint8)
    for index, colour in enumerate(colours):
        block[:, 16 * index : 16 * index + 16] = colour
    clip = Clip(
        frames=1, width=96, height=16, pixel_format=pixel_format, options=(("preset", "ultrafast"), ("qp", "1")),
        colour=(matrix, color_range, matrix, matrix), source=lambda index: block,
    )  # fmt: skip
    _, output, _ = run(tmp_path, clip, ".mkv", draw=lambda rgb, t: seen.append(rgb) or rgb)
    middle = seen[0][8, 8::16].astype(int)
    assert np.abs(middle - np.array(colours)).max() <= 5
    with av.open(str(output)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range), int(frame.color_trc)) == (1, 1, 1)
        shown = frame.to_ndarray(format="rgb24", src_colorspace="itu709")[8, 8::16].astype(int)
    assert np.abs(shown - np.array(colours)).max() <= 12


def test_grey_drawings_are_grey(tmp_path):
    _, output, _ = run(tmp_path, Clip(frames=3), draw=lambda rgb, t: np.full(rgb.shape[:2], 255, np.uint8))
    shown = frames(output)[0].astype(int)
    assert shown.min() >= 252 and np.ptp(shown, axis=2).max() <= 1


def pq(nits: float) -> float:
    """Inverse of the PQ curve, SMPTE ST 2084 eq. 5.2."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_becomes_plausible_sdr(tmp_path, transfer):
    seen = []
    nits = [0, 1, 20, 60, 203, 1000]
    level = [pq(n) for n in nits] if transfer == 16 else [0, 0.05, 0.2, 0.4, 0.75, 1.0]
    block = np.repeat(np.repeat(np.rint(255 * np.array(level)).astype(np.uint8)[None, :, None], 3, axis=2), 16, axis=0)
    block = np.repeat(block, 16, axis=1)
    clip = Clip(
        frames=1, width=96, height=16, codec="libx265", pixel_format="yuv420p10le", colour=(9, 1, 9, transfer),
        options=(("preset", "ultrafast"), ("crf", "4"), ("x265-params", "log-level=error")), source=lambda index: block,
    )  # fmt: skip
    run(tmp_path, clip, draw=lambda rgb, t: seen.append(rgb) or rgb)
    middle = seen[0][8, 8::16].astype(int)
    assert np.ptp(middle, axis=1).max() <= 6
    grey_levels = middle[:, 1]
    assert np.all(np.diff(grey_levels) > 0) and grey_levels[0] <= 3 and grey_levels[-1] >= 250
    assert 190 <= grey_levels[4] <= 245  # reference white: bright, with room above


@pytest.mark.parametrize("transfer", [16, 18])
def test_the_hdr_table_follows_the_formulas(transfer):
    soft = np.kron(np.random.default_rng(0).random((5, 7, 3)), np.ones((40, 30, 1)))
    ramp = np.linspace(0.4, 1, 210)[None, :, None]
    levels = np.rint(255 * soft * ramp).astype(np.uint8)
    exact = hdr_to_sdr(levels.astype(np.uint16) * 257, transfer).astype(int)
    error = np.abs(hdr_8_bit_to_sdr(levels, transfer) - exact)
    assert error.mean() < 1.5 and np.percentile(error, 99) <= 6


def test_frames_of_another_size_half_way_are_scaled(tmp_path):
    parts = [make_clip(tmp_path / f"{n}.ts", Clip(frames=10, width=w)) for n, w in enumerate((96, 128))]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    shapes = set()
    report = draw_frames(source, tmp_path / "out.mp4", lambda rgb, t: shapes.add(rgb.shape) or rgb)
    assert shapes == {(64, 96, 3)} and report["frames"]["drawn"] >= 18


_NAMED_PROFILE = """
import gc, sys
from pyapdraw.media.video import draw_frames
draw_frames(sys.argv[1], sys.argv[2], lambda rgb, time_s: rgb)
gc.collect()
"""


def test_a_moving_png_with_a_colour_profile_ends_no_process(tmp_path):
    """libav gives its profile a name, which PyAV frees twice once the side data of the frame has been looked at."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pictures = [Image.new("RGB", (64, 48), (40 * i, 90, 10)) for i in range(4)]
    pictures[0].save(tmp_path / "in.png", save_all=True, append_images=pictures[1:], duration=100, icc_profile=profile)
    command = [sys.executable, "-c", _NAMED_PROFILE, tmp_path / "in.png", tmp_path / "out.mp4"]
    done = subprocess.run(
        command, cwd=Path(__file__).resolve().parents[1], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
