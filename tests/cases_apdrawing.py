"""Inputs of the APDrawingGAN networks for tests and benchmarks: made faces, no photo needed; and their precision."""

from dataclasses import asdict

import numpy as np
import torch

from pyapdraw.models import regions

TEMPLATE = np.array([[201.14, 246.86], [310.86, 246.86], [256, 311.77], [206.63, 370.83], [305.37, 370.83]])


def face(count=1, side=256, seed=0):
    """photo [N,3,S,S] in [-1,1], centres int32 [N,4,2], person mask float [N,1,S,S] of 0 and 1, target [N,1,S,S]."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(-1, 1, (count, 3, side // 8, side // 8)).astype(np.float32))
    photo = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(-1, 1)
    points = torch.from_numpy((TEMPLATE + rng.uniform(-6, 6, (count, 5, 2))) * side / 512)
    yy, xx = np.mgrid[:side, :side] / side
    person = (np.hypot((xx - 0.5) / 0.35, (yy - 0.6) / 0.55) < 1).astype(np.float32)
    mask = torch.from_numpy(np.broadcast_to(person, (count, 1, side, side)).copy())
    target = torch.where(photo.mean(1, keepdim=True) < -0.15, -1.0, 1.0)
    return photo, regions.region_centres(points, side), mask, target


# Threads, samples, and whether a gradient is recorded.
RUNS = [(1, 1, False), (1, 2, False), (2, 1, False), (2, 2, False), (2, 2, True)]


def filled(net, nets, layout):
    """`net` with the weights of published generators, named by the module `layout` of pyapdraw.weights."""
    slots = layout.slots("generator", asdict(net.config))
    net.load_state_dict({s.ours: nets[name].state_dict()[s.official] for name, each in slots.items() for s in each})
    return net.eval()


def distances(draw, wanted):
    """(run, drawing) -> how far the drawings of draw(samples) are from `wanted`, {field: [1,1,h,w]} a sample."""
    before, found = torch.get_num_threads(), {}
    try:
        for threads, samples, gradient in RUNS:
            torch.set_num_threads(threads)
            with torch.enable_grad() if gradient else torch.inference_mode():
                made = draw(samples)
            for i, exact in enumerate(wanted[:samples]):
                for field, value in exact.items():
                    off = float((getattr(made, field)[i].detach().double() - value[0]).abs().max())
                    found[threads, samples, gradient, i, field] = off
    finally:
        torch.set_num_threads(before)
    return found


def style_of(held, runtime: str = "auto", **options):
    """Style `apdrawing` with these weights."""
    from pyapdraw.style import registry
    from pyapdraw.style.apdrawing import ApDrawing
    from pyapdraw.style.plan import plan

    return ApDrawing(plan(registry.find("apdrawing"), held, runtime=runtime), held, **options)
