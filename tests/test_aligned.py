"""Aligned photos with landmark and mask files, drawn and judged: `draw --aligned --landmarks --masks`, `eval`."""

import json

import numpy as np
import pytest
from cases_apdrawing import style_of
from PIL import Image
from skimage import data as skimage_data

from pyapdraw import align, cli, evaluate
from pyapdraw.artist import Artist
from pyapdraw.data import aligned
from pyapdraw.errors import BadInput
from pyapdraw.media.photo import read_photo
from pyapdraw.metrics.boundary import boundary_f


@pytest.fixture(scope="module")
def crop():
    pixels = np.ascontiguousarray(skimage_data.astronaut())
    (face,) = Artist("ink").faces(pixels)
    cut = align.crop(pixels, align.fit(face.landmarks_px, 512), 512)
    return cut.pixels, align.transform_points(cut.to_crop, face.landmarks_px)


@pytest.fixture
def folder(tmp_path, crop):
    """The published layout: landmarks from 1, a grey mask."""
    pixels, points = crop
    for name in ("photo", "landmarks", "mask"):
        (tmp_path / name).mkdir()
    Image.fromarray(pixels).save(tmp_path / "photo" / "one.png")
    np.savetxt(tmp_path / "landmarks" / "one.txt", points + 1, fmt="%.2f")
    mask = np.zeros((512, 512), np.uint8)
    mask[:400, 90:420] = 255
    Image.fromarray(mask).save(tmp_path / "mask" / "one.png")
    return tmp_path


def draw(folder, *words, code=cli.codes.DONE):
    out = folder / "out.png"
    given = ["draw", folder / "photo" / "one.png", "-o", out, "--overwrite", *words]
    assert cli.main([str(word) for word in given]) == code
    return read_photo(out).pixels[:, :, 0] if code == cli.codes.DONE else None


@pytest.mark.parametrize("whole", [False, True], ids=["folders", "files"])
def test_landmarks_and_mask_are_used(folder, crop, whole):
    landmarks, masks = folder / "landmarks", folder / "mask"
    if whole:
        landmarks, masks = landmarks / "one.txt", masks / "one.png"
    given = ("--aligned", "--landmarks", landmarks, "--masks", masks)
    drawn = draw(folder, *given, "--option", "pen=false")
    mask = np.array(Image.open(folder / "mask" / "one.png"))
    points = np.loadtxt(folder / "landmarks" / "one.txt") - 1
    expected = Artist("ink").style.draw_crop(crop[0], mask, points)
    inside = mask == 255
    np.testing.assert_array_equal(drawn[inside], expected[inside])
    assert (drawn[420:] == 255).all(), "beyond the given mask is paper"
    assert not np.array_equal(drawn, draw(folder, "--aligned"))


def test_a_mask_of_another_size_is_resized(folder):
    path = folder / "mask" / "one.png"
    drawn = draw(folder, "--aligned", "--masks", folder / "mask")
    Image.open(path).resize((256, 256), Image.BOX).save(path)
    assert boundary_f(draw(folder, "--aligned", "--masks", folder / "mask"), drawn) > 0.97


def spoilt_landmarks(folder):
    text = (folder / "landmarks" / "one.txt").read_text().splitlines()
    return {
        "cannot be read as landmarks": ["a b"] * 5,
        "five lines": text[:4],
        "the eyes are exchanged": [text[1], text[0], *text[2:]],
        "points inside the photo": [*text[:4], "600 600"],
        "points near": [f"{float(x) + 90} {y}" for x, y in (line.split() for line in text)],
    }


def test_what_is_wrong_is_named(folder, capsys):
    path = folder / "landmarks" / "one.txt"
    for message, lines in spoilt_landmarks(folder).items():
        path.write_text("\n".join(lines))
        draw(folder, "--aligned", "--landmarks", folder / "landmarks", code=cli.codes.SOME_FAILED)
        error = capsys.readouterr().err
        assert str(path) in error and message in error and "expected" in error
    path.unlink()
    draw(folder, "--aligned", "--landmarks", folder / "landmarks", code=cli.codes.SOME_FAILED)
    assert "no one.txt for" in capsys.readouterr().err
    draw(folder, "--aligned", "--landmarks", folder / "none", code=cli.codes.SOME_FAILED)
    assert "none: no such file or folder" in capsys.readouterr().err
    coloured = np.zeros((16, 16, 3), np.uint8)
    coloured[..., :2] = np.arange(16)[:, None, None]
    Image.fromarray(coloured).save(folder / "mask" / "one.png")
    draw(folder, "--aligned", "--masks", folder / "mask", code=cli.codes.SOME_FAILED)
    assert "a coloured picture given, a grey mask" in capsys.readouterr().err
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(folder / "mask" / "one.png")
    draw(folder, "--aligned", "--masks", folder / "mask", code=cli.codes.SOME_FAILED)
    assert "40x30 px given" in capsys.readouterr().err


def test_only_with_aligned(folder, capsys):
    draw(folder, "--landmarks", folder / "landmarks", code=cli.codes.WRONG_USAGE)
    assert "given without --aligned" in capsys.readouterr().err


def test_a_mask_of_any_photo(folder):
    """Nothing but a frame of paper is drawn where the given mask has nobody."""
    mask = np.asarray(Image.open(folder / "mask" / "one.png")).copy()
    mask[:, 256:] = 0
    Image.fromarray(mask[::2, ::2]).save(folder / "mask" / "one.png")
    drawn = draw(folder, "--masks", folder / "mask")
    assert (drawn[:, :240] < 128).mean() > 0.02 and (drawn[:, 280:] == 255).all()


def test_landmarks_of_an_oblong_photo(folder):
    with pytest.raises(BadInput, match="20x10 px given, a square aligned photo expected"):
        aligned.read_aligned_landmarks(folder / "landmarks" / "one.txt", folder / "p.png", (10, 20, 3))


@pytest.fixture
def pairs(folder, crop):
    """With drawings: ink's own, and one moved by five pixels."""
    drawing = Artist("ink", aligned=True).draw(crop[0])
    (folder / "drawing").mkdir()
    Image.fromarray(crop[0]).save(folder / "photo" / "two.png")
    for name in ("landmarks", "mask"):
        next((folder / name).iterdir()).unlink()
    Image.fromarray(drawing).save(folder / "drawing" / "one.png")
    Image.fromarray(np.roll(drawing, 5, 1)).save(folder / "drawing" / "two.png")
    return folder


def test_figures_of_equal_and_of_moved_drawings(pairs, capsys):
    sheet, figures = pairs / "sheet.png", pairs / "figures.json"
    words = ["eval", "ink", "--data", pairs, "--sheet", sheet, "--json", figures, "--fid", "test_aligned:features"]
    assert cli.main([str(word) for word in words]) == cli.codes.DONE
    report = json.loads(figures.read_text())
    one, two = report["rows"]
    assert one == {"name": "one", "f": 1.0, "t": 0.0, "chamfer_px": 0.0, "ssim": 1.0}
    assert two["f"] < 0.9 and two["t"] > 0.005 and two["chamfer_px"] > 0.2 and two["ssim"] < 0.95
    for name in ("f", "t", "chamfer_px", "ssim"):
        assert report["mean"][name] == pytest.approx((one[name] + two[name]) / 2)
    assert report["fid"] >= 0
    assert Image.open(sheet).size == (3 * evaluate.SHEET_PX, 2 * evaluate.SHEET_PX)
    text = capsys.readouterr().out
    assert "one" in text and "mean" in text and "Frechet" in text


def features(picture):
    return picture.reshape(8, 64, 8, 64, 3).mean((1, 3)).ravel()


def test_two_folders_and_a_style(pairs, capsys):
    assert cli.main(["eval", str(pairs / "photo"), str(pairs / "drawing"), "--style", "ink"]) == cli.codes.DONE
    assert "1.0000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ink"], "STYLE --data DIR"),
        (["ink", "folder", "--data", "folder"], "STYLE --data DIR"),
        (["ink", "--data", "nowhere"], "nowhere"),
        (["chalk", "--data", "{}"], "style: 'chalk'"),
        (["ink", "--data", "{}", "--fid", "json"], "MODULE:FUNCTION"),
        (["ink", "--data", "{}", "--fid", "no.such:thing"], "MODULE:FUNCTION"),
        (["ink", "--data", "{}", "--weights", "x"], "takes none"),
    ],
)
def test_wrong_usage(pairs, capsys, words, message):
    assert cli.main(["eval", *(word.format(pairs) for word in words)]) == cli.codes.WRONG_USAGE
    assert message in capsys.readouterr().err


def test_a_photo_without_drawing(pairs, capsys):
    (pairs / "drawing" / "two.png").unlink()
    assert cli.main(["eval", "ink", "--data", str(pairs)]) == cli.codes.WRONG_USAGE
    assert "no drawing named two.*" in capsys.readouterr().err


def test_shipped_style_draws_what_a_face_has(crop):
    """Beside ink's drawing of the same crop: something in the place of eyes, nose and mouth, finer, and no torch."""
    from pyapdraw.faces.masks import PersonMask
    from pyapdraw.models.rectangles import PARTS, corners, region_centres, region_sizes

    pixels, points = crop
    mask = PersonMask()(pixels)
    artists = Artist("apdrawing"), Artist("ink", hair="ink")
    drawing, ink = (artist.style.draw_crop(pixels, mask, points) for artist in artists)
    assert drawing.shape == (512, 512) and drawing.dtype == np.uint8
    places = corners(region_centres(points[None], 512), region_sizes(512))[0]
    for name, (top, left), (tall, wide) in zip(PARTS, places, region_sizes(512)):
        part = drawing[top : top + tall, left : left + wide]
        assert 0.01 < (part < 128).mean() < 0.5, name
    assert 0.5 < boundary_f(drawing, ink) < 0.97
    ours, theirs = (np.abs(np.diff((d < 128).astype(np.int8), axis=1)).sum() / (d < 128).sum() for d in (drawing, ink))
    assert ours > theirs, "finer lines have more edge for their ink"


def test_shipped_style_in_a_process_without_torch(folder):
    import subprocess
    import sys

    code = (
        "import sys; from pyapdraw.cli import main; "
        "code = main(['draw', *sys.argv[1:], '--style', 'apdrawing', '-q']); "
        "assert code == 0 and 'torch' not in sys.modules, code"
    )
    words = [str(folder / "photo" / "one.png"), "-o", str(folder / "drawn.png")]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    assert (read_photo(folder / "drawn.png").pixels < 128).mean() > 0.02


# The authors' own numbers ---------------------------------------------------------------------------------------------


@pytest.fixture
def official(shared_dir, tmp_path):
    """Photo, landmark file and mask of the authors' data item, and what their test.py saves of it without dropout."""
    folder = shared_dir / "reference" / "apdrawing_width4"
    inputs, outputs = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    shown = np.rint((inputs["A"] + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(shown).save(tmp_path / "one.png")
    Image.fromarray((inputs["mask2"][0] * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    landmarks = shared_dir / "data" / "raw" / "img_1701_aligned.landmarks.txt"
    saved = ((outputs["train_nodrop/fake_B"][0] + 1) / 2 * 255).astype(np.uint8)
    return tmp_path, folder / "latest_net_gen.pt", landmarks, saved


@pytest.mark.parametrize("form", ["published", "imported"])
def test_official_weights_draw_what_the_authors_test_draws(official, form):
    pytest.importorskip("torch", reason="the paper's network runs in torch")
    folder, weights, landmarks, saved = official
    if form == "imported":
        assert cli.main(["weights", "import", str(weights), "-o", str(folder / "own.safetensors")]) == cli.codes.DONE
        weights = folder / "own.safetensors"
    words = ["draw", folder / "one.png", "-o", folder / "out.png", "--style", "apdrawing", "--weights", weights,
             "--aligned", "--landmarks", landmarks, "--masks", folder / "mask.png"]  # fmt: skip
    assert cli.main([str(word) for word in words]) == cli.codes.DONE
    drawn = np.asarray(Image.open(folder / "out.png").convert("L")).astype(int)
    assert np.abs(drawn - saved).max() <= 1
    assert (drawn != saved).mean() < 0.01, "not rounded where they cut off"


def test_what_a_landmark_file_holds(shared_dir):
    """The integers of the authors' files from our points of the same crop, whichever way these came."""
    folder = shared_dir / "data" / "raw"
    filed = np.loadtxt(folder / "img_1701_aligned.landmarks.txt").astype(int)
    points = np.loadtxt(folder / "img_1701.points.txt") - 1  # found in the raw photo, from 0 as our detector's
    in_crop = align.transform_points(align.fit(points, 512), points)
    np.testing.assert_array_equal(align.official_landmarks(in_crop), filed)
    read = aligned.read_landmarks(folder / "img_1701_aligned.landmarks.txt", 512) - 1
    np.testing.assert_array_equal(align.official_landmarks(read), filed)


def test_the_papers_network_is_shown_the_numbers_of_the_file(crop, tmp_path, monkeypatch):
    """Aligned or found: its rectangles lie one pixel from where ours of the same points do."""
    pytest.importorskip("torch", reason="the paper's network runs in torch")
    from pyapdraw import models, weights
    from pyapdraw.models.rectangles import region_centres
    from pyapdraw.runtime import Engine

    net = models.create("apdrawing", ngf=1, levels=6)
    held = weights.Weights("apdrawing", "generator", {"ngf": 1, "levels": 6},
                           {name: value.numpy() for name, value in net.state_dict().items()})  # fmt: skip
    style, seen, run = style_of(held), [], Engine.run
    monkeypatch.setattr(Engine, "run", lambda self, given: seen.append(given["centres"]) or run(self, given))
    pixels, points = crop
    style.draw_crop(pixels, np.full((512, 512), 255, np.uint8), np.rint(points))
    np.testing.assert_array_equal(seen[0], region_centres(np.rint(points)[None], 512) + 1)
