"""The networks of APDrawingGAN as its authors nested and named them, in plain torch modules of their own.

Written from the layer tables, independent of pyapdraw: the definition that tests hold the models and the importer
against, and, run as torch runs it by itself, the benchmark's peer.
"""

from collections import OrderedDict

import torch
from reference_fuse_regions import outside_rectangles, published_torch
from torch import nn


class Level(nn.Module):
    """One level of the nested U-Net: halve, the levels below, double; every level but the outermost keeps its input."""

    def __init__(self, outer, inner, inputs=None, below=None, outermost=False, dropout=False):
        super().__init__()
        down = nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=False)
        up_inputs = 2 * inner if below is not None else inner
        up = nn.ConvTranspose2d(up_inputs, outer, 4, 2, 1, bias=outermost)
        self.outermost = outermost
        if outermost:
            layers = [down, below, nn.ReLU(True), up, nn.Tanh()]
        elif below is None:
            layers = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, nn.BatchNorm2d(outer)]
        else:
            layers = [nn.LeakyReLU(0.2, True), down, nn.BatchNorm2d(inner), below]
            layers += [nn.ReLU(True), up, nn.BatchNorm2d(outer)] + [nn.Dropout(0.5)] * dropout
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class Nested(nn.Module):
    """widths: channels after each halving."""

    def __init__(self, inputs, widths, dropout=()):
        super().__init__()
        below = Level(widths[-2], widths[-1])
        for i in range(len(widths) - 2, 0, -1):
            below = Level(widths[i - 1], widths[i], below=below, dropout=i in dropout)
        self.model = Level(1, widths[0], inputs, below, outermost=True)

    def forward(self, x):
        return self.model(x)


class Residual(nn.Module):
    def __init__(self, c, dropout=True):
        super().__init__()
        first = [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=False), nn.BatchNorm2d(c), nn.ReLU(True)]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=False), nn.BatchNorm2d(c)]
        self.conv_block = nn.Sequential(*first, *[nn.Dropout(0.5)] * dropout, *second)

    def forward(self, x):
        return x + self.conv_block(x)


def sequential(*layers):
    """A network whose layers are named model.0, model.1, ..."""
    return nn.Sequential(OrderedDict(model=nn.Sequential(*layers)))


def combiner(c, dropout=True):
    head = [nn.ReflectionPad2d(3), nn.Conv2d(2, c, 7, bias=False), nn.BatchNorm2d(c), nn.ReLU(True)]
    tail = [nn.ReflectionPad2d(3), nn.Conv2d(c, 1, 7), nn.Tanh()]
    return sequential(*head, Residual(c, dropout), Residual(c, dropout), *tail)


def discriminator(c):
    def group(a, b, stride):
        return [nn.Conv2d(a, b, 4, stride, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]

    head = [nn.Conv2d(4, c, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    middle = [*group(c, 2 * c, 2), *group(2 * c, 4 * c, 2), *group(4 * c, 8 * c, 1)]
    return sequential(*head, *middle, nn.Conv2d(8 * c, 1, 4, 1, 1), nn.Sigmoid())


def global_unet(inputs, ngf, levels):
    return Nested(inputs, [ngf * min(2**i, 8) for i in range(levels)], dropout=range(4, levels - 1))


def generator(ngf=64, levels=8, dropout=True):
    """The eight networks by their published names."""
    nets = {"G": global_unet(3, ngf, levels)}
    for name in ("GLEyel", "GLEyer", "GLNose", "GLMouth"):
        nets[name] = Nested(3, [ngf, 2 * ngf, 4 * ngf])
    for name in ("GLHair", "GLBG"):
        nets[name] = Nested(3, [ngf, 2 * ngf, 2 * ngf, 2 * ngf], dropout=[2])
    return {**nets, "GCombine": combiner(ngf, dropout)}


def randomise(nets, seed=0):
    """Weights as if trained: nothing at its starting value. Sharp enough for differences to show."""
    source = torch.Generator().manual_seed(seed)
    for net in nets.values():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                spread = torch.randn(value.shape, generator=source)
                fan_in = max(value[0].numel(), 1) if value.dim() > 1 else 1
                if "running_var" in name:
                    value.copy_(spread.abs() + 0.5)
                elif value.dim() > 1:
                    value.copy_(spread / fan_in**0.5)
                else:
                    value.copy_(0.2 * spread + (name.endswith("weight")))
    return nets


def settings(nets, mode, dropout=False):
    """As the published tests ran ("per_image": training mode, dropout on or off) or with running statistics."""
    for net in nets.values():
        net.train(mode == "per_image")
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.train(dropout)
    return nets


def draw(nets, photo, centres, person, sizes):
    """All drawings of one photo [1,3,S,S] by their published names. person: float [1,1,S,S] of 0 and 1."""
    side = photo.shape[-1]
    places = centres.tolist()
    features = torch.from_numpy(outside_rectangles([torch.empty(1, *s) for s in sizes], places[0], side, side))
    features = features[None, None].to(photo.dtype)

    def black_outside(x, mask):
        return (x / 2 + 0.5) * mask * 2 - 1

    crops = []
    for (x, y), (h, w) in zip(places[0], sizes):
        top, left = int(y) - h // 2, int(x) - w // 2
        crops.append(photo[:, :, top : top + h, left : left + w])
    whole = nets["G"](photo)
    parts = [nets[name](c) for name, c in zip(("GLEyel", "GLEyer", "GLNose", "GLMouth"), crops)]
    hair = nets["GLHair"](black_outside(photo, features * person))
    background = nets["GLBG"](black_outside(photo, 1 - person))
    fused = published_torch(parts, places, hair, background, features, person)
    drawing = nets["GCombine"](torch.cat([whole, fused], 1))
    hair, background = black_outside(hair, features * person), black_outside(background, 1 - person)
    names = ("fake_B", "fake_B0", "fake_B1", "fake_B_eyel", "fake_B_eyer", "fake_B_nose", "fake_B_mouth")
    return dict(zip((*names, "fake_B_hair", "fake_B_bg"), (drawing, whole, fused, *parts, hair, background)))


# Published name of a drawing -> field of Drawings.
FIELDS = {
    "fake_B": "drawing", "fake_B0": "whole", "fake_B1": "fused", "fake_B_hair": "hair", "fake_B_bg": "background",
    "fake_B_eyel": "eyel", "fake_B_eyer": "eyer", "fake_B_nose": "nose", "fake_B_mouth": "mouth",
}  # fmt: skip


def checkpoint(nets):
    """What torch.save writes into a *_net_gen.pt."""
    return {name: net.state_dict() for name, net in nets.items()}
