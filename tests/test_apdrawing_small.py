"""The small hierarchical network: what it is made of, and that the native style draws what the torch module does."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network is a torch module")

import torch.nn.functional as F  # noqa: E402
from cases_apdrawing import style_of  # noqa: E402

from pyapdraw import align, models, weights  # noqa: E402
from pyapdraw.artist import Artist  # noqa: E402
from pyapdraw.errors import BadInput, WeightsError  # noqa: E402
from pyapdraw.models import apdrawing_live, apdrawing_small, regions  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(seed=0, **config):
    """A network whose every weight matters: fresh ones hardly change ink's drawing."""
    torch.manual_seed(seed)
    net = models.create("apdrawing.small", **config).eval()
    for name, value in net.named_parameters():
        if name.endswith("last") or "last." in name:
            value.data *= 8
        elif value.dim() == 1:
            value.data += 0.1 * torch.randn_like(value)
    return net


def portrait(seed=0, side=512):
    random = np.random.default_rng(seed)
    rough = random.integers(0, 256, (side // 16, side // 16, 3)).astype(np.uint8)
    pixels = np.repeat(np.repeat(rough, 16, 0), 16, 1) // 2 + random.integers(0, 128, (side, side, 3)).astype(np.uint8)
    y, x = np.mgrid[:side, :side] / side
    mask = np.where((x - 0.5) ** 2 + (y - 0.6) ** 2 < 0.16, 255, 0).astype(np.uint8)
    return pixels, mask


def tensors(pixels, mask, landmarks, ink):
    photo = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)[None]
    centres = regions.region_centres(torch.from_numpy(landmarks)[None], pixels.shape[0])
    return (
        photo,
        centres,
        torch.from_numpy(mask >= 128)[None, None],
        torch.from_numpy(ink / np.float32(127.5) - 1)[None, None],
    )


def held_of(net):
    values = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    return weights.Weights("apdrawing", "small", {"width": net.config.width, "local": net.config.local}, values)


@pytest.mark.parametrize("config", [{}, {"width": 8, "local": 5}])
@pytest.mark.parametrize("shift", [(0, 0), (-170, 0), (3, 150)], ids=["inside", "left border", "lower border"])
def test_native_and_torch_draw_the_same(config, shift):
    net, (pixels, mask) = made(**config), portrait()
    landmarks = align.template(512) + shift
    native = apdrawing_live.Network(held_of(net).tensors, half=False)
    ink = np.random.default_rng(1).integers(0, 256, (512, 512)).astype(np.uint8)
    photo, centres, person, inked = tensors(pixels, mask, landmarks, ink)
    with torch.no_grad():
        expected = net(photo, centres, person, ink=inked).drawing[0, 0].numpy()
    assert expected.std() > 0.2
    ours = native.forward(pixels, mask >= 128, ink, centres.numpy())
    assert np.abs(ours - expected).max() < 5e-3 and np.abs(ours - expected).mean() < 2e-5
    rounded = apdrawing_live.Network(held_of(net).tensors).forward(pixels, mask >= 128, ink, centres.numpy())
    assert np.abs(rounded - expected).mean() < 0.01


def test_the_style_starts_from_ink():
    """What an untrained network draws is nearly ink's own drawing, and each part of it is."""
    torch.manual_seed(3)
    net = models.create("apdrawing.small").eval()
    pixels, mask = portrait(2)
    landmarks = align.template(512)
    ink = np.where(np.random.default_rng(0).random((512, 512)) < 0.3, 0, 255).astype(np.uint8)
    photo, centres, person, inked = tensors(pixels, mask, landmarks, ink)
    with torch.no_grad():
        drawings = net(photo, centres, person, ink=inked)
    assert ((drawings.drawing < 0) == (inked < 0)).float().mean() > 0.99
    for part, seen in zip(
        (drawings.eyel, drawings.mouth), regions.crop(inked, centres, regions.region_sizes(512))[::3]
    ):
        assert part.shape == seen.shape and ((part < 0) == (seen < 0)).float().mean() > 0.99


def test_kernel_is_pixel_shuffle_and_a_binomial_filter():
    torch.manual_seed(1)
    head = apdrawing_small.Head(5, 2, 1.5)
    torch.nn.init.normal_(head.last)
    maps, bases = torch.randn(1, 5, 7, 7), [torch.randn(1, 1, 14, 14) for _ in range(2)]
    shuffled = F.pixel_shuffle(torch.einsum("ncyx,cp->npyx", maps, head.last), 2)
    line = torch.tensor(apdrawing_small.SMOOTH)
    smooth = F.conv2d(shuffled, torch.outer(line, line)[None, None], padding=1)
    expected = torch.tanh(smooth + 1.5 * (bases[0] + bases[1]))
    torch.testing.assert_close(head(maps, bases), expected, atol=1e-5, rtol=1e-5)


def test_the_right_eye_is_the_left_one_in_a_mirror():
    net = made(2)
    photo, mask = torch.rand(1, 3, 64, 64) * 2 - 1, torch.ones(1, 1, 64, 64)
    centres = torch.tensor([[[20, 24], [44, 24], [32, 36], [32, 46]]], dtype=torch.int32)
    ink = torch.rand(1, 1, 64, 64) * 2 - 1
    given = torch.cat([ink, mask, apdrawing_small.contrast(photo)], 1)
    features = torch.rand(1, 16, 32, 32)
    first = net._parts(given, features, centres)
    second = net._parts(given.flip(-1), features.flip(-1), torch.tensor([[[20, 24], [44, 24], [32, 36], [32, 46]]]))
    torch.testing.assert_close(first[0], second[1].flip(-1))
    torch.testing.assert_close(first[1], second[0].flip(-1))


def test_samples_do_not_mix():
    net = made(4)
    photo, mask = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 1, 64, 64)
    centres = torch.tensor([[[20, 24], [44, 24], [32, 36], [32, 46]]] * 2, dtype=torch.int32)
    with torch.no_grad():
        both = net(photo, centres, mask, ink=photo[:, :1]).drawing
        alone = net(photo[1:], centres[1:], mask[1:], ink=photo[1:, :1]).drawing
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def test_gradients_reach_every_weight():
    net = made(5).train()
    photo, mask = torch.rand(1, 3, 64, 64) * 2 - 1, torch.rand(1, 1, 64, 64)
    centres = torch.tensor([[[20, 24], [44, 24], [32, 36], [32, 46]]], dtype=torch.int32)
    drawings = net(photo, centres, mask, ink=photo[:, :1])
    sum(x.square().sum() for x in drawings).backward()
    missing = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.any()]
    assert not missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photo": torch.zeros(1, 3, 48, 48)}, "multiple of 32"),
        ({"ink": torch.zeros(1, 1, 32, 64)}, "ink: "),
        ({"mask": torch.zeros(1, 1, 32, 32)}, "mask: "),
    ],
)
def test_shapes_that_do_not_fit(change, message):
    given = {"photo": torch.zeros(1, 3, 64, 64), "centres": torch.zeros(1, 4, 2, dtype=torch.int32)}
    given |= {"mask": torch.ones(1, 1, 64, 64), "ink": torch.zeros(1, 1, 64, 64)}
    with pytest.raises(BadInput, match=message):
        models.create("apdrawing.small")(**(given | change))


def test_threads_share_a_style():
    style = style_of(held_of(made()))
    portraits = [portrait(seed) for seed in range(3)]
    alone = [style.draw_crop(pixels, mask, align.template(512)) for pixels, mask in portraits]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda given: style.draw_crop(*given, align.template(512)), portraits * 2))
    for drawing, expected in zip(together, alone * 2):
        np.testing.assert_array_equal(drawing, expected)


def test_threads_do_not_change_a_drawing():
    pixels, mask = portrait(1)
    held = held_of(made())
    one, two, five = (style_of(held, threads=n).draw_crop(pixels, mask, align.template(512)) for n in (1, 2, 5))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, five)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_draws():
    pixels, mask = portrait(2)
    style = style_of(held_of(made()), threads=2)
    expected = style.draw_crop(pixels, mask, align.template(512))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(style.draw_crop(pixels, mask, align.template(512))), daemon=True)
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join(timeout=60)
    assert child.exitcode == 0


def test_weight_files_of_either_network_draw(tmp_path):
    """A file of the small network, or of the paper's at any width, in the place of the shipped weights."""
    pixels, mask = portrait()
    small, full = tmp_path / "small.safetensors", tmp_path / "full.safetensors"
    weights.write(small, held_of(made()))
    net = models.create("apdrawing", ngf=2, levels=6)
    values = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    config = {"ngf": 2, "levels": 6, "norm": "per_image", "dropout": "off", "seed": 0, "fusion": "min"}
    weights.write(full, weights.Weights("apdrawing", "generator", config, values))
    for path, runtime in ((small, "native"), (full, "eager")):
        artist = Artist("apdrawing", weights=path)
        style = artist.style
        assert (artist.plan.runtime, style.engine.runtime) == (runtime, runtime)
        drawing = style.draw_crop(pixels, mask, align.template(512))
        assert drawing.shape == (512, 512) and drawing.dtype == np.uint8 and drawing.std() > 1
    wrong = tmp_path / "wrong.safetensors"
    weights.write(wrong, weights.Weights("apdrawing", "discriminators", {}, values))
    with pytest.raises(WeightsError, match="a generator of apdrawing expected"):
        Artist("apdrawing", weights=wrong)


def test_another_size_is_refused():
    style = style_of(held_of(made()))
    with pytest.raises(BadInput, match=r"\[512,512,3\] expected"):
        style.draw_crop(np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.uint8), align.template(256))
