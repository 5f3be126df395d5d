"""The command line as a user meets it: outputs, exit codes, messages, nothing lost."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from pyapdraw import cli
from pyapdraw.media.photo import read_photo

skimage_data = pytest.importorskip("skimage.data", reason="the public-domain portrait comes from scikit-image")


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(skimage_data.astronaut())


@pytest.fixture
def folder(tmp_path, portrait):
    Image.fromarray(portrait).save(tmp_path / "portrait.png")
    Image.fromarray(np.full((200, 300, 3), 90, np.uint8)).save(tmp_path / "wall.jpg")
    return tmp_path


def draw(*words, code=cli.codes.DONE):
    assert cli.main(["draw", *map(str, words)]) == code


def test_photo_becomes_a_drawing_of_the_same_size(folder, capsys):
    draw(folder / "portrait.png", "-o", folder / "out.png")
    drawing = read_photo(folder / "out.png").pixels
    assert drawing.shape == (512, 512, 3)
    assert 0.01 < (drawing < 128).mean() < 0.5
    assert "1 face" in capsys.readouterr().out


def test_output_in_a_new_folder_and_side_by_side(folder):
    draw(folder / "portrait.png", "-o", f"{folder}/new/deep/", "--side-by-side")
    both = read_photo(folder / "new" / "deep" / "portrait.png").pixels
    assert both.shape == (512, 1024, 3)
    assert np.array_equal(both[:, :512], skimage_data.astronaut())


@pytest.mark.parametrize("policy, code, written", [("pass", 0, True), ("skip", 0, False), ("error", 1, False)])
def test_no_face_policy(folder, capsys, policy, code, written):
    draw(folder / "wall.jpg", "-o", folder / "out.png", "--no-face", policy, code=code)
    assert (folder / "out.png").exists() == written
    if policy == "error":
        assert "wall.jpg: no face found" in capsys.readouterr().err
    if policy == "pass":
        assert np.array_equal(read_photo(folder / "out.png").pixels, read_photo(folder / "wall.jpg").pixels)


def test_existing_output_is_kept_without_overwrite(folder, capsys):
    (folder / "out.png").write_bytes(b"mine")
    draw(folder / "portrait.png", "-o", folder / "out.png", code=cli.codes.NOT_WRITTEN)
    assert (folder / "out.png").read_bytes() == b"mine"
    assert "out.png" in capsys.readouterr().err
    draw(folder / "portrait.png", "-o", folder / "out.png", "--overwrite")


def test_output_equal_to_input_is_refused(folder):
    before = (folder / "portrait.png").read_bytes()
    draw(folder / "portrait.png", "-o", folder / "portrait.png", "--overwrite", code=cli.codes.NOT_WRITTEN)
    assert (folder / "portrait.png").read_bytes() == before


def test_ten_bad_files_among_good_ones(folder, capsys):
    good = (folder / "portrait.png").read_bytes()
    bad = {
        "a_empty.jpg": b"",
        "b_text.jpg": b"hello, I am text\n",
        "c_cut.png": good[: len(good) // 2],
        "d_zeros.png": bytes(5000),
        "e_head.jpg": b"\xff\xd8\xff\xe0",
        "f_gif.gif": b"GIF89a",
        "g_pdf.jpg": b"%PDF-1.4\n",
        "h_mp4.mp4": b"\0\0\0\x18ftypmp42" + bytes(64),
        "i_webp.webp": b"RIFF\x10\0\0\0WEBPVP8 ",
        "j_html.png": b"<html></html>",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    draw(folder, "-o", folder / "out", code=cli.codes.SOME_FAILED)
    errors = capsys.readouterr().err
    assert [name for name in bad if name not in errors] == []
    assert "10 of 12 inputs failed" in errors
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["portrait.png", "wall.png"]


def test_same_stem_twice_gives_two_outputs(folder, portrait):
    Image.fromarray(portrait).save(folder / "portrait.jpg")
    draw(folder / "portrait.*", "-o", folder / "out")
    assert len(list((folder / "out").iterdir())) == 2


def test_missing_input_is_named(folder, capsys):
    draw(folder / "nothing.jpg", "-o", folder / "out.png", code=cli.codes.SOME_FAILED)
    assert "nothing.jpg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, code",
    [
        (["--style", "oil"], cli.codes.WRONG_USAGE),
        (["--device", "cuda"], cli.codes.NO_BACKEND),
        (["--runtime", "magic"], cli.codes.WRONG_USAGE),
        (["--size", "3"], cli.codes.WRONG_USAGE),
    ],
)
def test_wrong_choices(folder, words, code):
    draw(folder / "portrait.png", "-o", folder / "out.png", *words, code=code)
    assert not (folder / "out.png").exists()


def test_usage_errors(folder, capsys):
    with pytest.raises(SystemExit) as e:
        cli.main(["draw", str(folder / "portrait.png")])
    assert e.value.code == cli.codes.WRONG_USAGE
    draw(folder / "portrait.png", folder / "wall.jpg", "-o", folder / "out.png", code=cli.codes.WRONG_USAGE)
    draw(folder / "portrait.png", "-o", folder / "out.xyz", code=cli.codes.WRONG_USAGE)
    assert "out.xyz" in capsys.readouterr().err


def test_report_names_choices_and_accounts_for_the_time(folder):
    draw(folder / "portrait.png", "-o", folder / "out.png", "--report", folder / "r.json", "--size", "512")
    record = json.loads((folder / "r.json").read_text())
    one = record["inputs"][0]
    assert record["plan"]["device"] == "cpu" and "native" in record["plan"]["reason"]
    assert len(one["details"]["faces"]) == 1
    assert sum(one["details"]["stages_s"].values()) >= 0.95 * one["wall_s"]


def test_unwritable_output_folder(folder):
    (folder / "file").write_text("")
    draw(folder / "portrait.png", "-o", folder / "file" / "out.png", code=cli.codes.NOT_WRITTEN)


@pytest.mark.parametrize(
    "verb", [["styles"], ["info"], ["info", "--table"], ["weights", "list"], ["weights", "verify"]]
)
def test_other_verbs(verb, capsys):
    assert cli.main(verb) == cli.codes.DONE
    assert capsys.readouterr().out


def fresh(code, *args):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=True
    ).stdout


def test_cold_start_loads_no_torch(folder):
    heavy = "('torch', 'cv2', 'scipy', 'skimage', 'torchvision')"
    assert fresh(f"import pyapdraw, sys; print([m for m in {heavy} if m in sys.modules])").strip() == "[]"
    code = (
        "import sys; from pyapdraw import cli; code = cli.main(['draw', sys.argv[1], '-o', sys.argv[2], '-q']); "
        f"print(code, [m for m in {heavy} if m in sys.modules])"
    )
    assert fresh(code, folder / "portrait.png", folder / "cold.png").strip() == "0 []"


def test_interrupt_leaves_no_partial_file(folder, portrait):
    many = folder / "many"
    many.mkdir()
    for i in range(200):
        os.link(folder / "portrait.png", many / f"{i:03}.png")
    job = subprocess.Popen(
        [sys.executable, "-m", "pyapdraw", "draw", many, "-o", folder / "out"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.time() + 30
    while not (folder / "out").exists() or len(list((folder / "out").iterdir())) < 3:
        assert time.time() < deadline
        time.sleep(0.02)
    job.send_signal(2)
    errors = job.communicate(timeout=20)[1].decode()
    assert job.returncode == cli.codes.INTERRUPTED and "interrupted" in errors
    for path in (folder / "out").iterdir():
        assert path.suffix == ".png"
        read_photo(path)
