"""Which files a command line means and where their results go: as a user would write them, in folders as they are."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cases_photo import encoded
from PIL import Image

from pyapdraw import cli
from pyapdraw.cli import batch, inputs
from pyapdraw.cli.inputs import Input, Inputs, Targets, Usage, expand
from pyapdraw.files import NAME_BYTES
from pyapdraw.media import writer

skimage_data = pytest.importorskip("skimage.data", reason="the public-domain portrait comes from scikit-image")


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(skimage_data.astronaut()[:256, 100:356])


@pytest.fixture
def folder(tmp_path, portrait, monkeypatch):
    (tmp_path / "in").mkdir()
    Image.fromarray(portrait).save(tmp_path / "in" / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PYAPDRAW = [sys.executable, "-m", "pyapdraw"]


def run(*words, **pipes):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
    return subprocess.run([*PYAPDRAW, *words], **pipes, timeout=60, check=False)


def draw(*words, code=cli.codes.DONE):
    assert cli.main(["draw", "-q", *map(str, words)]) == code


def test_the_suffixes_are_those_of_the_writers():
    assert set(writer.SUFFIXES) <= set(inputs.VIDEO_SUFFIXES)


@pytest.mark.parametrize(
    "words",
    ["./in/photo.jpg", "in//photo.jpg", "in/./photo.jpg", "in/../in/photo.jpg", "in/pho*.jpg", "in", "in/", "./in",
     "in in/photo.jpg", "**/photo.jpg"],
)  # fmt: skip
def test_one_photo_however_it_is_written(folder, words):
    draw(*words.split(), "-o", "x.png")
    assert sorted(os.listdir(folder)) == ["in", "x.png"] and os.listdir("in") == ["photo.jpg"]


@pytest.mark.parametrize("output, file", [("new", "new/photo.png"), ("new/", "new/photo.png"), (".", "photo.png")])
def test_a_folder_for_one_photo(folder, output, file):
    draw("in/photo.jpg", "-o", output)
    assert (folder / file).is_file()


def test_litter_is_passed_over_and_counted(folder, capsys):
    litter = {"Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(512), "notes.txt": b"hello", "desktop.ini": b"[x]", "empty": b"",
              "song.m4a": b"\0\0\0\x20ftypM4A " + bytes(64), "song.ogg": b"OggS\0\2" + bytes(22) + b"\x01vorbis",
              "photo.aae": b"<plist/>", "._photo.jpg": b"\0\5\x16\7", ".DS_Store": b"\0\0\0\1Bud1"}  # fmt: skip
    for name, content in litter.items():
        (folder / "in" / name).write_bytes(content)
    assert cli.main(["draw", "in", "-o", "x.png"]) == cli.codes.DONE
    out, err = capsys.readouterr()
    assert "1 face" in out and "7 of 8 files are no photos or videos" in err
    assert cli.main(["draw", "in", "-o", "out", "--report", "r.json"]) == cli.codes.DONE
    assert os.listdir("out") == ["photo.png"]


def test_what_claims_to_be_media_is_told_of(folder, capsys):
    (folder / "in" / "a.jpg").write_bytes(b"no picture")
    draw("in", "-o", "out", code=cli.codes.SOME_FAILED)
    assert "in/a.jpg" in capsys.readouterr().err and os.listdir("out") == ["photo.png"]


def test_links_to_nowhere_and_pipes_in_a_folder_are_told_of(folder, capsys):
    os.symlink("gone.jpg", "in/dangling.jpg")
    os.symlink("loop.jpg", "in/loop.jpg")
    os.mkfifo("in/pipe.jpg")
    os.mkfifo("in/pipe")
    for words in (["in"], ["in/*"]):
        draw(*words, "-o", "out", "--overwrite", code=cli.codes.SOME_FAILED)
        err = capsys.readouterr().err
        assert "in/dangling.jpg: no such file" in err and "in/pipe.jpg: is a device or a pipe" in err
        assert "in/loop.jpg: cannot be read: Too many levels" in err and "3 of 5 inputs failed" in err
    assert os.listdir("out") == ["photo.png"]


def test_a_folder_that_may_not_be_read_is_told_of(folder, capsys, monkeypatch):
    (folder / "in" / "closed").mkdir()
    true = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return true(path)

    monkeypatch.setattr(os, "scandir", scandir)
    draw("in", "-o", "out", "--recursive", code=cli.codes.SOME_FAILED)
    assert "in/closed: cannot be read: Permission denied" in capsys.readouterr().err
    assert os.listdir("out") == ["photo.png"]
    draw("in/closed", "-o", "out", code=cli.codes.SOME_FAILED)
    assert "in/closed: cannot be read: Permission denied" in capsys.readouterr().err


def test_an_output_without_a_name_is_refused(folder, capsys):
    draw("in/photo.jpg", "-o", "", code=cli.codes.WRONG_USAGE)
    assert "no name given" in capsys.readouterr().err and os.listdir(folder) == ["in"]


def test_names_do_not_steer_the_terminal(folder, capsys):
    name = "a\x1b[31m\nb\u202e.jpg"
    os.rename("in/photo.jpg", f"in/{name}")
    (folder / "in" / "\x1b[2J.jpg").write_bytes(b"no picture")
    assert cli.main(["draw", "in", "-o", "out"]) == cli.codes.SOME_FAILED
    out, err = capsys.readouterr()
    assert out.startswith(r"in/a\x1b[31m\nb\u202e.jpg -> ") and out.count("\n") == 1
    assert r"in/\x1b[2J.jpg: " in err and "\x1b" not in out + err


def test_litter_that_is_named_is_told_of(folder, capsys):
    (folder / "notes.txt").write_bytes(b"hello")
    draw("notes.txt", "-o", "out", code=cli.codes.SOME_FAILED)
    assert "notes.txt" in capsys.readouterr().err


def test_several_photos_want_a_folder(folder, capsys):
    (folder / "in" / "b.png").write_bytes(encoded("PNG"))
    draw("in", "-o", "x.png", code=cli.codes.WRONG_USAGE)
    assert "2 inputs" in capsys.readouterr().err and not (folder / "x.png").exists()


def test_no_input_becomes_the_drawing_of_another(folder, portrait):
    Image.fromarray(portrait[::-1]).save("in/photo.png")
    before = {name: (folder / "in" / name).read_bytes() for name in os.listdir("in")}
    draw("in", "-o", "in", "--overwrite")
    after = {name: (folder / "in" / name).read_bytes() for name in os.listdir("in")}
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["photo.jpg.png", "photo.png.png"]


def test_an_input_behind_a_link_is_kept_too(folder):
    (folder / "out").mkdir()
    (folder / "out" / "photo.png").symlink_to(folder / "in" / "photo.jpg")
    before = (folder / "in" / "photo.jpg").read_bytes()
    draw("in", "-o", "out", "--overwrite")
    assert (folder / "in" / "photo.jpg").read_bytes() == before
    assert (folder / "out" / "photo.png").is_symlink() and (folder / "out" / "photo.jpg.png").is_file()


def test_names_that_differ_in_capitals_only(folder):
    targets = Targets("out", Inputs((Input(folder / "A.jpg"), Input(folder / "a.jpg"), Input(folder / "a.JPG")), True))
    names = [targets.of(Input(folder / name), False).name for name in ("A.jpg", "a.jpg", "a.JPG", "a.png")]
    assert len({name.lower() for name in names}) == 4


def test_folders_in_folders(folder):
    for place in ("in/b", "in/b/c", "in/.hidden", "in/out"):
        (folder / place).mkdir()
        (folder / place / "photo.jpg").write_bytes((folder / "in" / "photo.jpg").read_bytes())
    (folder / "in" / "loop").symlink_to(folder / "in")
    draw("in", "-o", "in/out", "--recursive")
    found = sorted(str(p.relative_to(folder / "in" / "out")) for p in (folder / "in" / "out").rglob("*.png"))
    assert found == ["b/c/photo.png", "b/photo.png", "photo.png"]  # not the output folder, nor hidden ones, nor links


def test_without_recursive_folders_in_folders_are_left(folder):
    (folder / "in" / "b").mkdir()
    (folder / "in" / "b" / "photo.jpg").write_bytes(b"")
    assert [str(i) for i in expand(["in"], "out").files] == ["in/photo.jpg"]


def test_existing_outputs_are_skipped(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "photo.png").write_bytes(b"mine")
    assert cli.main(["draw", "in", "-o", "out", "--skip-existing"]) == cli.codes.DONE
    assert (folder / "out" / "photo.png").read_bytes() == b"mine"
    assert "skipped (out/photo.png exists)" in capsys.readouterr().out


@pytest.mark.parametrize("letters", [83, 84, 62])
def test_names_as_long_as_the_system_allows(folder, letters):
    name = "字" * letters  # three bytes each
    if len(name.encode()) + 4 <= NAME_BYTES:
        (folder / "in" / f"{name}.jpg").write_bytes((folder / "in" / "photo.jpg").read_bytes())
    else:
        (folder / "in" / name).write_bytes((folder / "in" / "photo.jpg").read_bytes())
    draw("in", "-o", "out")
    found = [n for n in os.listdir("out") if "字" in n]
    assert len(found) == 1 and found[0].endswith(".png") and len(found[0].encode()) <= NAME_BYTES
    Image.open(folder / "out" / found[0]).load()


@pytest.mark.parametrize("output", ["x" * 300 + ".png", "a\0b.png", "in/photo.jpg/x.png"])
def test_impossible_names_are_one_sentence(folder, capsys, output):
    draw("in/photo.jpg", "-o", output, code=cli.codes.NOT_WRITTEN)
    assert capsys.readouterr().err.count("\n") == 1


def test_impossible_inputs_are_one_sentence(folder, capsys):
    for text in ("x" * 300, "a\0b", "in/photo.jpg/x", ""):
        draw(text, "-o", "out", code=cli.codes.SOME_FAILED)
        assert capsys.readouterr().err.count("\n") == 1


def test_a_report_never_replaces_what_is_no_report(folder, capsys):
    (folder / "mine.json").write_text('{"a": 1}')
    before = {p: p.read_bytes() for p in (folder / "in" / "photo.jpg", folder / "mine.json")}
    for report in ("in/photo.jpg", "mine.json", "in", "none/r.json"):
        draw("in/photo.jpg", "-o", "x.png", "--report", report, code=cli.codes.NOT_WRITTEN)
        assert not (folder / "x.png").exists() and capsys.readouterr().err.count("\n") == 1
    draw("in/photo.jpg", "-o", "x.png", "--report", "in/photo.jpg", "--overwrite", code=cli.codes.NOT_WRITTEN)
    assert all(p.read_bytes() == content for p, content in before.items())
    for name in ("x.png", "y.png"):  # an earlier report may be replaced
        draw("in/photo.jpg", "-o", name, "--report", "r.json")


def test_figures_never_replace_what_is_no_record(folder, capsys):
    (folder / "drawing").mkdir()
    (folder / "drawing" / "photo.png").write_bytes(encoded("PNG"))
    words = ["eval", "in", "drawing"]
    photo = (folder / "in" / "photo.jpg").read_bytes()
    for more in (["--json", "in/photo.jpg"], ["--sheet", "in/photo.jpg"], ["--sheet", "in/photo.jpg", "--overwrite"]):
        assert cli.main([*words, *more]) == cli.codes.NOT_WRITTEN
    assert cli.main(["bench", "composite", "--json", "in/photo.jpg"]) == cli.codes.NOT_WRITTEN
    assert (folder / "in" / "photo.jpg").read_bytes() == photo


def test_masks_and_landmarks_are_inputs_too(folder, portrait):
    Image.fromarray(portrait).save("crop.png")
    Image.new("L", portrait.shape[:2], 255).save("mask.png")
    before = (folder / "mask.png").read_bytes()
    words = ["crop.png", "--aligned", "--masks", "mask.png", "--overwrite"]
    draw(*words, "-o", "mask.png", code=cli.codes.NOT_WRITTEN)
    assert (folder / "mask.png").read_bytes() == before
    draw(*words, "-o", "x.png")


def test_standard_input_and_output(folder, capfdbinary, monkeypatch):
    with open("in/photo.jpg", "rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": file}))
        assert cli.main(["draw", "-", "-o", "-"]) == cli.codes.DONE
    piped = capfdbinary.readouterr().out
    draw("in/photo.jpg", "-o", "x.png")
    assert piped == (folder / "x.png").read_bytes()


def test_surprises_end_one_input_not_the_batch(folder, capsys, monkeypatch):
    for name in ("a.png", "b.png", "c.png"):
        (folder / "in" / name).write_bytes(encoded("PNG"))
    surprises = {"a": MemoryError(), "b": RuntimeError("odd"), "c": RecursionError()}
    true = batch.read_photo

    def read(source, **options):
        if source.stem in surprises:
            raise surprises[source.stem]
        return true(source, **options)

    monkeypatch.setattr(batch, "read_photo", read)
    draw("in", "-o", "out", code=cli.codes.SOME_FAILED)
    errors = capsys.readouterr().err
    assert "in/a.png: does not fit into memory" in errors and "in/b.png: not drawn" in errors
    assert os.listdir("out") == ["photo.png"]


def test_max_pixels(folder, capsys):
    draw("in/photo.jpg", "-o", "x.png", "--max-pixels", "1e3", code=cli.codes.SOME_FAILED)
    assert "max_pixels" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        draw("in/photo.jpg", "-o", "x.png", "--max-pixels", "-3")


def test_two_files_for_one_name_of_output(folder):
    with pytest.raises(Usage):
        Targets("x.png", Inputs((Input(folder / "in" / "photo.jpg"), Input(folder / "other.jpg")), True))


def test_a_name_that_is_no_text(folder):
    name = os.fsdecode(b"\xff\xfe.jpg")
    os.rename("in/photo.jpg", f"in/{name}")
    done = run("draw", "in", "-o", "out", "--report", "r.json")
    assert done.returncode == cli.codes.DONE and done.stderr == b""
    assert os.listdir("out") == [os.fsdecode(b"\xff\xfe.png")]


def test_a_reader_that_goes_ends_the_talk_and_not_the_work(folder):
    for i in range(5):
        (folder / "in" / f"{i}.jpg").write_bytes((folder / "in" / "photo.jpg").read_bytes())
    reading, writing = os.pipe()
    os.close(reading)
    done = run("draw", "in", "-o", "out", stdout=writing)
    os.close(writing)
    assert done.returncode == cli.codes.DONE and done.stderr == b"" and len(os.listdir("out")) == 6


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")


@FULL
@pytest.mark.parametrize(
    "words, code, drawn",
    [
        ("draw in/photo.jpg -o -", cli.codes.NOT_WRITTEN, 0),
        ("draw in -o out", cli.codes.DONE, 3),
        ("styles", cli.codes.NOT_WRITTEN, 0),
        ("info", cli.codes.NOT_WRITTEN, 0),
        ("weights verify", cli.codes.NOT_WRITTEN, 0),
    ],
)
def test_a_standard_output_that_is_full_is_told_of_once(folder, words, code, drawn):
    for name in ("a.png", "b.png"):
        (folder / "in" / name).write_bytes(encoded("PNG"))
    with open("/dev/full", "wb") as full:
        done = run(*words.split(), stdout=full)
    assert done.returncode == code
    told = [line for line in done.stderr.decode().splitlines() if "no face" not in line]
    assert told == ["pyapdraw: <standard output>: could not be written: no space left on the device"]
    assert len(os.listdir("out")) == drawn if drawn else not (folder / "out").exists()


@pytest.mark.parametrize(
    "words, closed, code, said",
    [
        ("draw in/photo.jpg -o x.png", "sys.stdout", cli.codes.DONE, ""),
        ("draw in/photo.jpg -o -", "sys.stdout", cli.codes.NOT_WRITTEN, "<standard output>: is closed"),
        ("draw - -o x.png", "sys.stdin", cli.codes.SOME_FAILED, "<standard input>: is closed"),
        ("draw none.jpg -o x.png", "sys.stderr", cli.codes.SOME_FAILED, ""),
        ("styles", "sys.stdout", cli.codes.DONE, ""),
    ],
)
def test_closed_standard_files(folder, capsys, monkeypatch, words, closed, code, said):
    monkeypatch.setattr(closed, None)
    assert cli.main(words.split()) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, said",
    [(b"", "is empty"), (b"hello", "is not a picture"), (b"\x1aE\xdf\xa3" + bytes(99), "is a video, a photo expected")],
)
def test_what_is_no_photo_on_standard_input_is_called_by_its_name(folder, content, said):
    done = run("draw", "-", "-o", "x.png", input=content)
    assert done.returncode == cli.codes.SOME_FAILED and f"<standard input>: {said}".encode() in done.stderr


def test_standard_input_is_read_up_to_the_limit_of_files(folder, monkeypatch):
    monkeypatch.setattr("pyapdraw.media.photo.MAX_FILE_BYTES", 1000)
    with open("/dev/zero", "rb") as endless:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": endless}))
        draw("-", "-o", "x.png", code=cli.codes.SOME_FAILED)


def test_sigterm_leaves_no_partial_file(folder, portrait):
    Image.fromarray(portrait.repeat(8, 0).repeat(8, 1)).save("large.png")
    for i in range(40):
        os.link("large.png", f"in/{i}.png")
    job = subprocess.Popen([*PYAPDRAW, "draw", "in", "-o", "out"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout is not None and job.stdout.readline()
    job.terminate()
    errors = job.communicate(timeout=30)[1]
    assert job.returncode == cli.codes.INTERRUPTED and b"interrupted" in errors
    assert all(name.endswith(".png") and not name.startswith(".") for name in os.listdir("out"))
