"""files: kind by content, atomic writes, clear refusals."""

import errno
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from cases_photo import encoded
from cases_video import Clip, make_clip

from pyapdraw.errors import BadInput, OutputError
from pyapdraw.files import atomic_write, check_output, put_in_place, write_failed
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import write_image

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_a_picture_is_known_by_its_content(tmp_path, name):
    content = encoded(name)
    path = tmp_path / "misnamed.mp4"
    path.write_bytes(content)
    for source in (path, str(path), content):
        kind = what_is(source)
        assert (kind.what, kind.format) == ("photo", name.lower())


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_a_moving_picture_is_an_animation(name):
    assert what_is(encoded(name, pictures=3)).what == "animation"


@pytest.mark.parametrize(
    "suffix, codec, demuxer",
    [
        (".mp4", "libx264", "mov"),
        (".mov", "mjpeg", "mov"),
        (".mkv", "ffv1", "matroska"),
        (".webm", "libvpx-vp9", "matroska"),
        (".avi", "mpeg4", "avi"),
        (".ts", "libx264", "mpegts"),
        (".flv", "flv1", "flv"),
        (".mpg", "mpeg1video", "mpeg"),
    ],
)
def test_a_video_is_known_by_its_content(tmp_path, suffix, codec, demuxer):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_clip(tmp_path / f"clip{suffix}", Clip(frames=3, codec=codec, pixel_format=pixel_format, options=()))
    renamed = path.rename(tmp_path / "photo.jpg")
    kind = what_is(renamed)
    assert kind.what == "video" and demuxer in kind.format


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"hello, this is text", b"#EXTM3U\nhttp://x/y.ts\n", b"\xff\xd8", bytes(64)]
)
def test_what_is_nothing_is_refused(tmp_path, content):
    path = tmp_path / "thing.jpg"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"thing\.jpg"):
        what_is(path)


def test_folders_missing_files_and_devices_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing.png", Path("/dev/zero"), "a\0b"):
        with pytest.raises(BadInput):
            what_is(path)


def test_atomic_write_shows_all_or_nothing(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path, overwrite=True) as file:
        file.write(b"half of the new")
        assert path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["out.bin"]
    with atomic_write(path, overwrite=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["out.bin"]


def test_outputs_that_may_not_be_written(tmp_path):
    there = tmp_path / "there.png"
    there.write_bytes(b"x")
    link = tmp_path / "link.png"
    link.symlink_to(there)
    with pytest.raises(OutputError, match="exists already"):
        check_output(there)
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "no" / "out.png")
    with pytest.raises(OutputError, match="folder"):
        check_output(tmp_path, overwrite=True)
    for same in (there, link):
        with pytest.raises(OutputError, match="same file"):
            check_output(same, overwrite=True, inputs=[there])
    assert check_output(there, overwrite=True, inputs=[b"bytes", tmp_path / "other.png"]) == there


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, so the system cannot be asked
    with pytest.raises(OutputError, match="permission"):
        check_output(tmp_path / "out.png")


def test_messages_for_full_disks():
    assert "no space" in str(write_failed("x", OSError(errno.ENOSPC, "")))
    assert "larger" in str(write_failed("x", OSError(errno.EFBIG, "")))


def test_put_in_place_replaces(tmp_path):
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    put_in_place(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"new" and not (tmp_path / "a").exists()


_LIMITED = """
import resource, sys
import numpy as np
from pyapdraw.errors import OutputError
from pyapdraw.media.photo import write_image
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
try:
    write_image(noise, sys.argv[1], overwrite=True)
except OutputError as error:
    print("refused:", error)
"""


def test_no_room_leaves_the_old_picture(tmp_path):
    path = tmp_path / "out.png"
    write_image(np.zeros((4, 4), np.uint8), path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.stdout.startswith("refused:"), done.stderr
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.png"]


_OVERWRITING = textwrap.dedent("""
    import sys
    import numpy as np
    from pyapdraw.media.photo import write_image
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    print("ready", flush=True)
    while True:
        write_image(noise, sys.argv[1], overwrite=True)
""")


def test_kill_while_overwriting_leaves_old_or_new(tmp_path):
    path = tmp_path / "out.png"
    process = subprocess.Popen([sys.executable, "-c", _OVERWRITING, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(100):
        if path.exists():
            break
        time.sleep(0.02)
    time.sleep(0.05)
    process.kill()
    process.wait()
    process.stdout.close()
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        assert image.size == (300, 300)
