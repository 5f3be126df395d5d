"""Styles as a newcomer adds them: a template, needs, options; engines, and that the one that ran is reported."""

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from skimage import data as skimage_data

import pyapdraw
from pyapdraw import align, cli, runtime
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput, Unsupported
from pyapdraw.faces.detector import Face
from pyapdraw.media.photo import read_photo, write_image
from pyapdraw.style import base, registry
from pyapdraw.style.registry import NATIVE, Entry

TALL = align.Template(
    "tall",
    design=((70, 105), (130, 105), (100, 140), (75, 172), (125, 172)),
    centre=(100, 125),
    extent=200,
    width_px=200,
    aspect=1.25,
    first_px=0.5,
)


@dataclass(frozen=True)
class Options:
    grey: int = 60


class Toy(base.Style):
    """A grey field in the place of the person, a black square on each eye, and what it was told of brightness."""

    template, sizes_px, needs, Options = TALL, (200, 100), ("brightness",), Options
    seen: list = []  # noqa: RUF012 - the test reads it

    def __init__(self, plan, weights, options):
        self.options = options

    def draw(self, view):
        Toy.seen.append((view.pixels.shape, view.brightness, view.landmarks_px))
        drawing = np.where(view.person >= 128, np.uint8(self.options.grey), np.uint8(255))
        for x, y in view.landmarks_px[:2].round().astype(int):
            drawing[y - 4 : y + 5, x - 4 : x + 5] = 0
        return drawing


@pytest.fixture
def toy(monkeypatch):
    entry = Entry("toy", "test_style:Toy", "squares", own=NATIVE)
    monkeypatch.setitem(registry.STYLES, "toy", entry)
    monkeypatch.setitem(sys.modules, "test_style", sys.modules[__name__])
    monkeypatch.setattr(base.Tools, "brightness", lambda self, view: float(view.pixels.mean()), raising=False)
    monkeypatch.setattr(base.View, "brightness", property(lambda view: view.need("brightness")), raising=False)
    Toy.seen.clear()


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(skimage_data.astronaut())


def test_a_style_with_a_template_and_needs_of_its_own(toy, astronaut):
    """Upright rectangle, five points where the template has them, eyes black in the photo, the rest paper."""
    artist = Artist("toy", grey=90)
    (face,) = artist.faces(astronaut)
    drawing = artist.draw_pixels(astronaut)
    ((shape, brightness, points),) = Toy.seen
    assert shape == (250, 200, 3) and brightness == pytest.approx(120, abs=60)
    assert np.abs(points - TALL.points_px(200)).max() < 12
    for x, y in face.landmarks_px[:2].round().astype(int):
        assert drawing[y, x] < 30
    assert {90, 255} <= set(np.unique(drawing)) and (drawing[:20] == 255).all()
    assert pyapdraw.draw(astronaut, "toy", grey=200).min() == 0


def test_the_person_of_another_template_is_that_of_the_face(toy, astronaut):
    """The mask on a rectangular canvas beside the one of the usual crop, both put back into the photo."""
    artist = Artist("toy", background="photo")
    (face,) = artist.faces(astronaut)
    to_crop = align.fit(face.landmarks_px, 200, TALL)
    crop = align.crop(astronaut, to_crop, TALL.shape_px(200))
    picture = base.Picture(astronaut, [face], artist.tools)
    tall = base.View(picture, crop, face, TALL).person
    usual = align.crop(astronaut, align.fit(face.landmarks_px), 512)
    square = base.View(picture, usual, face, align.APDRAWING).person
    between = align.compose(to_crop, align.invert(usual.to_crop))
    y, x = np.mgrid[5:506:20, 5:506:20]
    there = align.transform_points(between, np.stack([x.ravel(), y.ravel()], 1)).round().astype(int)
    inside = ((there >= 2) & (there < (198, 248))).all(1)
    a, b = square[y.ravel(), x.ravel()][inside] >= 128, tall[there[inside, 1], there[inside, 0]] >= 128
    assert inside.sum() > 200 and 0.2 < a.mean() < 0.95 and (a == b).mean() > 0.97
    drawn = artist.draw_pixels(astronaut)
    assert drawn.shape == astronaut.shape and (drawn[:150, :20] == astronaut[:150, :20]).all()


@pytest.mark.parametrize("shape", [(250, 200), (500, 400), (125, 100)])
def test_a_picture_like_the_canvas_is_taken_whole(toy, shape):
    """Aligned pictures of the template's proportions; others are refused in its words."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    artist = Artist("toy", aligned=True)
    assert artist.draw(pixels).shape == pixels.shape
    with pytest.raises(BadInput, match=r"a crop 1.25 times as high as wide expected"):
        artist.draw(pixels[:-20])


def test_options_of_a_style(toy, astronaut, tmp_path, capsys):
    write_image(astronaut, tmp_path / "in.png")
    words = ["draw", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png"), "--style", "toy"]
    report = tmp_path / "r.json"
    assert cli.main([*words, "--option", "grey=77", "--report", str(report)]) == cli.codes.DONE
    assert (read_photo(tmp_path / "out.png").pixels == 77).any()
    assert json.loads(report.read_text())["options"]["grey"] == 77
    assert cli.main([*words, "--overwrite", "--option", "gray=77"]) == cli.codes.WRONG_USAGE
    assert "gray: not an option of style 'toy', which has grey" in capsys.readouterr().err
    assert cli.main([*words, "--overwrite", "--option", "grey"]) == cli.codes.WRONG_USAGE
    assert "--option: 'grey' given, NAME=VALUE expected" in capsys.readouterr().err
    has = "which has line, detail, hair, beard, pen, colour; of all styles: frame, "
    with pytest.raises(BadInput, match=f"grey: not an option of style 'ink', {has}"):
        Artist("ink", grey=1)


def weight_files(folder):
    """What style apdrawing takes: nothing, a file of the small network, one of the paper's."""
    pytest.importorskip("torch", reason="weights are made with torch")
    from pyapdraw import models, weights

    net = models.create("apdrawing", ngf=2, levels=6)
    values = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    weights.write(
        folder / "full.safetensors", weights.Weights("apdrawing", "generator", {"ngf": 2, "levels": 6}, values)
    )
    weights.write(folder / "small.safetensors", weights.read("apdrawing"))
    return {None: "native", folder / "small.safetensors": "native", folder / "full.safetensors": "eager"}


def test_the_report_names_the_engine_that_ran(astronaut, tmp_path):
    """For every style and weight file, and every runtime that may be asked for: seen from whether torch was loaded."""
    write_image(astronaut, tmp_path / "in.png")
    code = "import sys; from pyapdraw.cli import main; code = main(sys.argv[1:]); print('torch' in sys.modules)"
    code += "; sys.exit(code)"
    cases = [("ink", None, "auto", "native"), ("ink", None, "native", "native")]
    for path, first in weight_files(tmp_path).items():
        cases += [("apdrawing", path, "auto", first), ("apdrawing", path, "eager", "eager")]
    for number, (style, path, asked, expected) in enumerate(cases):
        words = [
            "draw",
            tmp_path / "in.png",
            "-o",
            tmp_path / f"{number}.png",
            "--style",
            style,
            "--runtime",
            asked,
            "-q",
        ]
        words += ["--report", tmp_path / f"{number}.json", *(["--weights", path] if path else [])]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        plan = json.loads((tmp_path / f"{number}.json").read_text())["plan"]
        assert plan["runtime"] == expected and f"runtime {expected}" in plan["reason"]
        assert done.stdout.split() == [str(expected == "eager")], (style, path, asked)
    with pytest.raises(
        BadInput, match="native' given, auto or one of eager expected for style 'apdrawing' with weights"
    ):
        Artist("apdrawing", runtime="native", weights=tmp_path / "full.safetensors")


def inputs_of(pixels, size=512):
    rng = np.random.default_rng(3)
    from pyapdraw.models.rectangles import region_centres

    mask, ink = (rng.integers(0, 256, (1, size, size)).astype(np.uint8) for _ in range(2))
    return {"pixels": pixels[None], "mask": mask, "centres": region_centres(align.template()[None], size), "ink": ink}


def test_engines_of_one_network_agree(astronaut):
    """Both engines, one interface: what goes in and out is described, and what they draw is the same."""
    pytest.importorskip("torch", reason="the other engine is torch")
    given = inputs_of(astronaut)
    answers = {}
    for name in ("native", "eager"):
        with pyapdraw.runtime.load("apdrawing", runtime=name, precision="float32") as engine:
            said = engine.describe()
            assert (said["runtime"], said["network"], said["precision"]) == (name, "apdrawing.small", "float32")
            assert said["inputs"].keys() == given.keys()
            answers[name] = engine.run(given)["drawing"]
            assert answers[name].shape == (1, 512, 512) and answers[name].dtype == np.float32
        with pytest.raises(BadInput, match="closed"):
            engine.run(given)
    assert np.abs(answers["native"] - answers["eager"]).max() < 5e-3
    two = {name: np.concatenate([a, a[..., ::1]]) for name, a in given.items()}
    with runtime.load("apdrawing", precision="float32") as engine:
        np.testing.assert_array_equal(engine.run(two)["drawing"], np.concatenate([answers["native"]] * 2))


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"runtime": "magic"}, BadInput, "runtime: 'magic' given, auto or one of native, eager expected on cpu"),
        ({"device": "tpu"}, BadInput, "device: 'tpu' given, auto or one of cpu expected"),
        ({"precision": "int4"}, BadInput, "precision: 'int4' given, one of auto, float32, bfloat16 expected"),
        ({"path_or_name": "apdrawing_lines"}, Unsupported, "one of apdrawing.small, apdrawing expected"),
    ],
)
def test_engines_that_are_not_there(words, error, said):
    with pytest.raises(error, match=said):
        runtime.load(**({"path_or_name": "apdrawing"} | words))


def test_inputs_of_an_engine_are_named(astronaut):
    engine, given = runtime.load("apdrawing"), inputs_of(astronaut)
    del given["ink"]
    with pytest.raises(BadInput, match="inputs: pixels, mask, centres given, pixels, mask, centres, ink expected"):
        engine.run(given)
    with pytest.raises(BadInput, match=r"pixels: \[1, 256, 512, 3\] given"):
        engine.run({**inputs_of(astronaut), "pixels": astronaut[None, :256]})


def test_another_engine_is_one_entry(monkeypatch, astronaut):
    """A toy engine: white paper whatever comes in. Asked for by name, it runs the style, whose pen draws eyes and mouth
    on that; the plan names it."""

    class White:
        @staticmethod
        def start(held, where, device, precision, threads):
            def call(pixels, **_):
                return {"drawing": np.ones(pixels.shape[:3], np.float32)}

            return runtime.Engine(held.model, "white", device, "float32", call)

    monkeypatch.setitem(runtime.ENGINES, "white", runtime.Kind("white_engine", ("cpu",), {"apdrawing.small"}))
    monkeypatch.setitem(sys.modules, "white_engine", White)
    artist = Artist("apdrawing", runtime="white")
    assert artist.plan.runtime == "white"
    drawing = artist.with_options(frame="bust").draw_pixels(astronaut)
    assert 0.001 < (drawing < 128).mean() < 0.02 and (drawing[:150] == 255).all() and (drawing[420:] == 255).all()
    assert Artist("apdrawing").plan.runtime == "native"


def test_a_view_makes_what_it_is_asked_for_once(astronaut):
    made = []

    class Counting(base.Tools):
        def __init__(self):
            pass

        def person(self, pixels, faces, *, crop=False):
            made.append((faces, crop))
            return np.zeros(pixels.shape[:2], np.uint8)

    face = Face((0, 0, 1, 1), align.template(), 1.0, None)
    crop = align.Crop(astronaut, np.eye(2, 3))
    picture = base.Picture(astronaut, [face], Counting())
    view, other = (base.View(picture, crop, face, align.APDRAWING) for _ in range(2))
    assert view.person is view.person and made == [([face], True)]
    assert (
        other.person.shape == (512, 512)
        and picture.person is picture.person
        and made[1:] == [([face], True), ([face], False)]
    )
    small = np.full((64, 64), 200, np.uint8)
    known = base.View(base.Picture(astronaut, [face], Counting(), {"person": small}), crop, face, align.APDRAWING)
    assert known.person.shape == (512, 512) and (known.person == 200).all() and len(made) == 3
