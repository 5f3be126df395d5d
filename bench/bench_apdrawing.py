"""APDrawingGAN beside its published formulation in torch, answers checked first.

    python bench/bench_apdrawing.py [--threads 2] [--seconds 10] [--only loss] [--json FILE]

"published": the published network of 64 channels as torch runs it by itself: nested modules, float32, batch
normalisation, the fusion in its sequence of operations (tests/reference_apdrawing.py), with the same weights. Ours runs
channels last with bfloat16 convolutions; the drawings may differ by 0.02 in the mean.

"published form" of the distance-transform loss, on one drawing of 512 px, forward and backward: two U-Nets of 67
million parameters imitate distances of the drawing and carry its gradient, two find lines in the target, two in the
drawing. There is no answer to check that against, the networks having no weights; ours is held against its slow
definition on a small picture.
"""

import sys
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

SIDE = 512
GENERATOR_MACS = 87.7e9
LOSS = "distance-transform loss, both maps, both directions, with gradient"
SMALL_MACS = 1.74e9
STYLE, DRAWN = "style apdrawing, network", "style apdrawing, with ink's drawing"
NETWORKS = {mode: f"network, {mode} statistics" for mode in ("per_image", "running")}


def networks(suite: Suite, threads: int) -> None:
    import reference_apdrawing as reference
    import torch
    from cases_apdrawing import face

    from pyapdraw.models import apdrawing, layers
    from pyapdraw.weights import apdrawing as layout

    nets = reference.randomise(reference.generator())
    photo, centres, mask, _ = face(1, SIDE)
    sizes = apdrawing.region_sizes(SIDE)
    slots = layout.slots("generator", {"ngf": 64, "levels": 8})
    state = {slot.ours: nets[name].state_dict()[slot.official] for name, each in slots.items() for slot in each}
    for mode, case in NETWORKS.items():
        ours = apdrawing.build(apdrawing.Config(norm=mode)).eval()
        ours.load_state_dict(state)
        layers.half(ours)
        reference.settings(nets, mode)

        def published():
            with torch.no_grad():
                return reference.draw(nets, photo, centres, mask, sizes)["fake_B"]

        def mine(ours=ours):
            with torch.no_grad():
                return ours(photo, centres, mask).drawing

        def check(mine=mine, published=published):
            off = (mine() - published()).abs().mean()
            assert off <= 0.02, f"the drawings differ by {off:.4f} in the mean"

        work = {"threads": threads, "flop": 2 * GENERATOR_MACS, "pixels": SIDE * SIDE}
        suite.compare(case, {OURS: mine, "published": published}, check=check, must={"published": 2.5}, **work)


def loss(suite: Suite, threads: int) -> None:
    import reference_apdrawing as reference
    import torch
    from cases_apdrawing import face

    from pyapdraw.losses import apdrawing as losses
    from pyapdraw.models.apdrawing import Auxiliary

    _, _, _, target = face(1, SIDE)
    drawing = (0.8 * target + 0.5 * torch.randn(target.shape)).clamp(-1, 1).requires_grad_()
    nets = {name: reference.global_unet(1, 64, 9).requires_grad_(False).train() for name in Auxiliary.NAMES}
    maps = losses.official_maps(target)

    def auxiliary(name, image, _):
        return nets[name](image)

    def step(form, *given):
        drawing.grad = None
        form(drawing, target, *given).total.backward()

    def check():
        from test_losses_apdrawing import sums

        small, small_target = (torch.where(x[..., 100:124, 200:220] < 0, -1.0, 1.0) for x in (drawing, target))
        wanted = sum(sums(small[0, 0].numpy(), small_target[0, 0].numpy()))
        np.testing.assert_allclose(float(losses.distance_transform(small, small_target).total), wanted, rtol=1e-5)

    forms = {
        OURS: lambda: step(losses.distance_transform),
        "published form": lambda: step(losses.distance_transform_official, auxiliary, maps),
    }
    work = {"threads": threads, "pixels": SIDE * SIDE}
    suite.compare(LOSS, forms, check=check, must={"published form": 600}, **work)


def style(suite: Suite, threads: int) -> None:
    """The shipped network on native operations beside itself in torch; wanted: 33 ms on two cores."""
    import torch
    from cases_apdrawing import face, style_of

    from pyapdraw import align, models, weights
    from pyapdraw.models.apdrawing_live import Network
    from pyapdraw.style.ink import Ink

    photo, centres, mask, _ = face(1, SIDE)
    pixels = ((photo[0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    person, held = mask[0, 0].numpy() >= 0.5, weights.find("apdrawing")
    native, style = Network(held.tensors, threads), style_of(held, threads=threads)
    person_bytes, landmarks = person.astype(np.uint8) * 255, align.template(SIDE)
    ink = Ink(threads=threads).draw_crop(pixels, person_bytes, landmarks)
    inked = torch.from_numpy(ink / np.float32(127.5) - 1)[None, None]
    net = models.load("apdrawing").to(memory_format=torch.channels_last)
    exact = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)[None]

    def mine():
        return native.forward(pixels, person, ink, centres.numpy())

    def in_torch():
        with torch.inference_mode():
            return net(exact, centres, mask, ink=inked).drawing

    def check():
        off = np.abs(mine() - in_torch()[0, 0].numpy()).mean()
        assert off < 2e-3, f"the drawings differ by {off:.6f} in the mean"

    work = {"threads": threads, "flop": 2 * SMALL_MACS, "pixels": SIDE * SIDE}
    suite.compare(STYLE, {OURS: mine, "torch": in_torch}, check=check, **work)
    whole = {OURS: lambda: style.draw_crop(pixels, person_bytes, landmarks)}
    suite.compare(DRAWN, whole, check=check, threads=threads, pixels=SIDE * SIDE)


def main() -> int:
    suite = Suite("apdrawing", __doc__)
    try:
        import torch
    except ImportError:
        print("the networks are torch code, and torch is not installed")
        return 0
    for threads in suite.threads:
        torch.set_num_threads(threads)
        if suite.only in LOSS:
            loss(suite, threads)
        if suite.only in STYLE or suite.only in DRAWN:
            style(suite, threads)
        if any(suite.only in case for case in NETWORKS.values()):
            networks(suite, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
