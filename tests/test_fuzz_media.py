"""Damaged pictures and videos: no crash, no hang, and nothing but pyapdraw.Error comes out.

Each batch runs in one child process, so that a crash of a decoder is seen as one. A mutation is a function of its seed:
a failing file can be made again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from cases_video import Clip, make_clip

ROOT = Path(__file__).resolve().parents[1]
PICTURES = 630
VIDEOS = {
    "h264.mp4": Clip(
        frames=12, tones=(440, 880), b_frames=2, options=(("preset", "medium"),), captions="mov_text",
        tags={"title": "A"}, chapters=[("one", 0, 300)],
    ),
    "h264.mkv": Clip(frames=12, tones=(440,), sound_codec="pcm_s16le", layout="stereo", captions="ass"),
    "vp9.webm": Clip(
        frames=8,
        codec="libvpx-vp9",
        options=(("cpu-used", "8"), ("deadline", "realtime")),
        tones=(440,),
        sound_codec="libopus",
    ),
    "av1.mp4": Clip(frames=8, codec="libsvtav1", options=(("preset", "12"), ("svtav1-params", "lp=1"))),
    "mpeg4.avi": Clip(frames=12, codec="mpeg4", options=(), tones=(440,), sound_codec="pcm_s16le", layout="stereo"),
    "h264.ts": Clip(frames=12, tones=(440,)),
    "mjpeg.mov": Clip(
        frames=12, codec="mjpeg", pixel_format="yuvj420p", options=(), tones=(440,), sound_codec="pcm_s24le",
        layout="5.1", rotate_deg=90,
    ),
    "alpha.mkv": Clip(frames=8, codec="ffv1", pixel_format="yuva420p", options=(), tones=(440,), sound_codec="flac"),
}  # fmt: skip
PER_VIDEO = 25
OUTPUTS = [".mp4", ".mkv", ".webm", ".gif", ".mov"]
ADDRESS_SPACE_BYTES = 1500 << 20  # a run without damage takes 900 MB of it


def mutate(content: bytes, seed: int) -> bytes:
    """Cut off, bits flipped, header bytes overwritten, a piece removed or doubled, by turns."""
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    kind = seed % 5
    if kind == 0:
        return bytes(data[: int(rng.integers(0, len(data)))])
    if kind == 1:
        for _ in range(int(rng.integers(1, 20))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(min(64, len(data))))] = int(rng.integers(256))
    else:
        start = int(rng.integers(len(data)))
        piece = data[start : start + int(rng.integers(1, 200))]
        data[start : start + (len(piece) if kind == 3 else 0)] = b"" if kind == 3 else piece
    return bytes(data)


def drop_packets(source: Path, target: Path, seed: int) -> None:
    """The same file without a third of its packets, taken at random."""
    rng = np.random.default_rng(seed)
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        streams = {s.index: made.add_stream_from_template(s, opaque=True) for s in given.streams if s.type != "data"}
        for packet in given.demux():
            if packet.size and packet.dts is not None and packet.stream_index in streams and rng.random() > 1 / 3:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)


_CLIPS = """
import faulthandler, json, resource, sys, time
from pathlib import Path
from pyapdraw.errors import Error
from pyapdraw.media.video import VideoOptions, draw_frames
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]),) * 2)
read, refused, slowest = 0, 0, 0.0
for number, path in enumerate(sorted(Path(sys.argv[1]).iterdir())):
    print(path.name, flush=True)
    faulthandler.dump_traceback_later(20, exit=True)
    start = time.perf_counter()
    target = Path(sys.argv[2] + sys.argv[4:][number % len(sys.argv[4:])])
    part = {"start": 0.1, "end": 0.4} if number % 4 == 3 else {}
    try:
        options = VideoOptions(max_pixels=4_000_000, **part)
        report = draw_frames(path, target, lambda rgb, t: rgb, overwrite=True, options=options)
        counts = report["frames"]
        assert counts["in"] == sum(counts[key] for key in ("drawn", "passed", "concealed", "lost")), counts
        read += 1
    except Error as error:
        assert path.name in str(error), str(error)
        refused += 1
    slowest = max(slowest, time.perf_counter() - start)
print(json.dumps({"read": read, "refused": refused, "slowest_s": slowest}))
"""


def run(program: str, *arguments) -> dict:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-3000:]
    assert not done.stderr  # no library speaks up
    return json.loads(done.stdout.splitlines()[-1])


def test_damaged_pictures_from_the_file_to_the_drawing():
    """Seven formats, under a limit of memory; 20,000 are run by hand: python tests/fuzz_pictures.py 20000."""
    command = [sys.executable, "tests/fuzz_pictures.py", str(PICTURES)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False, env=environment)
    assert done.returncode == 0 and done.stderr == "", (done.stdout[-2000:], done.stderr[-3000:])
    result = json.loads(done.stdout)
    assert sum(sum(counts.values()) for counts in result["formats"].values()) == PICTURES
    assert all(counts["drawn"] >= 1 and counts["refused"] >= 10 for counts in result["formats"].values())
    assert result["slowest_cpu_s"] < 5.0


@pytest.mark.parametrize("name", VIDEOS)
def test_damaged_videos(tmp_path, name):
    source = make_clip(tmp_path / name, VIDEOS[name])
    content = source.read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    for seed in range(PER_VIDEO):
        target = folder / f"{seed:04}{source.suffix}"
        if seed % 6 == 5:
            drop_packets(source, target, seed)
        else:
            target.write_bytes(mutate(content, 1000 + seed))
    result = run(_CLIPS, folder, tmp_path / "out", ADDRESS_SPACE_BYTES, *OUTPUTS)
    assert result["read"] + result["refused"] == PER_VIDEO and result["read"] >= 1
    assert result["slowest_s"] < 5.0
    assert not [path.name for path in tmp_path.iterdir() if "part" in path.name]
