"""video: times, sound, captions, geometry, colour and damage on the way through draw_video."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cases_video import Clip, frame_times, frames, make_clip, packets, picture

from pyapdraw.errors import BadInput, OutputError, Unsupported
from pyapdraw.video import Encoding, VideoOptions, draw_video

ROOT = Path(__file__).resolve().parents[1]
B_FRAMES = (("preset", "medium"),)
VFR = tuple(int(t) for t in np.cumsum(np.random.default_rng(0).integers(10, 70, 40)))


def same(rgb, time_s):
    return rgb


def grey(rgb, time_s):
    return rgb[:, :, 1].copy()


def run(tmp_path, clip: Clip, suffix=".mp4", out=".mp4", draw=same, **options):
    source = make_clip(tmp_path / f"in{suffix}", clip)
    output = tmp_path / f"out{out}"
    return source, output, draw_video(source, output, draw, overwrite=True, **options)


def assert_same_times(source, output, tolerance_s=0.001):
    given, expected = frame_times(output), frame_times(source)
    assert len(given) == len(expected)
    assert np.abs(np.array(given) - expected).max() <= tolerance_s


def assert_same_packets(source, output, kind="audio", tolerance_s=0.001, origin_s=0.0):
    given, expected = packets(output, kind), packets(source, kind)
    assert given.keys() == expected.keys() and expected
    for track, written in expected.items():
        assert [digest for _, digest in given[track]] == [digest for _, digest in written]
        assert max(abs(a - b - origin_s) for (a, _), (b, _) in zip(given[track], written)) <= tolerance_s


# --- times, sound, captions


@pytest.mark.parametrize("out", [".mp4", ".mov", ".m4v"])
def test_varying_rate_b_frames_two_sounds_and_captions(tmp_path, out):
    clip = Clip(
        times=VFR, time_base=Fraction(1, 1000), b_frames=3, options=B_FRAMES, tones=(440, 880), captions="mov_text"
    )
    source, output, report = run(tmp_path, clip, out=out)
    assert report["frames"] == {"in": 40, "drawn": 40, "passed": 0, "concealed": 0, "lost": 0}
    assert_same_times(source, output)
    assert_same_packets(source, output)
    assert_same_packets(source, output, "subtitle")
    with av.open(str(output)) as container:
        names = [s.metadata["language"] for s in container.streams.audio]
        assert names == (["eng", "ger"] if out == ".mov" else ["eng", "deu"])
    assert [track["how"] for track in report["tracks"]] == ["copied"] * 3
    assert report["container"] == "regular" and os.listdir(tmp_path).sort() == ["in.mp4", output.name].sort()


def test_the_index_stands_in_front(tmp_path):
    _, output, _ = run(tmp_path, Clip(frames=30, tones=(440,)))
    content = output.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat") and b"moof" not in content


def test_sound_that_starts_late_and_pictures_that_start_late(tmp_path):
    source, output, _ = run(tmp_path, Clip(frames=48, tones=(440,), sound_from_s=0.7, b_frames=2, options=B_FRAMES))
    assert_same_times(source, output)
    assert_same_packets(source, output)
    source, output, _ = run(tmp_path, Clip(times=tuple(range(12, 40)), tones=(440,)))
    assert frame_times(source)[0] == 0.5
    assert_same_times(source, output)
    assert_same_packets(source, output)


@pytest.mark.parametrize(
    "suffix, clip",
    [
        (".mkv", Clip(tones=(440, 880), sound_codec="libopus", b_frames=2, options=B_FRAMES)),
        (
            ".webm",
            Clip(
                codec="libvpx-vp9",
                options=(("cpu-used", "8"), ("deadline", "realtime")),
                tones=(440,),
                sound_codec="libopus",
            ),
        ),
        (".mov", Clip(codec="mjpeg", pixel_format="yuvj420p", options=(), tones=(440,), sound_codec="pcm_s16le")),
        (".avi", Clip(codec="mpeg4", options=(), tones=(440,), sound_codec="libmp3lame")),
        (".mp4", Clip(codec="libsvtav1", options=(("preset", "12"),), tones=(440,), sound_codec="flac")),
    ],
)
def test_containers_and_codecs(tmp_path, suffix, clip):
    source, output, report = run(tmp_path, clip, suffix)
    assert report["frames"]["drawn"] == clip.frames
    assert_same_times(source, output)
    assert_same_packets(source, output)


def test_broadcast_stream_starts_at_zero_and_keeps_its_sound(tmp_path):
    source, output, _ = run(tmp_path, Clip(frames=30, tones=(440,), b_frames=2, options=B_FRAMES), ".ts")
    shift = frame_times(output)[0] - frame_times(source)[0]
    assert np.abs(np.array(frame_times(output)) - frame_times(source) - shift).max() <= 0.001
    given, expected = packets(output)[0], packets(source)[0]
    assert len(given) == len(expected)
    assert max(abs(a - b - shift) for (a, _), (b, _) in zip(given, expected)) <= 0.001
    with av.open(str(source)) as before, av.open(str(output)) as after:  # ADTS headers go, the sound stays
        sound = [np.concatenate([f.to_ndarray() for f in c.decode(audio=0)], axis=1) for c in (before, after)]
    np.testing.assert_array_equal(sound[0], sound[1])


def test_moving_gif(tmp_path):
    source, output, report = run(
        tmp_path, Clip(codec="gif", pixel_format="bgr8", options=(), frames=10, rate=20), ".gif"
    )
    assert report["frames"]["drawn"] == 10
    assert_same_times(source, output, 0.0101)


@pytest.mark.parametrize("captions", ["subrip", "ass"])
def test_captions_are_converted(tmp_path, captions):
    _, output, report = run(tmp_path, Clip(frames=60, tones=(440,), captions=captions), ".mkv")
    assert report["tracks"][-1]["how"] == "converted to mov_text"
    with av.open(str(output)) as container:
        texts = [bytes(p)[2:] for p in container.demux(subtitles=0) if p.size > 2]
        assert texts == [b"caption 0", b"caption 1", b"caption 2"]
    _, output, report = run(tmp_path, Clip(frames=60, captions="mov_text"), ".mp4", ".mkv")
    assert report["tracks"][-1]["how"] == "converted to subrip"
    with av.open(str(output)) as container:
        assert [bytes(p) for p in container.demux(subtitles=0) if p.size] == texts


def test_matroska_out_copies_captions(tmp_path):
    source, output, _ = run(
        tmp_path, Clip(frames=60, tones=(440,), sound_codec="libopus", captions="ass"), ".mkv", ".mkv"
    )
    assert_same_times(source, output)
    assert_same_packets(source, output)
    assert_same_packets(source, output, "subtitle")


def test_sound_that_mp4_cannot_hold_is_encoded_anew(tmp_path):
    source, output, report = run(
        tmp_path, Clip(frames=48, codec="mpeg4", options=(), tones=(440,), sound_codec="pcm_mulaw"), ".avi"
    )
    assert report["tracks"][0]["how"] == "re-encoded as aac"
    with av.open(str(source)) as before, av.open(str(output)) as after:
        length = [sum(f.samples for f in c.decode(audio=0)) for c in (before, after)]
    assert abs(length[0] - length[1]) <= 4096


def test_no_sound(tmp_path):
    _, output, report = run(tmp_path, Clip(frames=5))
    assert report["tracks"] == [] and len(frame_times(output)) == 5


# --- geometry and colour


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


def test_frames_of_another_size_half_way_are_scaled(tmp_path):
    parts = [make_clip(tmp_path / f"{n}.ts", Clip(frames=10, width=w)) for n, w in enumerate((96, 128))]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    shapes = set()
    report = draw_video(source, tmp_path / "out.mp4", lambda rgb, t: shapes.add(rgb.shape) or rgb)
    assert shapes == {(64, 96, 3)} and report["frames"]["drawn"] >= 18


# --- what draw_frame may do


def test_passed_frames_other_sizes_and_wrong_results(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    report = draw_video(source, tmp_path / "a.mp4", lambda rgb, t: None if t < 0.1 else rgb[:, :, 0].copy())
    assert report["frames"]["passed"] == 3 and report["frames"]["drawn"] == 3
    report = draw_video(source, tmp_path / "b.mp4", lambda rgb, t: np.hstack([rgb, rgb]))
    assert report["size"] == [64, 192]
    for name, wrong in (("c", lambda rgb, t: rgb.astype(float)), ("d", lambda rgb, t: rgb if t < 0.1 else rgb[:-2])):
        with pytest.raises(BadInput, match="draw_frame returned"):
            draw_video(source, tmp_path / f"{name}.mp4", wrong)


def test_times_rise_and_belong_to_their_frames(tmp_path):
    seen = []
    run(
        tmp_path,
        Clip(times=VFR, time_base=Fraction(1, 1000), b_frames=3, options=B_FRAMES),
        draw=lambda rgb, t: seen.append((t, rgb)) or rgb,
    )
    assert np.allclose([t for t, _ in seen], np.array(VFR) / 1000, atol=1e-6)
    blue = [rgb[:, :, 2].mean() for _, rgb in seen]
    assert np.all(np.diff(blue) > 0)  # the frames come in their order, each with its own time


def test_an_exception_of_draw_frame_comes_out_and_threads_end(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60, tones=(440,)))

    def draw(rgb, time_s):
        if time_s > 1:
            raise ZeroDivisionError("in the drawing")
        return rgb

    for report in ({}, {}):
        with pytest.raises(ZeroDivisionError):
            draw_video(source, tmp_path / "out.mp4", draw, report=report)
        assert report["frames"]["drawn"] == 25 and not (tmp_path / "out.mp4").exists()
        assert len(frame_times(report["part"])) == 25
    time.sleep(0.05)
    assert not [t for t in threading.enumerate() if t.name.startswith("pyapdraw")]


# --- refusals


def test_refused_inputs(tmp_path):
    out = tmp_path / "out.mp4"
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "ftyp.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 100)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    cases = {
        "empty": "empty",
        "text": "neither",
        "ftyp": "cannot be read",
        "sound": "no video track",
        "none": "no such file",
    }
    for name, reason in cases.items():
        with pytest.raises(BadInput, match=f"{name}.mp4.*{reason}"):
            draw_video(tmp_path / f"{name}.mp4", out, same)
    with pytest.raises(BadInput, match="max_pixels"):
        source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
        draw_video(source, out, same, options=VideoOptions(max_pixels=6000))
    assert not out.exists() and not list(tmp_path.glob("*part*"))


def test_refused_outputs(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
    there = tmp_path / "there.mp4"
    there.write_bytes(b"x")
    for output, reason in (
        (there, "exists"),
        (source, "same file"),
        (tmp_path / "out.gif", "suffix"),
        (tmp_path / "no/a.mp4", "folder"),
    ):
        with pytest.raises(OutputError, match=reason):
            draw_video(source, output, same, overwrite=output == source)
    part = shutil.copy(source, tmp_path / "x.part.mp4")
    with pytest.raises(OutputError, match="part"):
        draw_video(part, tmp_path / "x.mp4", same)
    with pytest.raises(Unsupported, match="no_such"):
        draw_video(source, tmp_path / "y.mp4", same, options=VideoOptions(Encoding(encoder="no_such")))
    with pytest.raises(Unsupported, match="no_preset"):
        draw_video(source, tmp_path / "y.mp4", same, options=VideoOptions(Encoding(preset="no_preset")))
    assert there.read_bytes() == b"x" and not list(tmp_path.glob("y*"))


# --- damage


def damage(source: Path, target: Path, numbers: set[int]) -> Path:
    """Overwrite the inside of some video packets of an MP4 file, in place."""
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for number, packet in enumerate(p for p in container.demux(video=0) if p.size):
            if number in numbers:
                start, end = packet.pos + packet.size // 4, packet.pos + packet.size
                content[start:end] = b"\xff" * (end - start)
    target.write_bytes(content)
    return target


def test_damaged_packets_are_concealed_and_counted(tmp_path):
    clip = Clip(frames=48, tones=(440,), width=192, height=128, options=(("preset", "veryfast"), ("g", "12")))
    source = make_clip(tmp_path / "in.mp4", clip)
    broken = damage(source, tmp_path / "broken.mp4", {5, 20, 21, 33})
    report = draw_video(broken, tmp_path / "out.mp4", grey)
    counts = report["frames"]
    assert counts["in"] == 48 == counts["drawn"] + counts["concealed"]
    assert 4 <= counts["concealed"] <= 24
    assert_same_times(source, tmp_path / "out.mp4")
    assert_same_packets(source, tmp_path / "out.mp4")


def test_unreadable_packets_keep_their_times(tmp_path):
    """A codec without concealment (FFV1): the lost picture is the last drawing once more, at its own time."""
    source = make_clip(tmp_path / "in.mov", Clip(frames=12, codec="png", pixel_format="rgb24", options=()))
    broken = damage(source, tmp_path / "broken.mov", {0, 4, 5, 11})
    report = draw_video(broken, tmp_path / "out.mp4", same)
    assert report["frames"] == {"in": 12, "drawn": 8, "passed": 0, "concealed": 3, "lost": 1}
    assert np.allclose(frame_times(tmp_path / "out.mp4"), frame_times(source)[1:], atol=0.001)
    shown = frames(tmp_path / "out.mp4")
    assert np.abs(shown[3].astype(int) - shown[2]).mean() < 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_truncated_files_give_what_is_there(tmp_path, suffix):
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    options = (("movflags", "faststart"),) if suffix == ".mp4" else ()
    source = make_clip(
        tmp_path / f"in{suffix}", Clip(frames=60, codec=codec, options=options, tones=(440,), sound_codec="libmp3lame")
    )
    if suffix == ".mp4":  # the index must stand in front, or nothing at all can be read
        draw_video(source, tmp_path / "front.mp4", same)
        source = tmp_path / "front.mp4"
    content = source.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: int(len(content) * 0.6)])
    report = draw_video(cut, tmp_path / "out.mp4", same)
    assert 15 <= report["frames"]["in"] <= 55
    assert len(frame_times(tmp_path / "out.mp4")) == report["frames"]["in"] - report["frames"]["lost"]
    if suffix == ".mp4":
        assert report["damage"]["missing_packets"] > 5


# --- being stopped

_SLOW = """
import sys, time
from pyapdraw.video import draw_video
def draw(rgb, time_s):
    print(time_s, flush=True)
    time.sleep(0.02)
    return rgb
try:
    draw_video(sys.argv[1], sys.argv[2], draw, overwrite=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def start(source, output, until_s):
    """Run a slow drawing in another process until it has drawn up to a time."""
    command = [sys.executable, "-c", _SLOW, str(source), str(output)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    drawn = 0.0
    for line in process.stdout:
        drawn = float(line)
        if drawn >= until_s:
            break
    return process, drawn


@pytest.mark.parametrize("out, rate, silent_s", [(".mp4", 24, 9), (".mkv", 24, 9), (".mp4", 24, 1), (".mp4", 5, 9)])
def test_a_killed_run_leaves_a_playable_part_and_the_old_output(tmp_path, out, rate, silent_s):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=5 * rate, rate=rate, tones=(440,), sound_until_s=silent_s))
    output = tmp_path / f"out{out}"
    output.write_bytes(b"old")
    process, drawn = start(source, output, 2.5)
    process.kill()
    process.communicate()
    assert output.read_bytes() == b"old"
    times = frame_times(tmp_path / f"out.part{out}")
    assert times[-1] >= drawn - 1.0
    assert len(packets(tmp_path / f"out.part{out}")[0]) > 30


def test_an_interrupt_closes_the_part_and_says_so(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=120, tones=(440,)))
    process, drawn = start(source, tmp_path / "out.mp4", 1.0)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == 130 and "interrupted" in messages and "out.part.mp4" in messages
    assert "Traceback" not in messages
    assert frame_times(tmp_path / "out.part.mp4")[-1] >= drawn - 0.1
    assert not (tmp_path / "out.mp4").exists()


_SMALL_DISK = """
import os, resource, sys, time
import numpy as np
from pyapdraw.errors import OutputError
from pyapdraw.video import draw_video
if int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
rng = np.random.default_rng(0)
last = [0.0]
def draw(rgb, time_s):
    last[0] = time.perf_counter()
    return rng.integers(0, 256, rgb.shape, np.uint8)
try:
    draw_video(sys.argv[1], sys.argv[2], draw, overwrite=True)
    print("done")
except OutputError as error:
    print(f"{time.perf_counter() - last[0]:.2f} {error}")
"""


def on_small_disk(source, output, limit_bytes):
    command = [sys.executable, "-c", _SMALL_DISK, str(source), str(output), str(limit_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("limit_bytes", [100, 200_000, 1_000_000])
def test_a_file_size_limit_ends_with_our_error(tmp_path, limit_bytes):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=90, width=320, height=240, tones=(440,)))
    output = tmp_path / "out.mp4"
    output.write_bytes(b"old")
    said = on_small_disk(source, output, limit_bytes)
    assert "could not be written" in said and float(said.split()[0]) < 1.0
    assert output.read_bytes() == b"old"
    part = tmp_path / "out.part.mp4"
    assert not part.exists() or len(frame_times(part)) >= 1
    assert len(list(tmp_path.iterdir())) <= 3


@pytest.fixture
def small_disk(tmp_path):
    """A mounted file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_with_our_error(tmp_path, small_disk):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60, width=320, height=240, tones=(440,)))
    output = small_disk / "out.mp4"
    output.write_bytes(b"old")
    said = on_small_disk(source, output, 0)
    assert "no space left" in said and float(said.split()[0]) < 1.0
    assert output.read_bytes() == b"old"


def test_no_room_for_a_second_copy_keeps_the_fragments(tmp_path, small_disk):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60, width=192, height=128, tones=(440,), captions="mov_text"))
    rng = np.random.default_rng(0)
    options = VideoOptions(Encoding(crf=22))
    report = draw_video(
        source, small_disk / "out.mp4", lambda rgb, t: rng.integers(0, 256, rgb.shape, np.uint8), options=options
    )
    assert report["container"] == "fragmented" and (small_disk / "out.mp4").stat().st_size > 1 << 19
    assert_same_times(source, small_disk / "out.mp4")
    assert report["tracks"][-1]["how"] == "left out" and os.listdir(small_disk) == ["out.mp4"]


# --- report, progress, cost


def test_the_report_accounts_for_the_time_and_is_json(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60, tones=(440,)))
    stages = {"faces": 0.0}

    def draw(rgb, time_s):
        start_s = time.perf_counter()
        time.sleep(0.004)
        stages["faces"] += time.perf_counter() - start_s
        return rgb

    report = draw_video(source, tmp_path / "out.mp4", draw, options=VideoOptions(draw_stages=lambda: stages))
    seconds = json.loads(json.dumps(report))["seconds"]
    assert 0.95 * seconds["wall"] <= sum(seconds["main"].values()) <= seconds["wall"]
    assert 0.9 * seconds["main"]["draw"] <= seconds["draw_stages"]["faces"] <= seconds["main"]["draw"]
    assert {"decode", "colour_in", "colour_out", "encode", "mux", "wait"} <= seconds["threads"].keys()
    assert report["encoder"]["name"] == "libx264" and report["encoder"]["why"]


def test_progress_is_quiet_unless_asked(tmp_path, capfd):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    draw_video(source, tmp_path / "a.mp4", same)
    assert capfd.readouterr() == ("", "")
    draw_video(source, tmp_path / "b.mp4", same, progress=True)
    out, err = capfd.readouterr()
    assert not out and "6/6" in err and "frame/s" in err


_MEMORY = """
import sys
from pyapdraw.video import draw_video
print(draw_video(sys.argv[1], sys.argv[2], lambda rgb, t: rgb, overwrite=True)["peak_rss_mib"])
"""


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for count in (60, 600):
        source = make_clip(tmp_path / f"{count}.mp4", Clip(frames=count, width=320, height=240, tones=(440,)))
        command = [sys.executable, "-c", _MEMORY, str(source), str(tmp_path / "out.mp4")]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout))
    assert peaks[1] <= peaks[0] + 16 and peaks[1] <= 450
