"""video: what draw_frame may do, refusals, damage, the report and the cost."""

import gc
import json
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cases_video import (
    Clip,
    assert_same_packets,
    assert_same_times,
    frame_times,
    frames,
    grey,
    make_clip,
    run,
    same,
)

from pyapdraw.errors import BadInput, OutputError, Unsupported
from pyapdraw.media.video import Encoding, VideoOptions, draw_frames

ROOT = Path(__file__).resolve().parents[1]
B_FRAMES = (("preset", "medium"),)
VFR = tuple(int(t) for t in np.cumsum(np.random.default_rng(0).integers(10, 70, 40)))


# --- what draw_frame may do


def test_passed_frames_other_sizes_and_wrong_results(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    report = draw_frames(source, tmp_path / "a.mp4", lambda rgb, t: None if t < 0.1 else rgb[:, :, 0].copy())
    assert report["frames"]["passed"] == 3 and report["frames"]["drawn"] == 3
    report = draw_frames(source, tmp_path / "b.mp4", lambda rgb, t: np.hstack([rgb, rgb]))
    assert report["size"] == [64, 192]
    for name, wrong in (("c", lambda rgb, t: rgb.astype(float)), ("d", lambda rgb, t: rgb if t < 0.1 else rgb[:-2])):
        with pytest.raises(BadInput, match="draw_frame returned"):
            draw_frames(source, tmp_path / f"{name}.mp4", wrong)


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
            draw_frames(source, tmp_path / "out.mp4", draw, report=report)
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
            draw_frames(tmp_path / f"{name}.mp4", out, same)
    with pytest.raises(BadInput, match="max_pixels"):
        source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
        draw_frames(source, out, same, options=VideoOptions(max_pixels=6000))
    assert not out.exists() and not list(tmp_path.glob("*part*"))


def test_refused_outputs(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
    there = tmp_path / "there.mp4"
    there.write_bytes(b"x")
    for output, reason in (
        (there, "exists"),
        (source, "same file"),
        (tmp_path / "out.avi", "suffix"),
        (tmp_path / "no/a.mp4", "folder"),
    ):
        with pytest.raises(OutputError, match=reason):
            draw_frames(source, output, same, overwrite=output == source)
    with pytest.raises(Unsupported, match="no_such"):
        draw_frames(source, tmp_path / "y.mp4", same, options=VideoOptions(Encoding(encoder="no_such")))
    with pytest.raises(Unsupported, match="no_preset"):
        draw_frames(source, tmp_path / "y.mp4", same, options=VideoOptions(Encoding(preset="no_preset")))
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
    report = draw_frames(broken, tmp_path / "out.mp4", grey)
    counts = report["frames"]
    assert counts["in"] == 48 == counts["drawn"] + counts["concealed"]
    assert 4 <= counts["concealed"] <= 24
    assert_same_times(source, tmp_path / "out.mp4")
    assert_same_packets(source, tmp_path / "out.mp4")


def test_unreadable_packets_keep_their_times(tmp_path):
    """A codec without concealment (FFV1): the lost picture is the last drawing once more, at its own time."""
    source = make_clip(tmp_path / "in.mov", Clip(frames=12, codec="png", pixel_format="rgb24", options=()))
    broken = damage(source, tmp_path / "broken.mov", {0, 4, 5, 11})
    report = draw_frames(broken, tmp_path / "out.mp4", same)
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
        draw_frames(source, tmp_path / "front.mp4", same)
        source = tmp_path / "front.mp4"
    content = source.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: int(len(content) * 0.6)])
    report = draw_frames(cut, tmp_path / "out.mp4", same)
    assert 15 <= report["frames"]["in"] <= 55
    assert len(frame_times(tmp_path / "out.mp4")) == report["frames"]["in"] - report["frames"]["lost"]
    if suffix == ".mp4":
        assert report["damage"]["missing_packets"] > 5


# --- report, progress, cost


def test_the_report_accounts_for_the_time_and_is_json(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60, tones=(440,)))
    stages = {"faces": 0.0}

    def draw(rgb, time_s):
        start_s = time.perf_counter()
        time.sleep(0.004)
        stages["faces"] += time.perf_counter() - start_s
        return rgb

    report = draw_frames(source, tmp_path / "out.mp4", draw, options=VideoOptions(draw_stages=lambda: stages))
    seconds = json.loads(json.dumps(report))["seconds"]
    assert 0.95 * seconds["wall"] <= sum(seconds["main"].values()) <= seconds["wall"]
    assert 0.9 * seconds["main"]["draw"] <= seconds["draw_stages"]["faces"] <= seconds["main"]["draw"]
    assert {"decode", "colour_in", "colour_out", "encode", "mux", "wait"} <= seconds["threads"].keys()
    assert report["encoder"]["name"] == "libx264" and report["encoder"]["why"]


def test_progress_is_quiet_unless_asked(tmp_path, capfd):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    draw_frames(source, tmp_path / "a.mp4", same)
    assert capfd.readouterr() == ("", "")
    draw_frames(source, tmp_path / "b.mp4", same, progress=True)
    out, err = capfd.readouterr()
    assert not out and "6/6" in err and "frame/s" in err


_MEMORY = """
import sys
from pyapdraw.media.video import draw_frames
print(draw_frames(sys.argv[1], sys.argv[2], lambda rgb, t: rgb, overwrite=True)["peak_rss_mib"])
"""


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for count in (60, 600):
        source = make_clip(tmp_path / f"{count}.mp4", Clip(frames=count, width=320, height=240, tones=(440,)))
        command = [sys.executable, "-c", _MEMORY, str(source), str(tmp_path / "out.mp4")]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout))
    assert peaks[1] <= peaks[0] + 16 and peaks[1] <= 450


def test_the_memory_of_a_video_is_given_back_at_once(tmp_path):
    """Codecs hold up to hundreds of MB, which Python's counters of garbage do not see: to them it is a few objects."""
    source = make_clip(tmp_path / "in.mp4", Clip(frames=3))

    def opened():
        kinds = (av.container.InputContainer, av.container.OutputContainer, av.VideoCodecContext, av.VideoFrame)
        return sum(isinstance(each, kinds) for each in gc.get_objects())

    gc.collect()
    before = opened()
    gc.disable()
    try:
        for _ in range(3):
            draw_frames(source, tmp_path / "out.mp4", same, overwrite=True)
        assert opened() == before
    finally:
        gc.enable()
