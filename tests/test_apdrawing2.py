"""APDrawingGAN++: networks against a second definition, soft borders, styles, checkpoints, losses."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the models are torch modules")

import reference_apdrawing as first  # noqa: E402
import reference_apdrawing2 as reference  # noqa: E402
from cases_apdrawing import distances, face, filled  # noqa: E402

from pyapdraw import cli, models, weights  # noqa: E402
from pyapdraw.errors import BadInput, OutputError, WeightsError  # noqa: E402
from pyapdraw.losses import apdrawing as base_losses  # noqa: E402
from pyapdraw.losses import apdrawing2 as losses  # noqa: E402
from pyapdraw.models import apdrawing2, layers, regions  # noqa: E402
from pyapdraw.weights import apdrawing2 as layout  # noqa: E402

SMALL = {"ngf": 2, "whole_blocks": 2, "local_blocks": 1, "frame_blocks": 1, "side": 128, "hair_levels": 4,
         "nose_latent": 9, "eye_latent": 7, "mouth_latent": 8}  # fmt: skip
SIZES = apdrawing2.region_sizes(128)
MODES = ["running", "per_image"]


def made(**config):
    torch.manual_seed(0)
    return models.create("apdrawing2", **{**SMALL, **config}).eval()


def inputs(count=1, side=128):
    photo, _, mask, target = face(count, side)
    points = torch.from_numpy(np.array([[[200, 246], [312, 247], [256, 312], [206, 371], [306, 371]]] * count))
    centres = regions.region_centres(points * side / 512, side)
    compact = torch.zeros(count, 4, side, side)
    for sample, places in zip(compact, regions.corners(centres, apdrawing2.region_sizes(side))):
        for plane, (top, left), (h, w) in zip(sample, places, apdrawing2.region_sizes(side)):
            plane[top + h // 4 : top + h * 3 // 4, left + w // 4 : left + w * 3 // 4] = 1
    return photo, centres, mask, compact, target


@pytest.fixture(scope="module")
def official_nets():
    nets = reference.generator(2, (2, 1, 1), 128, SIZES, 4, (9, 7, 8))
    return first.randomise(nets)


@pytest.fixture(scope="module")
def folder(official_nets, tmp_path_factory):
    """As published: generators in one file, classifiers and auto-encoders beside them in a folder of their own."""
    root = tmp_path_factory.mktemp("checkpoints")
    states = first.checkpoint(official_nets)
    for name in ("run", "auxiliaryeye2o"):
        (root / name).mkdir()
    torch.save({n: s for n, s in states.items() if n.startswith("G")}, root / "run" / "150_net_gen.pt")
    for name, state in states.items():
        if not name.startswith("G"):
            torch.save(state, root / "auxiliaryeye2o" / f"latest_net_{name}.pth")
    return root


def test_sizes_are_those_of_the_published_networks():
    with torch.device("meta"):
        net = models.create("apdrawing2")
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert sizes == {
        "whole": 11_377_153, "eyel": 4_293_121, "eyer": 4_293_121, "nose": 4_293_121, "mouth": 4_293_121,
        "hair": 8_432_385, "background": 7_835_137, "fusion": 157_505, "mouth_style": 2_814_722,
        "hair_style": 179_129_091, "refine": 43_277_952 + 2 * 42_228_864 + 2 * 64_259_712,
    }  # fmt: skip
    assert sum(p.numel() for p in apdrawing2.Continuity(64).parameters()) == 400_641
    assert apdrawing2.region_sizes(512) == [(80, 112), (80, 112), (96, 96), (112, 128)]


@pytest.mark.parametrize("mode", MODES)
def test_every_drawing_is_that_of_the_published_networks(official_nets, folder, mode):
    photo, centres, mask, compact, _ = inputs()
    places = regions.corners(centres, SIZES)[0]
    nets = first.settings(copy.deepcopy(official_nets), mode)
    with torch.no_grad():
        wanted, mouth_style, hair_style = reference.draw(nets, photo, places, mask, SIZES, compact)
        found = models.load(folder / "run", norm=mode)(photo, centres, mask, compact)
    assert (found.mouth_style.item(), found.hair_style.item()) == (mouth_style, hair_style)
    for name, field in first.FIELDS.items():
        within = 5e-5 if mode == "running" else 1e-4
        torch.testing.assert_close(getattr(found, field), wanted[name], atol=within, rtol=0)
    assert found.drawing.std() > 0.05


@pytest.mark.parametrize("ngf", [4, 16])
def test_per_image_drawings_are_those_of_float64(ngf):
    """As test_apdrawing's."""
    nets = first.randomise(reference.generator(ngf, (2, 1, 1), 128, SIZES, 4, (9, 7, 8)))
    net = filled(models.create("apdrawing2", **{**SMALL, "ngf": ngf}), nets, layout)
    photo, centres, mask, compact, _ = inputs(2)
    first.settings({name: n.double() for name, n in nets.items()}, "per_image")
    wanted = []
    with torch.no_grad():
        for i, places in enumerate(regions.corners(centres, SIZES)):
            given = [x[i, None].double() for x in (photo, mask, compact)]
            exact, *_ = reference.draw(nets, given[0], places, given[1], SIZES, given[2])
            wanted.append({field: exact[name] for name, field in first.FIELDS.items()})
    found = distances(lambda n: net(photo[:n], centres[:n], mask[:n], compact[:n]), wanted)
    assert max(found.values()) <= 1e-4, found


@pytest.mark.parametrize("mode", MODES)
def test_samples_of_a_batch_do_not_mix(mode):
    net = made(norm=mode, dropout="seeded")
    photo, centres, mask, compact, _ = inputs(3)
    photo[1] *= 4
    with torch.no_grad():
        together = net(photo, centres, mask, compact, seed=[1, 2, 3])
        for i in range(3):
            one = slice(i, i + 1)
            alone = net(photo[one], centres[one], mask[one], compact[one], seed=1 + i)
            for single, all_three in zip(alone, together):
                torch.testing.assert_close(single[0], all_three[i], atol=1e-4, rtol=0)


def test_each_mouth_is_refined_by_its_own_style(folder):
    net, (photo, centres, mask, compact, _) = models.load(folder / "run", norm="running"), inputs(2)
    net.mouth_style.forward = lambda x: torch.eye(2)[: len(x)]  # the first white, the second black
    with torch.no_grad():
        both = net(photo[:1].repeat(2, 1, 1, 1), centres[:1].repeat(2, 1, 1), mask, compact[:1].repeat(2, 1, 1, 1))
    assert both.mouth_style.tolist() == [0, 1]
    torch.testing.assert_close(both.eyel[0], both.eyel[1])
    assert not torch.allclose(both.mouth[0], both.mouth[1], atol=1e-4)


def test_refinement_stays_inside_the_compact_masks(folder):
    net, (photo, centres, mask, compact, _) = models.load(folder / "run", norm="running"), inputs()
    with torch.no_grad():
        refined, plain = net(photo, centres, mask, compact), net(photo, centres, mask, compact * 0)
    for i, (name, inside) in enumerate(zip(regions.PARTS, regions.crop(compact, centres, SIZES, beyond=0))):
        differs = getattr(refined, name) != getattr(plain, name)
        assert differs.any() and not (differs & (inside[:, i : i + 1] == 0)).any()


def test_fixed_networks_do_not_learn():
    net, (photo, centres, mask, compact, _) = made().train(), inputs()
    before = copy.deepcopy({n: v for n, v in net.state_dict().items() if n.startswith(("refine", "mouth_s", "hair_s"))})
    net(photo, centres, mask, compact).drawing.sum().backward()
    assert before and all(torch.equal(v, net.state_dict()[n]) for n, v in before.items())
    learnt = {n.split(".")[0] for n, p in net.named_parameters() if p.grad is not None}
    assert learnt == {"whole", "eyel", "eyer", "nose", "mouth", "hair", "background", "fusion"}


@pytest.mark.parametrize("shift", [0, -30, 45])
def test_soft_weights_pixel_by_pixel(shift):
    _, centres, mask, _, _ = inputs()
    centres = centres + torch.tensor([[[0, 0], [shift, 3], [0, shift], [shift, -shift]]], dtype=torch.int32)
    everyone = torch.ones_like(mask, dtype=torch.bool)
    found = apdrawing2.hair_weights(centres, SIZES, everyone)[0, 0].numpy()
    wanted = reference.hair_weight(regions.corners(centres, SIZES)[0], SIZES, 128)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert set(np.round(found * 6).astype(int).ravel()) == set(range(7))
    for size, weight in zip(SIZES, apdrawing2.border_weights(SIZES)):
        np.testing.assert_allclose(weight[0, 0].numpy(), reference.rim(*size), atol=1e-6)
    hard = apdrawing2.hair_weights(centres, SIZES, everyone, "hard")
    assert torch.equal(hard, regions.outside_rectangles(centres, SIZES, 128))
    assert (apdrawing2.hair_weights(centres, SIZES, mask > 0)[mask == 0] == 0).all()


def test_hard_borders_and_bfloat16_and_layout():
    net, (photo, centres, mask, compact, _) = made(border="hard", ngf=4), inputs()
    with torch.no_grad():
        full = net(photo, centres, mask, compact)
        other = net(photo.to(memory_format=torch.channels_last), centres, mask > 0, compact > 0)
        torch.testing.assert_close(full.drawing, other.drawing)
        halved = layers.half(net)(photo, centres, mask, compact)
    assert (full.drawing - halved.drawing).abs().mean() <= 0.02


# Checkpoints ----------------------------------------------------------------------------------------------------------


def test_import_and_export(official_nets, folder, tmp_path, capsys):
    held = weights.read_checkpoint(folder / "run" / "150_net_gen.pt")
    assert held.system == "apdrawing2" and held.config == {**SMALL, "mouth_levels": 3}
    own = tmp_path / "own.safetensors"
    command = ["weights", "import", str(folder / "run"), "--system", "apdrawing2", "-o", str(own)]
    assert cli.main(command) == cli.codes.DONE
    (tmp_path / "out").mkdir()
    command = ["weights", "export", str(own), "-o", str(tmp_path / "out" / "9_net_gen.pt")]
    assert cli.main(command) == cli.codes.DONE
    assert cli.main(command) == cli.codes.NOT_WRITTEN  # nor is any of the other files
    capsys.readouterr()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["auxiliaryeye2o", "out", "own.safetensors"]
    again = torch.load(tmp_path / "out" / "9_net_gen.pt", weights_only=True)
    for file in (tmp_path / "auxiliaryeye2o").iterdir():
        again[file.name.removeprefix("latest_net_").removesuffix(".pth")] = torch.load(file, weights_only=True)
    states = first.checkpoint(official_nets)
    assert set(again) == set(states)
    for name, state in states.items():
        assert list(again[name]) == list(state) and all(torch.equal(again[name][k], v) for k, v in state.items())
    assert models.load(tmp_path / "out").config == models.load(own).config
    files = weights.export_checkpoint(held.weights, tmp_path / "out", epoch="10", overwrite=True)  # a file each
    beside = {file.name for file in files if file.parent.name == "auxiliaryeye2o"}
    assert beside == {f"latest_net_{name}.pth" for name in states if not name.startswith("G")}
    assert {file.name for file in files} - beside == {f"10_net_{name}.pth" for name in states if name.startswith("G")}
    (tmp_path / "out" / "9_net_gen.pt").unlink()
    assert models.load(tmp_path / "out").config == models.load(own).config


def test_an_export_that_cannot_be_whole_writes_nothing(folder, tmp_path):
    held = weights.read_checkpoint(folder / "run").weights
    (tmp_path / "run").mkdir()
    (tmp_path / "auxiliaryeye2o").mkdir()
    (tmp_path / "auxiliaryeye2o" / "latest_net_CLh.pth").write_text("another's")
    with pytest.raises(OutputError, match=r"latest_net_CLh\.pth: exists already"):
        weights.export_checkpoint(held, tmp_path / "run" / "latest_net_gen.pt")
    assert not list((tmp_path / "run").iterdir()) and len(list((tmp_path / "auxiliaryeye2o").iterdir())) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "auxiliaryeye2o").write_text("a file")
    (tmp_path / "other" / "run").mkdir()
    with pytest.raises(OutputError, match="auxiliaryeye2o"):
        weights.export_checkpoint(held, tmp_path / "other" / "run" / "latest_net_gen.pt")
    assert not list((tmp_path / "other" / "run").iterdir())


DISCRIMINATORS = ("D", "DLEyel", "DLEyer", "DLNose", "DLMouth", "DLHair", "DLBG")


@pytest.fixture(scope="module")
def checkpoints(official_nets, tmp_path_factory):
    """Runs of both systems among one another, as the authors' folders are laid out."""
    root = tmp_path_factory.mktemp("checkpoints")
    for name in ("first", "second", "bare", "auxiliary", "auxiliaryeye2o"):
        (root / name).mkdir()
    judges = first.checkpoint({name: first.discriminator(2) for name in DISCRIMINATORS})
    states = first.checkpoint(official_nets)
    generators = {"first": first.checkpoint(first.generator(2, 6)),
                  "second": {name: state for name, state in states.items() if name.startswith("G")}}  # fmt: skip
    for name in ("first", "second", "bare"):
        torch.save(judges, root / name / "150_net_dis.pt")
        if name in generators:
            torch.save(generators[name], root / name / "150_net_gen.pt")
    aux = {name: net.state_dict() for name, net in reference.auxiliary(2, 7).items()}
    for name, state in {**states, **aux}.items():
        if not name.startswith("G"):
            torch.save(state, root / "auxiliaryeye2o" / f"latest_net_{name}.pth")
    for name in ("DT1", "DT2", "Line1", "Line2"):
        torch.save(first.global_unet(1, 2, 9).state_dict(), root / "auxiliary" / f"latest_net_{name}.pth")
    return root


@pytest.mark.parametrize(("run", "system"), [("first", "apdrawing"), ("second", "apdrawing2")])
def test_what_lies_beside_tells_the_systems_apart(checkpoints, run, system):
    path = checkpoints / run
    assert weights.find(path / "150_net_dis.pt").model == f"{system}.discriminators"
    assert weights.find(path, part="discriminators").model == f"{system}.discriminators"
    assert weights.find(path).model == system
    found = weights.find(path, part="auxiliary")
    assert found.model == f"{system}.auxiliary" and found.config == {"ngf": 2, "levels": 9 if run == "first" else 7}
    net = models.load(path, system=system, part="auxiliary")
    assert net.config.levels == found.config["levels"]
    assert ("continuity" in dict(net.named_children())) == (run == "second")
    assert weights.find(checkpoints / "auxiliaryeye2o").model == "apdrawing2.auxiliary"
    assert weights.find(checkpoints / "auxiliary").model == "apdrawing.auxiliary"


def test_what_nothing_tells_apart_is_refused_with_both_names(checkpoints, tmp_path, capsys):
    path = checkpoints / "bare" / "150_net_dis.pt"
    with pytest.raises(WeightsError, match=r"150_net_dis\.pt: discriminators that fit apdrawing and apdrawing2 alike"):
        models.load(path)
    for system in ("apdrawing", "apdrawing2"):
        assert type(models.load(path, system=system)).__module__ == f"pyapdraw.models.{system}"
    command = ["weights", "import", str(path), "-o", str(tmp_path / "own.safetensors")]
    assert cli.main(command) == cli.codes.SOME_FAILED and "apdrawing and apdrawing2" in capsys.readouterr().err
    assert cli.main([*command, "--system", "apdrawing2", "--part", "discriminators"]) == cli.codes.DONE
    assert weights.read(tmp_path / "own.safetensors").model == "apdrawing2.discriminators"
    assert cli.main([*command, "--overwrite", "--system", "apdrawing", "--part", "generator"]) == cli.codes.SOME_FAILED
    assert "discriminators of apdrawing given, generator expected" in capsys.readouterr().err


def test_auxiliary_networks_inside_the_run_and_by_the_command(checkpoints, tmp_path, capsys):
    command = ["weights", "import", str(checkpoints / "second"), "--part", "auxiliary", "-o", str(tmp_path / "aux")]
    assert cli.main(command) == cli.codes.DONE and "auxiliary of apdrawing2" in capsys.readouterr().out
    run = tmp_path / "run"
    run.mkdir()
    (run / "150_net_gen.pt").symlink_to(checkpoints / "second" / "150_net_gen.pt")
    assert cli.main(["weights", "export", str(tmp_path / "aux"), "-o", str(run / "auxiliary_mine")]) == cli.codes.DONE
    again = weights.find(run, system="apdrawing2", part="auxiliary")
    held = weights.read(tmp_path / "aux")
    assert all(np.array_equal(value, again.tensors[name]) for name, value in held.tensors.items())
    inputs = run / "auxiliary_mine" / "latest_net_DT1.pth"
    before = inputs.read_bytes()
    command = ["weights", "import", str(run), "--system", "apdrawing2", "--part", "auxiliary", "-o", str(inputs)]
    assert cli.main([*command, "--overwrite"]) == cli.codes.NOT_WRITTEN and inputs.read_bytes() == before


def test_without_dropout_and_without_its_companions(official_nets, folder, tmp_path):
    plain = reference.generator(2, (2, 1, 1), 128, SIZES, 4, (9, 7, 8), dropout=False)
    for name, net in plain.items():
        net.load_state_dict(dict(zip(net.state_dict(), official_nets[name].state_dict().values())))
    run = tmp_path / "run"
    run.mkdir()
    torch.save({n: s for n, s in first.checkpoint(plain).items() if n.startswith("G")}, run / "150_net_gen.pt")
    with pytest.raises(WeightsError, match=r"150_net_gen\.pt.*CLm, CLh, AEel.*missing"):
        weights.import_checkpoint(run / "150_net_gen.pt", "apdrawing2")
    (tmp_path / "auxiliary_mine").symlink_to(folder / "auxiliaryeye2o")
    found = weights.import_checkpoint(run, "apdrawing2")
    wanted = weights.import_checkpoint(folder / "run", "apdrawing2")
    assert set(found) == set(wanted) and all(torch.equal(found[k], v) for k, v in wanted.items())


def test_the_two_systems_are_not_mistaken_for_each_other(folder, tmp_path):
    with pytest.raises(WeightsError, match=r"'model\.model\.0\.weight'.*generator of apdrawing expected"):
        weights.import_checkpoint(folder / "run" / "150_net_gen.pt", "apdrawing")
    torch.save(first.checkpoint(first.generator(2, 6)), tmp_path / "1_net_gen.pt")
    with pytest.raises(WeightsError, match="apdrawing2"):
        weights.import_checkpoint(tmp_path / "1_net_gen.pt", "apdrawing2")


def test_auxiliary_networks(tmp_path):
    nets = first.randomise(reference.auxiliary(2, 7))
    for name, net in nets.items():
        torch.save(net.state_dict(), tmp_path / f"latest_net_{name}.pth")
    ours = models.create("apdrawing2.auxiliary", **weights.read_checkpoint(tmp_path, "apdrawing2").config)
    ours.load_state_dict(weights.import_checkpoint(tmp_path / "latest_net_Regressor4.pth", "apdrawing2"))
    patches = torch.rand(5, 1, 11, 11) * 2 - 1
    torch.testing.assert_close(ours.continuity(patches), nets["Regressor4"](patches).flatten())


# Losses ---------------------------------------------------------------------------------------------------------------


def test_remaps():
    d = torch.linspace(0, 1, 11)
    exact = {"exp": lambda x: (np.exp(x * 10 / 3) - 1) / (np.exp(10 / 3) - 1), "pow2": lambda x: x**2,
             "atan": lambda x: np.arctan(10 * x) / np.arctan(10), "tanh": lambda x: np.tanh(10 * x) / np.tanh(10),
             "sigmoid": lambda x: (1 / (1 + np.exp(-10 * x)) - 0.5) / (1 / (1 + np.exp(-10.0)) - 0.5)}  # fmt: skip
    assert set(exact) == set(losses.REMAPS)
    for kind, curve in exact.items():
        np.testing.assert_allclose(losses.remap(d, kind).numpy(), curve(d.numpy().astype(float)), atol=1e-6)
    gentle = losses.remap(d, "exp", 1.0).numpy()
    np.testing.assert_allclose(gentle, (np.exp(d.numpy()) - 1) / (np.e - 1), atol=1e-6)
    for wrong in ({"kind": "log"}, {"steepness": 0}):
        with pytest.raises(BadInput):
            losses.remap(d, **wrong)


@pytest.mark.parametrize("offset", [(0, 0), (3, 2)])
def test_line_continuity_patch_by_patch(offset):
    torch.manual_seed(0)
    regressor = apdrawing2.Continuity(3)
    layers.initialise(regressor, 0.1)
    drawing = torch.where(torch.nn.functional.interpolate(torch.rand(2, 1, 8, 8), size=(47, 36)) < 0.3, -0.9, 0.8)
    drawing, face_mask = drawing.requires_grad_(), torch.rand(2, 1, 47, 36)
    values, weighed = [], []
    for n in range(2):
        for i in range(4):
            for j in range(3):
                y, x = offset[0] + 11 * i, offset[1] + 11 * j
                patch = drawing[n : n + 1, :, y : y + 11, x : x + 11]
                if 1 <= (patch >= 0).sum() <= 120:
                    values.append(1 - regressor(patch)[0])
                    weighed.append(values[-1] * (1 + face_mask[n, 0, y + 5, x + 5]))
    assert 2 < len(values) < 24  # some are left out
    torch.testing.assert_close(losses.line_continuity(drawing, regressor, offset), torch.stack(values).mean())
    found = losses.line_continuity(drawing, regressor, offset, face_mask)
    torch.testing.assert_close(found, torch.stack(weighed).mean())
    found.backward()
    assert drawing.grad.abs().sum() > 0


def test_line_continuity_without_lines_and_off_the_grid():
    regressor, blank = apdrawing2.Continuity(1), torch.ones(1, 1, 40, 40, requires_grad=True)
    found = losses.line_continuity(blank, regressor)
    found.backward()
    assert found == 0 and (blank.grad == 0).all()
    with pytest.raises(BadInput, match=r"offset: \(8, 0\).*\(7, 7\)"):
        losses.line_continuity(blank, regressor, (8, 0))


def test_whole_loss():
    photo, centres, mask, compact, target = inputs()
    net, judge = made().train(), models.create("apdrawing2.discriminators", ndf=2, layers=2)
    auxiliary = models.create("apdrawing2.auxiliary", ngf=1, levels=6)
    drawings = net(photo, centres, mask, compact)
    targets = losses.local_targets(target, centres, mask)
    assert all(targets[n].shape == d.shape for n, d in drawings.local.items())
    assert targets["eyel"][..., 0, :].abs().max() <= 1 / 6 + 1e-6  # mid-grey at the rim
    chamfer = base_losses.distance_transform_official(drawings.drawing, target, auxiliary, remap=losses.remap)
    continuity = losses.line_continuity(drawings.drawing, auxiliary.continuity)
    logits = judge(photo, drawings.drawing, centres, mask)
    terms = losses.generator_losses(drawings, logits, target, targets, chamfer, continuity)
    assert list(terms) == ["gan", "gan_local", "l1", "local", "dt_to_drawing", "dt_to_target", "line_continuity"]
    torch.testing.assert_close(terms["dt_to_drawing"], 0.35 * chamfer.to_drawing)
    torch.testing.assert_close(terms["line_continuity"], 10 * continuity)
    sum(terms.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("config", "named"),
    [({"side": 100}, "side"), ({"hair_levels": 7}, "hair_levels"), ({"border": "none"}, "border"),
     ({"whole_blocks": 0}, "whole_blocks"), ({"eye_latent": 0}, "eye_latent"), ({"levels": 8}, "levels")],
)  # fmt: skip
def test_bad_config(config, named):
    with pytest.raises(BadInput, match=named):
        models.create("apdrawing2", **{**SMALL, **config})


def test_bad_inputs_are_named():
    photo, centres, mask, compact, _ = inputs()
    net = made()
    with pytest.raises(BadInput, match=r"part_masks: \(1, 1, 128, 128\)"):
        net(photo, centres, mask, compact[:, :1])
    with pytest.raises(BadInput, match=r"photo: side of 64 px given, 128 px"):
        net(photo[..., :64, :64], centres, mask[..., :64, :64], compact[..., :64, :64])
