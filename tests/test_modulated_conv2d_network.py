"""A whole synthesis network built on modulated_conv2d against the published code: images, gradients of every kind of
parameter, and the gradients of path length regularisation, which are second derivatives through nine layers."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="gradients need torch")
sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from bench_modulated_conv2d import ours  # noqa: E402
from peer_stylegan import filtered, grouped, scale  # noqa: E402
from synthesis import network_of, random_network, synthesis  # noqa: E402


def widened(image, taps):
    return filtered(image, taps, [2, 1, 2, 1], gain=4, up=2)


@pytest.fixture(scope="module")
def published(shared_dir):
    """State dict and values of a grey 32 px generator."""
    folder = shared_dir / "reference" / "stylegan2_g32"
    return np.load(folder / "g32_gray_cond_free_state.npz"), np.load(folder / "g32_gray_cond_free_io.npz")


class Generator:
    """The published generator in one dtype, its parameters as leaves."""

    def __init__(self, published, dtype):
        state, self.values = published
        self.state = {k: torch.from_numpy(state[k]).to(dtype).requires_grad_() for k in state.files}
        self.latents = self.value("ws_f64", dtype).requires_grad_()
        self.dtype = dtype

    def value(self, name, dtype=torch.float64):
        return torch.from_numpy(self.values[name]).to(dtype)

    def image(self):
        return synthesis(*network_of(self.state), self.latents, ours, widened, clamp=None)

    def compare(self, prefix, scalar, relative):
        """Gradients of scalar in all parameters that the published values name."""
        names = [k for k in self.values.files if k.startswith(f"{prefix}/synthesis")]
        grads = torch.autograd.grad(scalar, [self.state[k.partition("/")[2]] for k in names])
        for name, grad in zip(names, grads):
            expected = self.value(name)
            error = (grad - expected).abs().max()
            assert error <= relative * expected.abs().max(), f"{name}: {error / expected.abs().max():.1e}"
        assert names


DTYPES = [(torch.float64, 1e-9), (torch.float32, 2e-4)]


@pytest.mark.parametrize(("dtype", "relative"), DTYPES, ids=str)
def test_images_and_gradients(published, dtype, relative):
    generator = Generator(published, dtype)
    image = generator.image()
    assert (image - generator.value("img_const_f64")).abs().max() <= relative
    loss = (image * generator.value("grad/gimg", dtype)).sum()
    (grad,) = torch.autograd.grad(loss, generator.latents, retain_graph=True)
    expected = generator.value("grad/ws")
    assert (grad - expected).abs().max() <= relative * expected.abs().max()
    generator.compare("grad", loss, relative)


@pytest.mark.parametrize(("dtype", "relative"), DTYPES, ids=str)
def test_path_length_regularisation(published, dtype, relative):
    generator = Generator(published, dtype)
    image = generator.image()
    noise = generator.value("pl/noise_unit_normal", dtype) / image.shape[2]
    (slope,) = torch.autograd.grad((image * noise).sum(), generator.latents, create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()
    np.testing.assert_allclose(lengths.detach(), generator.value("pl/lengths"), rtol=relative)
    mean = 0.01 * lengths.detach().mean()  # after the first update, from zero, with decay 0.01
    np.testing.assert_allclose(mean, generator.value("pl/mean_after_first_update_decay0.01"), rtol=relative)
    penalty = (lengths - mean).square()
    np.testing.assert_allclose(penalty.detach(), generator.value("pl/penalty"), rtol=2 * relative)
    generator.compare("pl_grad_weight2", 2 * penalty.mean(), 5 * relative)


def test_the_peers_of_the_benchmark_give_the_same_image():
    constant, blocks = random_network(16)
    latents = torch.randn(2, 2 * len(blocks), 512, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine, *theirs = (synthesis(constant, blocks, latents, f, widened) for f in (ours, grouped, scale))
        narrow = synthesis(constant.bfloat16(), [b.to(torch.bfloat16) for b in blocks], latents, ours, widened)
    for image in theirs:
        torch.testing.assert_close(image, mine, rtol=1e-4, atol=1e-4)
    assert (narrow - mine).norm() <= 2e-2 * mine.norm()
