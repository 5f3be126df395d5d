"""video_out: what is left when a run is killed, interrupted, or out of room."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases_video import Clip, assert_same_times, frame_times, make_clip, packets

from pyapdraw.video import Encoding, VideoOptions, draw_video

ROOT = Path(__file__).resolve().parents[1]


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
