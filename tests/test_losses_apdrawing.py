"""Losses of APDrawingGAN: the authors' own values, slow definitions of equations 4 and 5, gradients, extremes."""

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the losses are torch functions")

from cases_apdrawing import face  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from pyapdraw import models  # noqa: E402
from pyapdraw.errors import BadInput  # noqa: E402
from pyapdraw.losses import apdrawing as losses  # noqa: E402
from pyapdraw.metrics.boundary import boundary_f, tone_difference  # noqa: E402
from pyapdraw.weights.apdrawing import PARTS  # noqa: E402

FORMS = [losses.distance_transform, losses.distance_transform_paper]


def sums(drawing, target, target_lines=None, drawing_lines=None, reach=math.inf):
    """Equations 4 and 5 pixel by pixel, in float64: distances to the nearest pixel of a colour by trying all."""
    height, width = drawing.shape

    def nearest(colour):
        places = np.argwhere(colour)
        grid = np.stack(np.mgrid[:height, :width], -1)[:, :, None]
        if not len(places):
            return np.full((height, width), min(reach, math.hypot(height, width)))
        return np.minimum(np.sqrt(((grid - places) ** 2).sum(-1)).min(-1), reach)

    def chamfer(one, other, lines):
        black, white = lines if lines is not None else (one < 0, one >= 0)
        return nearest(other < 0)[black].sum() + nearest(other >= 0)[white].sum()

    return chamfer(target, drawing, target_lines), chamfer(drawing, target, drawing_lines)


def images(rng, *shape):
    return torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float32))


def two_tone(x):
    return torch.where(x < 0, -1.0, 1.0)


def lines(rng, *shape):
    return losses.Lines(*(torch.from_numpy(rng.random(shape) < 0.6) for _ in range(2)))


# The authors' own values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "saved"), [("running", "eval"), ("per_image", "train_nodrop")])
def test_the_authors_own_losses_and_gradients(shared_dir, mode, saved):
    folder = shared_dir / "reference" / "apdrawing_width4"
    arrays = np.load(folder / "inputs.npz")
    photo, target, centres, mask = (torch.from_numpy(arrays[k])[None] for k in ("A", "B", "center", "mask2"))
    wanted = json.loads((folder / "losses.json").read_text())[saved]
    files = ("latest_net_gen.pt", "latest_net_dis.pt", "auxiliary")
    generator, discriminators, auxiliary = (models.load(folder / f, norm=mode) for f in files)
    drawings = generator(photo, centres, mask)

    fake = discriminators(photo, drawings.drawing.detach(), centres, mask)
    real = discriminators(photo, target, centres, mask)
    terms = losses.adversarial_discriminator(fake, real)
    sum(terms.values()).backward()
    near(2 * terms["fake"], wanted["D"]["loss_D_fake"])
    near(2 * terms["real"], wanted["D"]["loss_D_real"])
    near(terms["fake"] + terms["real"], wanted["D"]["loss_D"])
    near_gradients(discriminators, "discriminators", wanted["grad_norm_D"], 1e-3)

    discriminators.requires_grad_(False)
    chamfer = losses.distance_transform_official(drawings.drawing, target, auxiliary)
    assert chamfer.to_drawing.requires_grad and not chamfer.to_target.requires_grad
    logits = discriminators(photo, drawings.drawing, centres, mask)
    terms = losses.generator_losses(drawings, logits, target, centres, mask, chamfer)
    sum(terms.values()).backward()
    named = {"loss_G_GAN_local": "gan_local", "loss_G_L1": "l1", "loss_G_local": "local",
             "loss_G_chamfer": "dt_to_drawing", "loss_G_chamfer2": "dt_to_target"}  # fmt: skip
    for theirs, ours in named.items():
        near(terms[ours], wanted["G"][theirs])
    near(terms["gan"] + terms["gan_local"], wanted["G"]["loss_G_GAN"])
    near(sum(terms.values()), wanted["G"]["loss_G"])
    near_gradients(generator, "generator", wanted["grad_norm_G"], 1e-3 if mode == "running" else 1e-2)


def near(found, wanted, relative=1e-3):
    found = float(found.detach())
    assert abs(found - wanted) <= relative * abs(wanted), (found, wanted)


def near_gradients(net, part, wanted, relative):
    for name, ours in PARTS[part].items():
        squares = [p.grad.double().square().sum() for p in net.get_submodule(ours).parameters()]
        near(torch.stack(squares).sum().sqrt(), wanted[name], relative)


def test_the_authors_own_maps_and_regions(shared_dir):
    arrays = np.load(shared_dir / "reference" / "apdrawing_width4" / "inputs.npz")
    target, centres, mask = (torch.from_numpy(arrays[k])[None] for k in ("B", "center", "mask2"))
    for found, name in zip(losses.official_maps(target), ("dt1gt", "dt2gt")):
        np.testing.assert_allclose(found[0].numpy(), arrays[name], atol=1e-5)
    for name, found in losses.local_targets(target, centres, mask).items():
        wanted = arrays[("bg" if name == "background" else name) + "_B"]
        np.testing.assert_allclose(found[0].numpy(), wanted, atol=1e-6)


# Equations 4 and 5 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_two_tone_drawings_give_equations_4_and_5(form, seed, height, width, count):
    rng = np.random.default_rng(seed)
    drawing, target = (two_tone(images(rng, count, 1, height, width) + rng.uniform(-1, 1)) for _ in range(2))
    wanted = np.mean([sums(d[0].numpy(), t[0].numpy()) for d, t in zip(drawing, target)], 0)
    found = form(drawing, target)
    np.testing.assert_allclose([float(v) for v in found], wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(float(found.total), wanted.sum(), rtol=1e-5, atol=1e-5)
    swapped = form(target, drawing)  # the two halves change places
    np.testing.assert_allclose([float(v) for v in swapped], wanted[::-1], rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.5, 9))
def test_paper_form_with_line_sets_and_reach(seed, reach):
    rng = np.random.default_rng(seed)
    drawing, target = images(rng, 1, 1, 8, 7), images(rng, 1, 1, 8, 7)
    of_target, of_drawing = lines(rng, 1, 1, 8, 7), lines(rng, 1, 1, 8, 7)
    found = losses.distance_transform_paper(
        drawing, target, target_lines=of_target, drawing_lines=of_drawing, reach_px=reach
    )
    sets = [[m[0, 0].numpy() for m in each] for each in (of_target, of_drawing)]
    wanted = sums(drawing[0, 0].numpy(), target[0, 0].numpy(), *sets, reach)
    np.testing.assert_allclose([float(v) for v in found], wanted, rtol=1e-5)


def test_soft_form_weighs_by_membership():
    drawing, target = torch.tensor([[[[0.4, -0.2, -1.0, 1.0]]]]), torch.tensor([[[[-1.0, 1.0, -1.0, 1.0]]]])
    drawing.requires_grad_()
    first, second = losses.distance_transform(drawing, target)
    # Pixel 0 is paper where ink should be: ink of the drawing is 1 px away, and so is paper in the target.
    # Pixel 1 is ink where paper should be: paper of the drawing is 1 px away, ink of the target 1 px.
    assert first.item() == pytest.approx(0.7 + 0.6) and second.item() == pytest.approx(0.7 + 0.6)
    first.backward()
    assert torch.allclose(drawing.grad, torch.tensor([[[[0.5, -0.5, 0.0, 0.0]]]]))


def test_lines_count_where_the_colour_agrees():
    rng = np.random.default_rng(0)
    drawing, target = two_tone(images(rng, 1, 1, 9, 9)), two_tone(images(rng, 1, 1, 9, 9))
    of_target, of_drawing = lines(rng, 1, 1, 9, 9), lines(rng, 1, 1, 9, 9)
    found = losses.distance_transform(drawing, target, target_lines=of_target, drawing_lines=of_drawing)
    agreeing = [
        losses.Lines(s.black & (x < 0), s.white & (x >= 0)) for s, x in ((of_target, target), (of_drawing, drawing))
    ]
    wanted = sums(drawing[0, 0].numpy(), target[0, 0].numpy(), *[[m[0, 0].numpy() for m in s] for s in agreeing])
    np.testing.assert_allclose([float(v) for v in found], wanted, rtol=1e-5)
    everything = losses.Lines(*[torch.ones(1, 1, 9, 9, dtype=torch.bool)] * 2)
    assert losses.distance_transform(drawing, target, target_lines=everything) == losses.distance_transform(
        drawing, target
    )


@pytest.mark.parametrize("with_lines", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_gradient_of_the_soft_form(form, with_lines):
    rng = np.random.default_rng(3)
    drawing, target = (images(rng, 2, 1, 6, 7).double() for _ in range(2))
    drawing = torch.where(drawing.abs() < 0.01, 0.5, drawing).requires_grad_()  # no sign changes within the step
    options = {"target_lines": lines(rng, 2, 1, 6, 7), "drawing_lines": lines(rng, 2, 1, 6, 7)} if with_lines else {}

    def soft(x):
        return tuple(losses.distance_transform(x, target, **options))

    assert torch.autograd.gradcheck(soft, (drawing,))
    for half in range(2):  # the paper's form passes on the same gradient; each half has one of its own
        mine, ours = (
            torch.autograd.grad(f(drawing, target, **options)[half], drawing)[0]
            for f in (form, losses.distance_transform)
        )
        assert torch.equal(mine, ours) and mine.abs().sum() > 0


def test_gradient_descent_moves_a_line_and_removes_a_spot():
    target = torch.ones(1, 1, 24, 24)
    target[..., 5:19, 8] = -1
    free = torch.full((1, 1, 24, 24), 0.3)
    free[..., 5:19, 11] = -0.3  # the line, three pixels off
    free[..., 20:22, 20:22] = -0.3  # and a spot that should not be there
    free.requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.05)
    start = losses.distance_transform_paper(torch.tanh(free), target).total.item()
    for _ in range(60):
        optimiser.zero_grad()
        losses.distance_transform(torch.tanh(free), target).total.backward()
        optimiser.step()
    end = losses.distance_transform_paper(torch.tanh(free), target).total.item()
    assert start > 100 and end == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("target", [-1.0, 1.0])
@pytest.mark.parametrize("drawing", [-1.0, 0.9])
def test_constant_images_give_finite_losses(form, drawing, target):
    x, t = torch.full((1, 1, 12, 16), drawing, requires_grad=True), torch.full((1, 1, 12, 16), target)
    found = form(x, t)
    found.total.backward()
    assert torch.isfinite(found.total) and torch.isfinite(x.grad).all()
    assert (found.total == 0) == (drawing * target > 0)
    if found.total:
        assert found.to_drawing >= 0.95 * 12 * 16 * 20 * (0.95 if form is FORMS[0] else 1)  # the diagonal is 20 px
        assert (x.grad.sign() == (1 if drawing > 0 else -1)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_half_precision_does_not_overflow(form, dtype):
    side = 256
    drawing, target = torch.ones(1, 1, side, side, dtype=dtype).requires_grad_(), torch.ones(1, 1, side, side)
    target[..., :100] = -1  # 25,600 pixels of ink, all far from the one that the drawing has
    with torch.no_grad():
        drawing[..., -1, -1] = -1
    found = form(drawing, target)
    wanted = form(drawing.detach().float(), target)
    assert found.to_drawing.dtype == torch.float32 and found.to_drawing > 65504
    torch.testing.assert_close(tuple(found), tuple(wanted))
    found.total.backward()
    assert drawing.grad.dtype == dtype and torch.isfinite(drawing.grad).all()


def test_batch_is_the_mean_of_its_samples():
    rng = np.random.default_rng(5)
    drawing, target = images(rng, 3, 1, 9, 11), images(rng, 3, 1, 9, 11)
    for form in FORMS:
        alone = torch.stack([torch.stack(tuple(form(d[None], t[None]))) for d, t in zip(drawing, target)]).mean(0)
        torch.testing.assert_close(torch.stack(tuple(form(drawing, target))), alone)


def test_official_maps_of_a_constant_drawing_are_nan_as_published():
    near_ink, near_paper = losses.official_maps(torch.ones(1, 1, 8, 8))
    assert (near_ink == 1).all() and near_paper.isnan().all()


def test_official_form_selects_and_sums():
    auxiliary = models.create("apdrawing.auxiliary", ngf=1, levels=5)
    drawing, target = (images(np.random.default_rng(i), 2, 1, 32, 32) for i in range(2))
    drawing.requires_grad_()
    with torch.no_grad():
        black = (target < 0) & (auxiliary("ink_lines", target) < 0)
        white = (target >= 0) & (auxiliary("paper_lines", target) >= 0)
        wanted = (
            sum(((auxiliary(n, drawing) + 1) / 2)[m].sum() for n, m in (("to_ink", black), ("to_paper", white))) / 2
        )
    found = losses.distance_transform_official(drawing, target, auxiliary)
    torch.testing.assert_close(found.to_drawing, wanted)
    assert found.to_drawing.requires_grad and not found.to_target.requires_grad
    squared = losses.distance_transform_official(drawing, target, auxiliary, remap=torch.square)
    assert 0 < squared.to_drawing < found.to_drawing and 0 < squared.to_target < found.to_target


# The other terms ------------------------------------------------------------------------------------------------------


def test_adversarial_terms_are_cross_entropies_of_probabilities():
    rng = np.random.default_rng(0)
    names = ("whole", *losses.regions.LOCALS)
    fake, real = ({n: images(rng, 2, 1, 5, 4) * 3 for n in names} for _ in range(2))

    def entropy(x, label):
        return torch.nn.functional.binary_cross_entropy(torch.sigmoid(x.double()), torch.full_like(x, label).double())

    found = losses.adversarial_discriminator(fake, real)
    near(found["fake"], 0.5 * sum(entropy(x, 0.0) for x in fake.values()).item(), 1e-5)
    near(found["real"], 0.5 * sum(entropy(x, 1.0) for x in real.values()).item(), 1e-5)
    found = losses.adversarial_generator(fake)
    near(found["gan"], entropy(fake["whole"], 1.0).item(), 1e-5)
    near(found["gan_local"], 0.25 * sum(entropy(fake[n], 1.0) for n in names[1:]).item(), 1e-5)
    sure = {n: torch.full((1, 1, 2, 2), -200.0, dtype=torch.float16, requires_grad=True) for n in names}
    assert losses.adversarial_generator(sure)["gan"] == 200  # no logarithm of zero


def test_pixelwise_and_local_transfer():
    drawings = models.create("apdrawing", ngf=2, levels=6).eval()
    photo, centres, mask, target = face(2, 64)
    with torch.no_grad():
        out = drawings(photo, centres, mask)
    targets = losses.local_targets(target, centres, mask)
    assert list(targets) == list(out.local) == ["eyel", "eyer", "nose", "mouth", "hair", "background"]
    assert all(out.local[n].shape == targets[n].shape for n in targets)
    assert (targets["hair"] + targets["background"] <= target.abs()).all()
    found = losses.local_transfer(out.local, targets)
    wanted = sum(np.abs(out.local[n].double().numpy() - targets[n].double().numpy()).mean() for n in targets)
    near(found, wanted, 1e-5)
    near(losses.pixelwise(out.drawing, target), np.abs(out.drawing.numpy() - target.numpy()).mean(), 1e-5)
    assert losses.local_transfer(targets, targets) == 0


def test_terms_of_the_whole_and_their_weights():
    photo, centres, mask, target = face(1, 64)
    generator = models.create("apdrawing", ngf=2, levels=6)
    judge = models.create("apdrawing.discriminators", ndf=2, layers=1)
    out = generator(photo, centres, mask)
    logits = judge(photo, out.drawing, centres, mask)
    chamfer = losses.distance_transform(out.drawing, target)
    plain = losses.LossWeights(1, 1, 1, 1)
    ones = losses.generator_losses(out, logits, target, centres, mask, chamfer, plain)
    full = losses.generator_losses(out, logits, target, centres, mask, chamfer)
    weights = {"gan": 1, "gan_local": 0.25, "l1": 100, "local": 25, "dt_to_drawing": 0.1, "dt_to_target": 0.1}
    for name, weight in weights.items():
        torch.testing.assert_close(full[name], weight * ones[name])
    assert set(losses.generator_losses(out, logits, target, centres, mask, None)) == set(weights) - {
        "dt_to_drawing", "dt_to_target"
    }  # fmt: skip
    sum(full.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in generator.parameters())


def strokes(seed, side=96):
    """A two-tone drawing of blots, float32 [1,1,side,side]."""
    random = torch.Generator().manual_seed(seed)
    rough = torch.nn.functional.interpolate(torch.randn(1, 1, 12, 12, generator=random), (side, side), mode="bilinear")
    return torch.where(rough > 0, 1.0, -1.0)


def bytes_of(drawing):
    return ((drawing[0, 0] + 1) * 127.5).round().to(torch.uint8).numpy()


def test_boundary_is_the_metric_for_two_tones():
    drawing, target = strokes(1), strokes(1).roll((1, 3), (2, 3))
    expected = 1 - boundary_f(bytes_of(drawing), bytes_of(target))
    assert 0.1 < expected < 0.9
    assert float(losses.boundary(drawing, target, steepness=50)) == pytest.approx(expected, abs=1e-3)
    assert float(losses.boundary(target, target, steepness=50)) < 1e-3
    both = losses.boundary(torch.cat([drawing, target]), torch.cat([target, target]), steepness=50)
    assert float(both) == pytest.approx(expected / 2, abs=1e-3)


def test_boundary_prefers_a_line_off_by_a_pixel_to_a_blurred_one():
    target = torch.ones(1, 1, 32, 32)
    target[..., 10:14] = -1
    blurred = torch.nn.functional.avg_pool2d(target, 9, 1, 4, count_include_pad=False)
    assert losses.pixelwise(blurred, target) < 2 * losses.pixelwise(target.roll(1, -1), target) + 0.2
    assert losses.boundary(target.roll(1, -1), target) < 0.6 * losses.boundary(blurred, target)


def test_boundary_pulls_a_faint_line_into_the_drawing():
    target = torch.ones(1, 1, 32, 32)
    target[..., 10:14] = -1
    drawing = torch.where(target < 0, 0.2, 1.0).requires_grad_()
    losses.boundary(drawing, target).backward()
    assert (drawing.grad[..., [10, 13]] > 0).all() and float(drawing.grad[..., 20:].abs().max()) < 1e-3


@pytest.mark.parametrize("ink", [-1.0, 1.0])
def test_boundary_of_constant_drawings_is_finite(ink):
    drawing = torch.full((1, 1, 16, 16), ink, requires_grad=True)
    loss = losses.boundary(drawing, strokes(0, 16))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(drawing.grad).all()


def test_tone_is_near_the_metric():
    for seed in range(3):
        drawing, target = strokes(seed), strokes(seed + 9)
        expected = tone_difference(bytes_of(drawing), bytes_of(target))
        assert float(losses.tone(drawing, target)) == pytest.approx(expected, rel=0.25)
    assert float(losses.tone(target, target)) == 0


def test_terms_of_our_own_come_with_their_weights():
    photo, centres, mask, target = face(1, 64)
    out = models.create("apdrawing.small")(photo, centres, mask, ink=photo[:, :1])
    given = losses.LossWeights(l1=2, local=0, between=3, boundary=5, tone=7)
    terms = losses.generator_losses(out, None, target, centres, mask, None, given)
    assert set(terms) == {"l1", "between", "boundary", "tone"}
    torch.testing.assert_close(terms["boundary"], 5 * losses.boundary(out.drawing, target))
    torch.testing.assert_close(terms["tone"], 7 * losses.tone(out.drawing, target))


@pytest.mark.parametrize("form", [*FORMS, losses.pixelwise, losses.boundary, losses.tone])
def test_bad_input(form):
    good = torch.zeros(1, 1, 8, 8)
    for drawing, target in ((good, good[..., :4]), (good > 0, good), (good[0, 0], good[0, 0])):
        with pytest.raises(BadInput, match="target"):
            form(drawing, target)


@pytest.mark.parametrize("reach", [0, -1, math.nan, math.inf])
def test_bad_reach(reach):
    with pytest.raises(BadInput, match="reach_px"):
        losses.distance_transform(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), reach_px=reach)


def test_bad_seeds_of_the_official_form():
    auxiliary = models.create("apdrawing.auxiliary", ngf=1, levels=5, dropout="seeded")
    x = torch.zeros(1, 1, 32, 32)
    with pytest.raises(BadInput, match="seeds: 2 given, 6 expected"):
        losses.distance_transform_official(x, x, auxiliary, seeds=[1, 2])
