"""The networks of APDrawingGAN against a second definition, the authors' own values, and what they promise."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the models are torch modules")

import reference_apdrawing as reference  # noqa: E402
from cases_apdrawing import TEMPLATE, distances, face, filled  # noqa: E402

from pyapdraw import models, weights  # noqa: E402
from pyapdraw.errors import BadInput, WeightsError  # noqa: E402
from pyapdraw.models import apdrawing, layers, regions  # noqa: E402
from pyapdraw.weights import apdrawing as layout  # noqa: E402

SWAPPED = torch.from_numpy(TEMPLATE[[1, 0, 2, 3, 4]])[None]  # the right eye first
SMALL = {"ngf": 4, "levels": 6}
MODES = ["running", "per_image"]
WITHIN = {"running": 2e-4, "per_image": 1e-4}


def made(**config):
    torch.manual_seed(0)
    return models.create("apdrawing", **{**SMALL, **config}).eval()


@pytest.fixture(scope="module")
def official_nets():
    return reference.randomise(reference.generator(**SMALL))


@pytest.fixture(scope="module")
def official_file(official_nets, tmp_path_factory):
    path = tmp_path_factory.mktemp("official") / "latest_net_gen.pt"
    torch.save(reference.checkpoint(official_nets), path)
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [64, 256])
def test_every_drawing_is_that_of_the_published_nesting(official_nets, official_file, mode, side):
    photo, centres, mask, _ = face(side=side)
    nets = copy.deepcopy(official_nets)  # training mode changes their running statistics
    with torch.no_grad():
        wanted = reference.draw(reference.settings(nets, mode), photo, centres, mask, apdrawing.region_sizes(side))
        found = models.load(official_file, norm=mode)(photo, centres, mask)
    for name, field in reference.FIELDS.items():
        torch.testing.assert_close(getattr(found, field), wanted[name], atol=WITHIN[mode] / 4, rtol=0)
    assert found.drawing.std() > 0.05  # nothing saturated or blank, or the comparison would mean little


@pytest.mark.parametrize(("mode", "saved"), [("running", "eval"), ("per_image", "train_nodrop")])
def test_the_authors_own_drawings(shared_dir, mode, saved):
    folder = shared_dir / "reference" / "apdrawing_width4"
    given, wanted = np.load(folder / "inputs.npz"), np.load(folder / "outputs.npz")
    photo, centres, mask = (torch.from_numpy(given[k])[None] for k in ("A", "center", "mask2"))
    with torch.no_grad():
        found = models.load(folder / "latest_net_gen.pt", norm=mode)(photo, centres, mask)
    compared = [name for name in reference.FIELDS if f"{saved}/{name}" in wanted]
    assert "fake_B" in compared
    for name in compared:
        off = np.abs(getattr(found, reference.FIELDS[name])[0].numpy() - wanted[f"{saved}/{name}"]).max()
        assert off <= WITHIN[mode], name


@pytest.mark.parametrize("ngf", [4, 16])
def test_per_image_drawings_are_those_of_float64(ngf):
    """Whatever the width, the threads and the batch, and whether a gradient is recorded or not."""
    nets = reference.randomise(reference.generator(ngf=ngf, levels=8))
    net = filled(models.create("apdrawing", ngf=ngf, levels=8), nets, layout)
    photo, centres, mask, _ = face(2, 256)
    reference.settings({name: n.double() for name, n in nets.items()}, "per_image")
    wanted, sizes = [], apdrawing.region_sizes(256)
    with torch.no_grad():
        for i in range(2):
            exact = reference.draw(nets, photo[i, None].double(), centres[i, None], mask[i, None].double(), sizes)
            wanted.append({field: exact[name] for name, field in reference.FIELDS.items()})
    found = distances(lambda n: net(photo[:n], centres[:n], mask[:n]), wanted)
    assert max(found.values()) <= 1e-4, found


def test_sizes_are_those_of_the_paper_code():
    with torch.device("meta"):
        nets = {name: models.create(f"apdrawing{name}") for name in ("", ".discriminators", ".auxiliary")}
    sizes = {n: [sum(p.numel() for p in c.parameters()) for c in net.children()] for n, net in nets.items()}
    assert sizes[""] == [54_409_857, *[1_447_553] * 4, *[1_710_209] * 2, 157_505]
    assert sizes[".discriminators"] == [2_766_657] * 7
    assert sizes[".auxiliary"] == [66_992_769] * 4
    assert [len(c.state_dict()) for c in nets[""].children()] == [82, 22, 22, 22, 22, 34, 34, 32]


@pytest.mark.parametrize("dropout", ["off", "seeded"])
@pytest.mark.parametrize("mode", MODES)
def test_samples_of_a_batch_do_not_mix(mode, dropout):
    net = made(norm=mode, dropout=dropout)
    photo, centres, mask, _ = face(3, 64)
    photo[1] *= 5  # would change shared statistics a great deal
    with torch.no_grad():
        together = net(photo, centres, mask, seed=[4, 5, 6])
        for i in range(3):
            alone = net(photo[i : i + 1], centres[i : i + 1], mask[i : i + 1], seed=4 + i)
            for one, all_three in zip(alone, together):
                torch.testing.assert_close(one[0], all_three[i], atol=2e-5, rtol=0)


def test_training_mode_does_not_mix_samples_either_and_learns_running_statistics():
    net = made().train()
    photo, centres, mask, _ = face(2, 64)
    before = net.whole.up_norm[0].running_mean.clone()
    with torch.no_grad():
        together = net(photo, centres, mask).drawing
        alone = net.eval()(photo[:1], centres[:1], mask[:1]).drawing
    torch.testing.assert_close(together[:1], alone, atol=2e-5, rtol=0)
    assert not torch.equal(net.whole.up_norm[0].running_mean, before)
    kept = copy.deepcopy(net.state_dict())
    net.eval()(photo, centres, mask)
    made(norm="running").train()(photo, centres, mask)
    assert all(torch.equal(value, kept[name]) for name, value in net.state_dict().items())


def test_norm_is_batch_norm_for_a_batch_of_one():
    ours, theirs = layers.Norm(5).train(), torch.nn.BatchNorm2d(5).train()
    x = torch.randn(1, 5, 7, 3) * 3 + 1
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    single = torch.randn(2, 5, 1, 1)
    torch.testing.assert_close(ours(single), torch.zeros(2, 5, 1, 1), atol=1e-4, rtol=0)  # its own mean


def double_norm(norm, x):
    exact = x.detach().double()
    away = exact - exact.mean((2, 3), keepdim=True)
    scaled = away / (away.square().mean((2, 3), keepdim=True) + norm.eps).sqrt()
    return (scaled * norm.weight[:, None, None] + norm.bias[:, None, None]).detach()


@pytest.fixture
def norm_of():
    def make(channels):
        norm = layers.Norm(channels).eval()
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
        return norm

    return make


@pytest.mark.parametrize("deviation", [1, 1e-4])
@pytest.mark.parametrize("mean", [0, 30])
@pytest.mark.parametrize("shape", [(2, 6, 160, 130), (1, 16, 2, 2), (2, 5, 1, 1)])
def test_norm_is_that_of_float64(norm_of, shape, mean, deviation):
    norm, x = norm_of(shape[1]), (mean + deviation * torch.randn(shape)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(norm(x).double(), double_norm(norm, x), atol=5e-6, rtol=0)


@pytest.mark.parametrize("way", ["recorded", "compiled", "exported"])
@pytest.mark.parametrize("shape", [(2, 6, 160, 130), (1, 16, 2, 2)])
def test_norm_in_torchs_own_operations_agrees(norm_of, shape, way):
    norm, x = norm_of(shape[1]), (3 + torch.randn(shape)).to(memory_format=torch.channels_last)
    with torch.set_grad_enabled(way == "recorded"):
        if way == "recorded":
            found = norm(x.requires_grad_())
            assert found.requires_grad
        elif way == "compiled":
            found = torch.compile(norm, backend="eager", fullgraph=True)(x)
        else:
            found = torch.export.export(norm, (x,)).module()(x)
    torch.testing.assert_close(found.detach().double(), double_norm(norm, x), atol=2e-5, rtol=0)


def test_norm_of_other_types_is_torchs():
    norm, x = layers.Norm(3).eval(), torch.randn(2, 3, 20, 20)
    with torch.no_grad():
        wanted = norm(x)
        torch.testing.assert_close(norm.double()(x.double()).float(), wanted, atol=1e-5, rtol=0)
        torch.testing.assert_close(norm.bfloat16()(x.bfloat16()).float(), wanted, atol=0.05, rtol=0)


def test_dropout_repeats_with_its_seed_and_only_then():
    net = made(dropout="seeded", seed=3)
    photo, centres, mask, _ = face(1, 64)
    with torch.no_grad():
        first, again, other = (net(photo, centres, mask, seed=s).drawing for s in (None, 3, 4))
        off = made()(photo, centres, mask, seed=3).drawing
    assert torch.equal(first, again) and not torch.equal(first, other) and not torch.equal(first, off)


def test_dropout_sits_where_the_paper_code_has_it():
    called = []

    class Counting(layers.Noise):
        def drop(self, x):
            called.append(tuple(x.shape))
            return super().drop(x)

    noise = Counting([0], "cpu")
    with torch.no_grad():
        apdrawing.whole_unet(3, 1, 8, "per_image")(torch.zeros(1, 3, 256, 256), noise)
        assert called == [(1, 8, s, s) for s in (4, 8, 16)]
        called.clear()
        net = made(ngf=2)
        for part in (net.eyel, net.hair, net.background, net.fusion):
            part(torch.zeros(1, 2 if part is net.fusion else 3, 64, 64), noise)
    assert called == [(1, 4, 16, 16)] * 2 + [(1, 2, 64, 64)] * 2
    kept = layers.Noise([1], "cpu").drop(torch.ones(1, 1, 100, 100))
    assert set(kept.unique().tolist()) == {0.0, 2.0} and abs(kept.mean() - 1) < 0.05


def test_all_parameters_learn():
    net = made().train()
    photo, centres, mask, _ = face(1, 64)
    net(photo, centres, mask).drawing.sum().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Where the darkest of six wins everywhere, a part may be hidden; but none of them is on this face.
    assert not [name for name in still if not name.endswith("bias")], still


@pytest.mark.parametrize("mode", MODES)
def test_bfloat16_draws_nearly_the_same(mode):
    net, (photo, centres, mask, _) = made(norm=mode, ngf=8), face(1, 256)
    with torch.no_grad():
        full, halved = net(photo, centres, mask), layers.half(net)(photo, centres, mask)
    assert halved.drawing.dtype == torch.float32
    assert (full.drawing - halved.drawing).abs().mean() <= 0.02
    assert all(m.weight.dtype == torch.float32 for m in net.modules() if isinstance(m, layers.Norm))


def test_memory_layout_and_mask_type_do_not_matter():
    net, (photo, centres, mask, _) = made(), face(2, 64)
    with torch.no_grad():
        wanted = net(photo, centres, mask).drawing
        for other in (mask > 0, mask.to(torch.uint8), mask * 0.5):
            torch.testing.assert_close(net(photo.to(memory_format=torch.channels_last), centres, other).drawing, wanted)
        torch.testing.assert_close(net(photo, centres.double() + 0.9, mask).drawing, wanted)  # truncated


def test_float64_runs_and_agrees():
    net, (photo, centres, mask, _) = made(norm="running"), face(1, 64)
    with torch.no_grad():
        wanted = net(photo, centres, mask)
        whole = net.double().whole(photo.double())
    torch.testing.assert_close(whole.float(), wanted.whole, atol=1e-5, rtol=0)


def test_max_fusion_is_the_mirror_of_min():
    net, (photo, centres, mask, _) = made(fusion="max"), face(1, 64)
    with torch.no_grad():
        found, darkest = net(photo, centres, mask), made()(photo, centres, mask)
    assert (found.fused >= darkest.fused).all() and (found.fused > darkest.fused).any()


def test_discriminator_maps():
    net = models.create("apdrawing.discriminators", ndf=1).eval()
    photo, centres, mask, target = face(1, 512)
    with torch.no_grad():
        maps = net(photo, target, centres, mask)
    sizes = {name: tuple(m.shape[2:]) for name, m in maps.items()}
    assert sizes == {"whole": (62, 62), "eyel": (8, 12), "eyer": (8, 12), "nose": (10, 10), "mouth": (8, 14),
                     "hair": (62, 62), "background": (62, 62)}  # fmt: skip


def test_discriminator_is_the_published_one(tmp_path):
    names = ("D", "DLEyel", "DLEyer", "DLNose", "DLMouth", "DLHair", "DLBG")
    nets = reference.randomise({name: reference.discriminator(3) for name in names})
    torch.save(reference.checkpoint(nets), tmp_path / "7_net_dis.pt")
    photo, centres, mask, target = face(1, 256)
    both = torch.cat([photo, target], 1)
    for mode in MODES:
        ours = models.load(tmp_path / "7_net_dis.pt", system="apdrawing", norm=mode)
        with torch.no_grad():
            maps = ours(photo, target, centres, mask)
            wanted = reference.settings(copy.deepcopy(nets), mode)["D"](both)
        torch.testing.assert_close(torch.sigmoid(maps["whole"]), wanted, atol=1e-4, rtol=0)


# Regions --------------------------------------------------------------------------------------------------------------


def test_rectangles_of_the_template():
    centres = regions.region_centres(torch.from_numpy(TEMPLATE)[None], 512)
    sizes = regions.region_sizes(512)
    assert sizes == [(80, 112), (80, 112), (96, 96), (80, 128)]
    found = [(x, x + w, y, y + h) for (y, x), (h, w) in zip(regions.corners(centres, sizes)[0], sizes)]
    assert found == [(145, 257, 198, 278), (254, 366, 198, 278), (208, 304, 247, 343), (192, 320, 330, 410)]


def test_sizes_of_other_frames():
    assert regions.region_sizes(256) == [(40, 56), (40, 56), (48, 48), (40, 64)]
    for side in range(32, 1100, 32):
        assert all(v % 8 == 0 and v > 0 for size in regions.region_sizes(side) for v in size)


def test_crops_are_slices_and_white_beyond_the_frame():
    image = torch.arange(2 * 100, dtype=torch.float32).reshape(2, 1, 10, 10) / 200
    centres = torch.tensor([[[3, 4], [0, 0], [9, 9], [50, 50]]] * 2)
    sizes = [(4, 2), (4, 4), (4, 4), (2, 2)]
    parts = regions.crop(image, centres, sizes)
    assert torch.equal(parts[0], image[:, :, 2:6, 2:4])
    assert torch.equal(parts[1][:, :, 2:, 2:], image[:, :, :2, :2]) and (parts[1][:, :, :2] == 1).all()
    assert torch.equal(parts[2][:, :, :3, :3], image[:, :, 7:, 7:]) and (parts[2][:, :, 3] == 1).all()
    assert (parts[3] == 1).all()


def test_rectangles_mask_is_what_fuse_regions_cuts_out():
    from reference_fuse_regions import outside_rectangles

    rng = np.random.default_rng(1)
    centres = torch.from_numpy(rng.uniform(-20, 84, (3, 4, 2)))
    sizes = regions.region_sizes(64)
    found = regions.outside_rectangles(centres, sizes, 64)
    for n in range(3):
        wanted = outside_rectangles([torch.empty(1, *s) for s in sizes], centres[n].tolist(), 64, 64)
        np.testing.assert_array_equal(found[n, 0].numpy(), wanted)


def test_a_face_at_the_edge_is_drawn():
    net, (photo, centres, mask, _) = made(), face(1, 64)
    with torch.no_grad():
        out = net(photo, centres + torch.tensor([-40, 30]), mask)
    assert torch.isfinite(out.drawing).all()


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"ngf": 0}, "ngf"), ({"ngf": "64"}, "ngf"), ({"levels": 4}, "levels"), ({"norm": "batch"}, "norm"),
        ({"dropout": True}, "dropout"), ({"seed": 0.5}, "seed"), ({"fusion": "mean"}, "fusion"),
        ({"depth": 8}, "depth"),
    ],
)  # fmt: skip
def test_bad_config(config, named):
    with pytest.raises(BadInput, match=named):
        models.create("apdrawing", **config)


def test_unknown_model():
    with pytest.raises(BadInput, match=r"'stylegan9'.*apdrawing"):
        models.create("stylegan9")
    with pytest.raises(WeightsError, match=r"nowhere.*known"):
        models.load("nowhere.safetensors")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("photo", lambda p, c, m: (p[:, :1], c, m)),
        ("photo", lambda p, c, m: (p[..., :40, :40], c, m[..., :40, :40])),
        ("photo", lambda p, c, m: (p[0], c, m)),
        ("photo", lambda p, c, m: (p[:0], c[:0], m[:0])),
        ("photo", lambda p, c, m: (p[..., :32], c, m[..., :32])),
        ("photo", lambda p, c, m: ((p * 255).to(torch.uint8), c, m)),
        ("centres", lambda p, c, m: (p, c[:, :3], m)),
        ("centres", lambda p, c, m: (p, c.float() * float("nan"), m)),
        ("mask", lambda p, c, m: (p, c, m.repeat(1, 3, 1, 1))),
        ("mask", lambda p, c, m: (p, c, m[..., ::2, ::2])),
        ("landmarks", lambda p, c, m: (p, regions.region_centres(c, 64), m)),
        ("landmarks", lambda p, c, m: (p, regions.region_centres(SWAPPED, 64), m)),
    ],
)  # fmt: skip
def test_bad_inputs_are_named(name, change):
    photo, centres, mask, _ = face(1, 64)
    with pytest.raises(BadInput, match=rf"^{name}"):
        made()(*change(photo, centres, mask))


def test_other_bad_calls():
    photo, centres, mask, target = face(2, 64)
    with pytest.raises(BadInput, match=r"seed: 3 given"):
        made(dropout="seeded")(photo, centres, mask, seed=[1, 2, 3])
    with pytest.raises(BadInput, match=r"layers: 3 given.*24 px"):
        models.create("apdrawing.discriminators", ndf=2)(photo, target, centres, mask)
    with pytest.raises(BadInput, match="name"):
        models.create("apdrawing.auxiliary", ngf=1, levels=5)("lines", target)


def test_save_and_load_of_our_own_format(tmp_path):
    net, (photo, centres, mask, _) = made(dropout="seeded", seed=9), face(1, 64)
    from dataclasses import asdict

    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    weights.write(tmp_path / "net.safetensors", weights.Weights("apdrawing", "generator", asdict(net.config), tensors))
    again = models.load(tmp_path / "net.safetensors")
    assert again.config == net.config
    with torch.no_grad():
        assert torch.equal(again(photo, centres, mask).drawing, net(photo, centres, mask).drawing)
    with pytest.raises(WeightsError, match=r"net\.safetensors.*ngf 8.*given.*expected"):
        models.load(tmp_path / "net.safetensors", ngf=8)
    with pytest.raises(WeightsError, match=r"net\.safetensors: depth"):
        models.load(tmp_path / "net.safetensors", depth=8)
