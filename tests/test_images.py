"""images: every kind of picture that a caller may hold goes in, and the drawing comes back as the same kind."""

import io
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases_photo import encoded, scene
from PIL import Image

import pyapdraw
from pyapdraw.artist import Artist, NoFace
from pyapdraw.errors import BadInput
from pyapdraw.media import images

SCENE = scene()
ALPHA = np.linspace(0, 255, 60).astype(np.uint8)[None].repeat(40, 0)
DRAWING = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)


@pytest.fixture(scope="module")
def artist():
    return Artist("ink")


@pytest.fixture(scope="module")
def portrait():
    photo = pytest.importorskip("skimage.data").astronaut()[:224, 110:334]
    return np.asarray(Image.fromarray(photo).resize((128, 128), Image.Resampling.LANCZOS))


def on_white(rgb, alpha):
    share = alpha[..., None] / 255
    return np.floor(rgb * share + 255 * (1 - share) + 0.5).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floats_are_levels_of_0_to_1(dtype):
    given = images.take((SCENE / 255).astype(dtype))
    np.testing.assert_array_equal(given.pixels, SCENE)
    back = given.back(DRAWING)
    assert back.dtype == np.dtype(dtype).newbyteorder("=") and back.min() == 0 and back.max() == 1
    np.testing.assert_allclose(back.astype(float), DRAWING / 255, atol=5e-4)


def test_shapes_of_arrays():
    np.testing.assert_array_equal(images.take(SCENE).pixels, SCENE)
    grey = SCENE[..., 0]
    for array in (grey, grey[..., None]):
        np.testing.assert_array_equal(images.take(array).pixels, np.repeat(grey[..., None], 3, 2))
    rgba = np.dstack([SCENE, ALPHA])
    np.testing.assert_array_equal(images.take(rgba).pixels, on_white(SCENE, ALPHA))
    np.testing.assert_array_equal(images.take(rgba / 255).pixels, on_white(SCENE, ALPHA))
    np.testing.assert_array_equal(images.take(SCENE[::-1, ::2]).pixels, SCENE[::-1, ::2])
    np.testing.assert_array_equal(images.take(np.ma.masked_greater(SCENE, 100)).pixels, SCENE)
    tall = np.repeat(rgba, 300, axis=0)  # more than one band
    np.testing.assert_array_equal(images.take(tall).pixels, np.repeat(on_white(SCENE, ALPHA), 300, axis=0))


@pytest.mark.parametrize(
    "image, message",
    [
        (SCENE > 3, "dtype bool"),
        (SCENE.astype(np.int64), "dtype int64"),
        (SCENE.astype(np.uint16), "dtype uint16"),
        (SCENE.astype(np.float32), r"values 0 to \d+ given, 0 to 1"),
        (np.full((4, 4, 3), np.nan), "values nan"),
        (-np.ones((4, 4)), "values -1"),
        (SCENE[..., :2], r"shape \[40, 60, 2\]"),
        (SCENE.transpose(2, 0, 1), "channels last"),
        (SCENE[None], "shape"),
        (SCENE[:0], "no pixels"),
        (SCENE.tolist(), "list given"),
        (None, "NoneType given"),
    ],
)
def test_what_is_no_picture_is_refused(artist, image, message):
    for call in (artist.draw, artist.faces):
        with pytest.raises(BadInput, match=f"^image: .*{message}"):
            call(image)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
def test_tensors(dtype):
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    tensor = torch.from_numpy(SCENE).to(kind) if dtype == "uint8" else torch.from_numpy(SCENE / 255).to(kind)
    given = images.take(tensor.requires_grad_() if kind == torch.float32 else tensor)
    assert np.abs(given.pixels.astype(int) - SCENE).max() <= (1 if dtype == "bfloat16" else 0)
    back = given.back(DRAWING)
    assert back.dtype == kind and back.device == tensor.device and tuple(back.shape) == DRAWING.shape
    assert float(back.float().max()) == (255 if dtype == "uint8" else 1)
    for wrong in (tensor > 0, torch.zeros(4, 4, 3, device="meta"), torch.zeros(4, 4, 3).to_sparse()):
        with pytest.raises(BadInput, match=r"image: .* given"):
            images.take(wrong)


MODES = {  # mode -> how it is made of an RGB image, largest mean difference
    "1": (lambda i: i.convert("1"), None),
    "L": (lambda i: i.convert("L"), None),
    "P": (lambda i: i.quantize(256), 4),
    "PA": (lambda i: i.quantize(256).convert("PA"), 4),
    "LA": (lambda i: i.convert("LA"), None),
    "La": (lambda i: i.convert("LA").convert("La"), None),
    "RGBA": (lambda i: i.convert("RGBA"), 0),
    "RGBa": (lambda i: i.convert("RGBA").convert("RGBa"), 0),
    "RGBX": (lambda i: i.convert("RGBX"), 0),
    "CMYK": (lambda i: i.convert("CMYK"), 0),
    "YCbCr": (lambda i: i.convert("YCbCr"), 2),
    "LAB": (lambda i: i.convert("LAB"), 2),
    "HSV": (lambda i: i.convert("HSV"), 3),
    "I": (lambda i: i.convert("L").convert("I"), None),
    "F": (lambda i: i.convert("L").convert("F"), None),
    "I;16": (lambda i: Image.fromarray(np.asarray(i.convert("L")).astype(np.uint16) * 257), None),
}


@pytest.mark.parametrize("mode", MODES)
def test_pillow_images_of_every_mode(mode):
    make, most = MODES[mode]
    image = make(Image.fromarray(SCENE))
    assert image.mode == mode
    given = images.take(image)
    grey = np.asarray(Image.fromarray(SCENE).convert("L"))
    expected = np.repeat((np.where(grey > 127, 255, 0) if mode == "1" else grey)[..., None], 3, axis=2)
    if mode == "1":  # dithered: right on average
        assert abs(given.pixels.mean() - grey.mean()) < 3 and set(np.unique(given.pixels)) == {0, 255}
    elif most is None:
        np.testing.assert_array_equal(given.pixels, expected)
    else:
        assert np.abs(given.pixels.astype(int) - SCENE).mean() <= most
    back = given.back(DRAWING)
    assert isinstance(back, Image.Image) and back.mode == "RGB" and np.array_equal(np.asarray(back), DRAWING)


def test_transparent_pillow_images_lie_on_white():
    image = Image.fromarray(np.dstack([SCENE, ALPHA]))
    assert np.abs(images.take(image).pixels.astype(int) - on_white(SCENE, ALPHA)).max() <= 1
    palette = Image.new("P", (4, 2), 1)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.info["transparency"] = 1
    assert (images.take(palette).pixels == 255).all()


def test_pillow_images_are_turned_upright_and_limited(artist):
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = Image.open(io.BytesIO(encoded("PNG", image=Image.fromarray(SCENE).rotate(90, expand=True), exif=exif)))
    assert opened.size == (40, 60)
    np.testing.assert_array_equal(images.take(opened).pixels, SCENE)
    assert artist.draw(opened).size == (60, 40)
    with pytest.raises(BadInput, match=r"image: Pillow RGB 60 x 40: .*max_pixels"):
        artist.with_options(max_pixels=2399).draw(Image.fromarray(SCENE))
    cut = Image.open(io.BytesIO(encoded("PNG")[:-200]))
    with pytest.raises(BadInput, match=r"image: Pillow .*damaged"):
        artist.draw(cut)


def test_files_and_buffers(artist, tmp_path):
    content = encoded("PNG")
    path = tmp_path / "scene.png"
    path.write_bytes(content)
    read_already = io.BytesIO(content)
    read_already.read()
    with open(path, "rb") as opened:
        for source in (path, str(path), content, bytearray(content), memoryview(content), read_already, opened):
            given = images.take(source)
            np.testing.assert_array_equal(given.pixels, SCENE)
            assert given.back(DRAWING) is DRAWING
    drawn = pyapdraw.draw(io.BytesIO(content))
    assert drawn.dtype == np.uint8 and drawn.shape == SCENE.shape
    with open(path, encoding="latin-1") as text, pytest.raises(BadInput, match=r"scene\.png: reads str.*'rb'"):
        artist.draw(text)
    with pytest.raises(BadInput, match=r"scene\.png: cannot be read: .*closed"):
        artist.draw(opened)
    with pytest.raises(BadInput, match=r"<BytesIO>: is empty"):
        artist.draw(io.BytesIO())
    with pytest.raises(BadInput, match=r"nowhere\.png: no such file"):
        artist.draw("nowhere.png")


def test_errors_of_a_drawn_file_name_it(artist, tmp_path):
    path = tmp_path / "scene.png"
    path.write_bytes(encoded("PNG"))
    with pytest.raises(NoFace, match=r"scene\.png: no face"):
        artist.with_options(no_face="error").draw(path)
    with pytest.raises(BadInput, match=r"scene\.png: 60x40 given, a square"):
        artist.with_options(aligned=True).draw(path)


def test_every_kind_gives_the_same_drawing(artist, portrait):
    expected = artist.draw(portrait)
    assert len(artist.faces(portrait)) == 1 and expected.shape == portrait.shape
    content = encoded("PNG", image=Image.fromarray(portrait))
    rgba = np.dstack([portrait, np.full(portrait.shape[:2], 255, np.uint8)])
    for same in (content, io.BytesIO(content), Image.fromarray(portrait), rgba, np.asfortranarray(portrait)):
        np.testing.assert_array_equal(np.asarray(artist.draw(same)), expected)
    drawn = artist.draw((portrait / 255).astype(np.float32))
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(np.rint(drawn * 255).astype(np.uint8), expected)


class OnDevice:
    """An array that numpy cannot see into, as CUDA libraries have them."""

    def __init__(self, host):
        self.host, self.dtype, self.device = host.copy(), host.dtype, Device()

    def get(self):
        return self.host.copy()

    copy_to_host = get

    def devices(self):
        return {self.device}

    def __array__(self, dtype=None, copy=None):
        if type(self).__module__ == "jaxlib":
            return self.host
        raise TypeError("implicit conversion is not allowed")


class Device:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(
    "library, module, function",
    [
        ("cupy", "cupy", "asarray"),
        ("pycuda", "pycuda.gpuarray", "to_gpu"),
        ("numba", "numba.cuda", "to_device"),
        ("jaxlib", "jax", "device_put"),
    ],
)
def test_arrays_of_cuda_libraries_go_over_the_host(monkeypatch, library, module, function):
    kind = type("Array", (OnDevice,), {"__module__": library})
    fake = types.ModuleType(module)
    setattr(fake, function, lambda host, *_: kind(host))
    monkeypatch.setitem(sys.modules, module, fake)
    for array in (SCENE, (SCENE / 255).astype(np.float32)):
        given = images.take(kind(array))
        np.testing.assert_array_equal(given.pixels, SCENE)
        back = given.back(DRAWING)
        assert type(back) is kind and back.dtype == array.dtype
    with pytest.raises(BadInput, match=r"unheard_of.Array given"):
        images.take(type("Array", (OnDevice,), {"__module__": "unheard_of"})(SCENE))


def test_from_several_threads(artist):
    contents = [encoded("PNG"), encoded("TIFF"), encoded("GIF")] * 8
    with ThreadPoolExecutor(4) as pool:
        for given in pool.map(images.take, contents):
            assert given.pixels.shape == SCENE.shape


@pytest.mark.parametrize(
    "options", [{"largest_px": "64"}, {"largest_px": 63}, {"max_pixels": "all"}, {"max_pixels": 0}]
)
def test_options_of_another_kind_are_refused(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        pyapdraw.Artist(**options)
