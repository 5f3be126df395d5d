"""media.writer: what is left when a run is killed, interrupted, or out of room."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from cases_video import Clip, assert_same_times, frame_times, make_clip, packets, same

from pyapdraw.errors import BadInput, OutputError
from pyapdraw.media import finish, writer
from pyapdraw.media.video import Encoding, VideoOptions, draw_frames

ROOT = Path(__file__).resolve().parents[1]


_SLOW = """
import sys, time
from pyapdraw.media.video import draw_frames
def draw(rgb, time_s):
    print(time_s, flush=True)
    time.sleep(0.02)
    return rgb
try:
    draw_frames(sys.argv[1], sys.argv[2], draw, overwrite=True)
except KeyboardInterrupt as error:
    print("interrupted;", error, file=sys.stderr)
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


@pytest.mark.parametrize(
    "out, rate, silent_s", [(".mp4", 24, 9), (".mkv", 24, 9), (".webm", 24, 9), (".mp4", 24, 1), (".mp4", 5, 9)]
)
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


def test_whatever_ends_a_drawing_the_part_is_named(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=72, tones=(440,)))

    def draw(rgb, time_s):
        if time_s >= 1.5:
            raise BadInput("picture: odd")
        return rgb

    with pytest.raises(
        BadInput, match=r"picture: odd; what was drawn so far \(about 1\.5 s\) stays in .*out\.part\.mp4"
    ):
        draw_frames(source, tmp_path / "out.mp4", draw)
    assert len(frame_times(tmp_path / "out.part.mp4")) == 36


@pytest.mark.parametrize("out", [".mp4", ".mkv", ".gif"])
def test_a_part_is_as_long_as_it_is_said_to_be(tmp_path, out):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=120, tones=(440,), width=320, height=240))
    command = [sys.executable, "-c", _SMALL_DISK_ONCE, str(source), str(tmp_path / f"out{out}")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False).stdout
    seconds = float(said.split("(about ")[1].split(" s)")[0])
    times = frame_times(tmp_path / f"out.part{out}")
    assert abs(float(times[-1] - times[0]) - seconds) < 0.06 and 0.1 < seconds < 4


_SMALL_DISK_ONCE = """
import resource, signal, sys
import numpy as np
from pyapdraw.errors import OutputError
from pyapdraw.media.video import draw_frames
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
noise = np.random.default_rng(0)
try:
    draw_frames(sys.argv[1], sys.argv[2], lambda rgb, time_s: noise.integers(0, 256, rgb.shape[:2], np.uint8))
except OutputError as error:
    print(error)
"""


_SMALL_DISK = """
import os, resource, sys, time
import numpy as np
from pyapdraw.errors import OutputError
from pyapdraw.media.video import draw_frames
if int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
rng = np.random.default_rng(0)
last = [0.0]
def draw(rgb, time_s):
    last[0] = time.perf_counter()
    return rng.integers(0, 256, rgb.shape, np.uint8)
try:
    draw_frames(sys.argv[1], sys.argv[2], draw, overwrite=True)
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
    report = draw_frames(
        source, small_disk / "out.mp4", lambda rgb, t: rng.integers(0, 256, rgb.shape, np.uint8), options=options
    )
    assert report["container"] == "fragmented" and (small_disk / "out.mp4").stat().st_size > 1 << 19
    assert_same_times(source, small_disk / "out.mp4")
    assert report["tracks"][-1]["how"] == "left out" and os.listdir(small_disk) == ["out.mp4"]


# --- nothing that is not ours is touched, nothing that does not play replaces anything


def test_what_lies_beside_the_output_stays(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6))
    (tmp_path / "out.part.mp4").write_bytes(b"mine")
    (tmp_path / "out.part2.mp4").symlink_to(tmp_path / "nowhere")
    inside = shutil.copy(source, tmp_path / "x.part.mp4")
    draw_frames(source, tmp_path / "out.mp4", same)
    draw_frames(inside, tmp_path / "x.mp4", same)
    assert (tmp_path / "out.part.mp4").read_bytes() == b"mine" and inside.read_bytes() == source.read_bytes()
    assert len(frame_times(tmp_path / "out.mp4")) == len(frame_times(tmp_path / "x.mp4")) == 6
    names = {"in.mp4", "out.part.mp4", "out.part2.mp4", "x.part.mp4", "out.mp4", "x.mp4"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_broken_off_run_leaves_its_own_part_under_a_free_name(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=60))
    (tmp_path / "out.part.mp4").write_bytes(b"mine")

    def draw(rgb, time_s):
        if time_s > 1:
            raise ZeroDivisionError
        return rgb

    report = {}
    with pytest.raises(ZeroDivisionError):
        draw_frames(source, tmp_path / "out.mp4", draw, report=report)
    assert report["part"] == str(tmp_path / "out.part2.mp4") and len(frame_times(report["part"])) == 25
    assert (tmp_path / "out.part.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_names_as_long_as_they_can_be(tmp_path, suffix):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6, tones=(440,)))
    output = tmp_path / ("\u753b" * 83 + suffix)
    report = draw_frames(source, output, same)
    assert report["container"] == "regular" and len(frame_times(output)) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", output.name}
    with pytest.raises(ZeroDivisionError):
        draw_frames(source, output, lambda rgb, t: rgb if t < 0.2 else 1 / 0, overwrite=True, report=report)
    assert len(frame_times(report["part"])) == 5


def lose_pictures(monkeypatch):
    """The muxer says that it took every packet, but drops the fifth picture."""
    real, count = writer.Sink._mux, [0]

    def mux(self, packet, careful=True):
        count[0] += packet.stream_index == 0
        return True if packet.stream_index == 0 and count[0] == 5 else real(self, packet, careful)

    monkeypatch.setattr(writer.Sink, "_mux", mux)


def lose_sound(monkeypatch):
    real = writer.Sink._mux
    keep = lambda self, packet, careful=True: packet.stream_index == 1 or real(self, packet, careful)  # noqa: E731
    monkeypatch.setattr(writer.Sink, "_mux", keep)


def garble_the_index(monkeypatch):
    """The final layout is no file that anything opens."""
    real = finish._copy_regular

    def copy(sink, temporary, source):
        real(sink, temporary, source)
        temporary.write_bytes(temporary.read_bytes().replace(b"moov", b"mooo"))

    monkeypatch.setattr(finish, "_copy_regular", copy)


def garble_the_last_picture(monkeypatch):
    real = finish._copy_regular

    def copy(sink, temporary, source):
        real(sink, temporary, source)
        with av.open(str(temporary)) as container:
            packet = [p for p in container.demux(video=0) if p.size][-1]
        content = bytearray(temporary.read_bytes())
        content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
        temporary.write_bytes(content)

    monkeypatch.setattr(finish, "_copy_regular", copy)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lose_pictures, "23 pictures instead of 24"),
        (lose_sound, "packets of track 1"),
        (garble_the_index, "cannot be opened"),
        (garble_the_last_picture, "last picture"),
    ],
)
def test_what_would_not_play_replaces_nothing(tmp_path, monkeypatch, spoil, said):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24, tones=(440,)))
    output = tmp_path / "out.mp4"
    output.write_bytes(b"old")
    spoil(monkeypatch)
    with pytest.raises(OutputError, match=rf"{said}.*stays in .*out.part.mp4"):
        draw_frames(source, output, same, overwrite=True)
    assert output.read_bytes() == b"old" and len(frame_times(tmp_path / "out.part.mp4")) >= 23
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4", "out.part.mp4"}
