"""fuse_regions against the official order of operations: values, gradients at ties, geometry, layouts, torch."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_fuse_regions import portrait
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_fuse_regions import fuse_regions as reference
from reference_fuse_regions import official_torch, outside_rectangles, published_torch

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import fuse_regions
from pyapdraw.ops._arrays import EMPTY

modes = st.sampled_from(["min", "max"])


@st.composite
def inputs(draw, centre_types=("int32", "int64", "float32", "float64"), tie_rich=None):
    n, c = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    height, width = draw(st.integers(0, 12)), draw(st.sampled_from([0, 1, 7, 15, 16, 17, 31, 33, 50, 70]))
    sides = st.integers(0, 12)
    sizes = [(draw(sides), 3 * draw(sides)) for _ in range(4)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    few = draw(st.booleans()) if tie_rich is None else tie_rich

    def image(*shape):  # few different values give many ties, with the extension as well
        values = (rng.integers(-4, 5, shape) / 2 if few else rng.uniform(-1.2, 1.2, shape)).astype(np.float32)
        if not few:
            values[rng.random(shape) < 0.01] = draw(st.sampled_from([0.0, np.nan, np.inf, -np.inf]))
        return values

    centres = rng.uniform(-12, (width + 12, height + 12), (n, 4, 2)).astype(draw(st.sampled_from(centre_types)))
    kind = draw(st.sampled_from(["bool", "uint8", "float32", "soft"]))
    mask = rng.random((n, 2 if kind == "soft" else 1, height, width))
    if kind == "soft":  # 0 and 1 often, as outside of the borders
        mask = np.clip(np.round(mask * 8 if few else mask * 1.4 - 0.2, 0 if few else 7) / (8 if few else 1), 0, 1)
    mask = (mask > 0.4) * (255 if kind == "uint8" else 1) if kind in ("bool", "uint8") else mask
    parts = [image(n, c, *s) for s in sizes]
    dtype = "float32" if kind == "soft" else kind
    return parts, centres, image(n, c, height, width), image(n, c, height, width), mask.astype(dtype)


@settings(max_examples=1000, deadline=None)
@given(inputs(), layouts, layouts, st.integers(1, 3), modes)
def test_is_the_official_order_for_any_shape_and_layout(given_inputs, layout, out_layout, threads, mode):
    parts, centres, hair, background, mask = given_inputs
    out = Guarded(hair.shape, np.float32, out_layout if out_layout != "transposed" else "plain")
    won = Guarded(hair.shape, np.uint8)
    strange = [laid_out(x, layout) for x in (*parts, centres, hair, background, mask)]
    _C.fuse_regions(*strange, out.view, won.view, mode, _C.Context(threads=threads))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(out.view, reference(parts, centres, hair, background, mask, mode))
    out.check()
    won.check()
    without = np.full_like(hair, 7)
    _C.fuse_regions(*parts, centres, hair, background, mask, without, EMPTY, mode)
    np.testing.assert_array_equal(without, out.view)


def test_official_values(shared_dir):
    folder = shared_dir / "reference" / "apdrawing_width4"
    given, expected = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    parts = [expected[f"eval/fake_B_{k}"][None] for k in ("eyel", "eyer", "nose", "mouth")]
    hair, background = expected["eval/fake_B_hair"][None], expected["eval/fake_B_bg"][None]
    for centres in (given["center"], given["center"] + 0.75):  # truncated, as in the official training data
        fused = fuse_regions(parts, centres[None], hair, background, given["mask2"][None])
        np.testing.assert_array_equal(fused[0], expected["eval/fake_B1"])


def test_rectangles_follow_the_truncation_rule():
    parts = [np.full((1, 1, 2, 4), v, np.float32) for v in (-0.1, -0.2, -0.3, -0.4)]
    white = np.ones((1, 1, 8, 12), np.float32)
    centres = np.array([[[4.9, 2.9], [-0.9, 7.0], [np.nan, 4.0], [1e30, -np.inf]]])
    out = fuse_regions(parts, centres, white, white, white)[0, 0]
    expected = np.ones((8, 12), np.float32)
    expected[1:3, 2:6] = -0.1  # x 4 - 2, y 2 - 1
    expected[6:8, 0:2] = -0.2  # x 0 - 2, cut off
    np.testing.assert_array_equal(out, expected)


def test_hair_is_white_inside_rectangles_and_background_is_not():
    parts = [np.full((1, 1, 2, 2), 0.5, np.float32)] * 4
    hair, background = np.full((1, 1, 4, 4), -1, np.float32), np.full((1, 1, 4, 4), -0.5, np.float32)
    centres = np.full((1, 4, 2), 2)
    person = np.ones((1, 1, 4, 4), bool)
    out = fuse_regions(parts, centres, hair, background, person)[0, 0]
    np.testing.assert_array_equal(out[1:3, 1:3], 0.5)
    assert out[0, 0] == -1
    person[...] = False
    np.testing.assert_array_equal(fuse_regions(parts, centres, hair, background, person)[0, 0], -0.5)


def test_soft_mask_is_cut_at_one_half_and_nan_wins():
    parts, centres = [np.ones((1, 1, 0, 0), np.float32)] * 4, np.zeros((1, 4, 2), np.int32)
    hair, background = np.zeros((1, 1, 1, 4), np.float32), np.full((1, 1, 1, 4), 2, np.float32)
    mask = np.array([0.5, np.nextafter(np.float32(0.5), 0), np.nan, 1], np.float32).reshape(1, 1, 1, 4)
    hair[..., 3] = np.nan
    np.testing.assert_array_equal(fuse_regions(parts, centres, hair, background, mask)[0, 0, 0], [0, 1, 1, np.nan])


def test_float16_where_the_backend_has_it(pytestconfig):
    *given, mask = portrait(2, 70)
    parts, centres, hair, background = ([p.astype(np.float16) for p in given[0]], given[1], *map(np.float16, given[2:]))
    if pytestconfig.getoption("device") not in ("emulated", "cuda"):
        with pytest.raises(BadInput, match=r"hair: dtype float16 given, .* \(on a CUDA device\) float16 expected"):
            fuse_regions(parts, centres, hair, background, mask)
        return
    for mode in ("min", "max"):
        out = fuse_regions(parts, centres, hair, background, mask, mode=mode)
        assert out.dtype == np.float16
        np.testing.assert_array_equal(out, reference(parts, centres, hair, background, mask, mode))


def test_any_number_of_threads_gives_the_same_bits():
    parts, centres, hair, background, mask = portrait(3, 200)
    outs = [np.empty_like(hair) for _ in range(4)]
    for out, threads in zip(outs, (1, 2, 3, 8)):
        _C.fuse_regions(*parts, centres, hair, background, mask, out, EMPTY, "min", _C.Context(threads=threads))
    assert all(o.tobytes() == outs[0].tobytes() for o in outs)


@pytest.mark.parametrize("shift", [0, 1, 5, 16])
def test_large_outputs_go_past_the_cache_unchanged(shift):
    parts, centres, hair, background, mask = portrait(9)
    expected = np.concatenate(
        [
            fuse_regions([p[i : i + 1] for p in parts], *(x[i : i + 1] for x in rest))
            for i in range(9)
            for rest in [(centres, hair, background, mask)]
        ]
    )
    memory = np.full(hair.size + 32, 7, np.float32)
    out = memory[shift : shift + hair.size].reshape(hair.shape)  # lines of the cache begin elsewhere
    fuse_regions(parts, centres, hair, background, mask, out=out)
    np.testing.assert_array_equal(out, expected)
    assert (memory[:shift] == 7).all() and (memory[shift + hair.size :] == 7).all()


def test_largest_value_is_the_smallest_with_all_signs_turned():
    parts, centres, hair, background, mask = portrait(2, 100)
    turned = fuse_regions([-p for p in parts], centres, -hair, -background, mask)
    np.testing.assert_array_equal(fuse_regions(parts, centres, hair, background, mask, mode="max"), -turned)


def test_weights_of_zero_and_one_are_a_mask():
    parts, centres, hair, background, mask = portrait(2, 100)
    outside = np.stack([outside_rectangles([p[n] for p in parts], centres[n], 100, 100) for n in range(2)])[:, None]
    weights = np.concatenate([mask * outside, 1 - mask], 1)
    np.testing.assert_array_equal(
        fuse_regions(parts, centres, hair, background, weights), fuse_regions(parts, centres, hair, background, mask)
    )


def test_soft_weights_blend_to_white():
    parts, centres = [np.ones((1, 1, 0, 0), np.float32)] * 4, np.zeros((1, 4, 2), np.int32)
    hair, background = np.full((1, 1, 1, 3), -1, np.float32), np.zeros((1, 1, 1, 3), np.float32)
    weights = np.array([[1, 0.5, 0.25], [0, 0.5, 1]], np.float32).reshape(1, 2, 1, 3)
    np.testing.assert_array_equal(fuse_regions(parts, centres, hair, background, weights)[0, 0, 0], [-1, 0, 0])


def test_the_published_sequence_gives_the_same():
    torch = pytest.importorskip("torch", reason="the published sequence is torch code")
    parts, centres, hair, background, mask = portrait(2)
    outside = np.stack([outside_rectangles([p[n] for p in parts], centres[n], 512, 512) for n in range(2)])[:, None]
    tensors = [torch.from_numpy(x) for x in (hair, background, outside.astype(np.float32), mask)]
    theirs = published_torch([torch.from_numpy(p) for p in parts], centres.tolist(), *tensors).numpy()
    # Theirs passes through [0,1] and back, which rounds.
    np.testing.assert_allclose(theirs, fuse_regions(parts, centres, hair, background, mask), atol=2e-7)


WRONG = {
    "three parts": (lambda a: a.update(parts=a["parts"][:3]), "parts: 3 images given, 4 expected"),
    "part of another batch": (lambda a: a["parts"].__setitem__(2, a["parts"][2][:0]), r"parts\[2\]: shape \[0,"),
    "part of another dtype": (
        lambda a: a["parts"].__setitem__(1, a["parts"][1].astype(np.float64)),
        r"parts\[1\]: dtype",
    ),
    "centres of another shape": (lambda a: a.update(centres=a["centres"][:, :3]), r"centres: shape \[1,3,2\] given"),
    "uint8 centres": (lambda a: a.update(centres=a["centres"].astype(np.uint8)), "centres: dtype uint8 given"),
    "hair without batch": (lambda a: a.update(hair=a["hair"][0]), r"hair: shape \[1,64,64\] given, 4 axes"),
    "float64 hair": (lambda a: a.update(hair=a["hair"].astype(np.float64)), "hair: dtype float64 given"),
    "smaller background": (lambda a: a.update(background=a["background"][..., 1:]), "background: shape"),
    "mask without channel": (lambda a: a.update(mask=a["mask"][:, 0]), r"mask: shape \[1,64,64\] given, \[1,1,64,64\]"),
    "three weights": (lambda a: a.update(mask=a["mask"].repeat(3, 1)), r"mask: shape \[1,3,64,64\] given"),
    "weights of bytes": (
        lambda a: a.update(mask=a["mask"].repeat(2, 1).astype(np.uint8)),
        "mask: dtype uint8 given, float32",
    ),
    "unknown mode": (lambda a: a.update(mode="mean"), "mode: 'mean' given, one of 'min', 'max' expected"),
    "int32 mask": (lambda a: a.update(mask=a["mask"].astype(np.int32)), "mask: dtype int32 given"),
    "out is hair": (lambda a: a.update(out=a["hair"]), "out: shares memory with hair"),
    "a list": (lambda a: a.update(hair=[1.0]), "hair: list given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name):
    arguments = dict(zip(("parts", "centres", "hair", "background", "mask"), portrait(1, 64)))
    spoil, said = WRONG[name]
    spoil(arguments)
    with pytest.raises(BadInput, match=said):
        fuse_regions(**arguments)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def tensors(self, torch, arrays, dtype="float32"):
        parts, centres, hair, background, mask = arrays
        leaf = [torch.from_numpy(x).to(getattr(torch, dtype)).requires_grad_() for x in (*parts, hair, background)]
        return leaf, torch.from_numpy(centres), torch.from_numpy(mask)

    @settings(max_examples=500, deadline=None)
    @given(inputs(tie_rich=True), st.sampled_from(["float32", "bfloat16"]), st.integers(0, 99), modes)
    def test_gradient_is_that_of_the_official_order_at_ties_too(self, given_inputs, dtype, seed, mode):
        import torch

        leaf, centres, mask = self.tensors(torch, given_inputs, dtype)
        fused = fuse_regions(leaf[:4], centres, leaf[4], leaf[5], mask, mode=mode)
        expected = official_torch(leaf[:4], centres, leaf[4], leaf[5], mask, mode) if len(leaf[4]) else leaf[4]
        assert torch.equal(fused, expected)
        weight = torch.from_numpy(np.random.default_rng(seed).normal(size=fused.shape)).to(fused.dtype)
        mine = torch.autograd.grad(fused, leaf, weight)
        theirs = torch.autograd.grad(expected, leaf, weight, allow_unused=True)
        for i, (a, b) in enumerate(zip(mine, theirs)):
            assert torch.equal(a, torch.zeros_like(a) if b is None else b), i

    def test_gradcheck(self, torch):
        # Values at least 0.05 apart: finite differences stay on one side of every minimum, so float32 is enough.
        rng = np.random.default_rng(0)
        shapes = [(1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5), (1, 2, 7, 9), (1, 2, 7, 9)]
        total = sum(int(np.prod(s)) for s in shapes)
        values = rng.permutation(total).astype(np.float32) * 0.05 - 0.05 * total
        leaf = [
            torch.from_numpy(v.reshape(s))
            for v, s in zip(np.split(values, np.cumsum([np.prod(s) for s in shapes])[:-1]), shapes)
        ]
        leaf = [x.requires_grad_() for x in leaf]
        centres = torch.tensor([[[2, 2], [5, 2], [4, 4], [4, 6]]])
        mask = torch.from_numpy(rng.random((1, 1, 7, 9)) < 0.6)

        def fused(*x):
            return fuse_regions(x[:4], centres, x[4], x[5], mask)

        with pytest.warns(UserWarning, match="double precision"):
            assert torch.autograd.gradcheck(fused, leaf, eps=0.02, atol=1e-3, rtol=1e-3)

    def test_same_as_numpy_and_winners_only_where_needed(self, torch):
        arrays = portrait(2, 96)
        leaf, centres, mask = self.tensors(torch, arrays)
        with torch.no_grad():
            out = fuse_regions(leaf[:4], centres, leaf[4], leaf[5], mask)
            given = torch.empty_like(out)
            assert fuse_regions(leaf[:4], centres, leaf[4], leaf[5], mask, out=given) is given
        assert not out.requires_grad
        np.testing.assert_array_equal(out.numpy(), fuse_regions(*arrays))
        np.testing.assert_array_equal(given.numpy(), out.numpy())
        with pytest.raises(BadInput, match="out: given together with inputs that require a gradient"):
            fuse_regions(leaf[:4], centres, leaf[4], leaf[5], mask, out=given)

    def test_channels_last_and_expanded_gradient(self, torch):
        leaf, centres, mask = self.tensors(torch, portrait(2, 64, channels=3))
        last = [x.detach().to(memory_format=torch.channels_last).requires_grad_() for x in leaf]
        for x in (leaf, last):
            fuse_regions(x[:4], centres, x[4], x[5], mask).sum().backward()  # sum gives a stride-0 gradient
        assert all(torch.equal(a.grad, b.grad) for a, b in zip(leaf, last))

    def test_operators_are_well_formed(self, torch):
        leaf, centres, mask = self.tensors(torch, portrait(2, 32))
        fuse_regions(leaf[:4], centres, leaf[4], leaf[5], mask)
        ops = torch.ops.pyapdraw
        torch.library.opcheck(ops.fuse_regions.default, (*leaf[:4], centres, leaf[4], leaf[5], mask, True, "min"))
        won = torch.randint(0, 255, leaf[4].shape, dtype=torch.uint8)
        sizes = [side for p in leaf[:4] for side in p.shape[-2:]]
        weights = torch.rand(2, 2, 32, 32)
        soft = (*leaf[:4], centres, leaf[4], leaf[5], weights, True, "max")
        torch.library.opcheck(ops.fuse_regions.default, soft)
        for factors in (weights, weights.new_empty(0)):
            torch.library.opcheck(ops.fuse_regions_backward.default, (leaf[4].detach(), won, centres, factors, sizes))

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_compiles_into_one_graph(self, torch, backend):
        leaf, centres, mask = self.tensors(torch, portrait(1, 64))

        def step(*x):
            return (fuse_regions(x[:4], centres, x[4], x[5], mask, mode="max") * 2).square().mean()

        compiled = torch.compile(step, fullgraph=True, backend=backend)(*leaf)
        expected = step(*leaf)
        torch.testing.assert_close(compiled, expected)
        for a, b in zip(torch.autograd.grad(compiled, leaf), torch.autograd.grad(expected, leaf)):
            torch.testing.assert_close(a, b)
