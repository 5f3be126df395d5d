"""The networks of APDrawingGAN++ as its authors named them, in plain torch modules of their own, and its soft borders
pixel by pixel. Independent of pyapdraw, as reference_apdrawing."""

from itertools import pairwise

import numpy as np
import torch
from reference_apdrawing import Residual, combiner, global_unet, sequential
from torch import nn


def stem(ngf):
    def group(a, b, kernel, stride, padding):
        return [nn.Conv2d(a, b, kernel, stride, padding, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]

    halvings = [*group(ngf, 2 * ngf, 3, 2, 1), *group(2 * ngf, 4 * ngf, 3, 2, 1)]
    return [nn.ReflectionPad2d(3), *group(3, ngf, 7, 1, 0), *halvings]


def rest(ngf, blocks, dropout):
    def group(a, b):
        up = nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=False)
        return [up, nn.BatchNorm2d(b), nn.ReLU(True)]

    residuals = [Residual(4 * ngf, dropout) for _ in range(blocks)]
    tail = [nn.ReflectionPad2d(3), nn.Conv2d(ngf, 1, 7), nn.Tanh()]
    return [*residuals, *group(4 * ngf, 2 * ngf), *group(2 * ngf, ngf), *tail]


def resnet(ngf, blocks, dropout=True):
    return sequential(*stem(ngf), *rest(ngf, blocks, dropout))


class StyleResNet(nn.Module):
    def __init__(self, ngf, blocks, styles=3, dropout=True):
        super().__init__()
        self.model0 = nn.Sequential(*stem(ngf))
        merge = nn.Conv2d(4 * ngf + styles, 4 * ngf, 3, 1, 1, bias=False)
        self.model = nn.Sequential(merge, nn.BatchNorm2d(4 * ngf), nn.ReLU(True), *rest(ngf, blocks, dropout))

    def forward(self, x, code):
        x = self.model0(x)
        spread = torch.ones(1, 1, *x.shape[2:]) * code[:, :, None, None]
        return self.model(torch.cat([x, spread], 1))


def encoder(inputs, ngf, levels):
    layers = [nn.Conv2d(inputs, ngf, 4, 2, 1, bias=False)]
    for i in range(levels):
        a, b = ngf * 2**i, ngf * 2 ** (i + 1)
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b)]
    return nn.Sequential(*layers)


class Scores(nn.Module):
    def __init__(self, ngf, levels, height, width, classes):
        super().__init__()
        self.encoder = encoder(3, ngf, levels)
        with torch.no_grad():
            features = self.encoder.eval()(torch.zeros(1, 3, height, width)).numel()
        self.fc1 = nn.Linear(features, classes)

    def forward(self, x):
        return self.fc1(self.encoder(x).flatten(1))


class Coder(nn.Module):
    def __init__(self, ngf, height, width, latent):
        super().__init__()
        self.encoder = encoder(1, ngf, 3)
        self.cells = (8 * ngf, height // 16, width // 16)
        features = int(np.prod(self.cells))
        self.fc1, self.fc2 = nn.Linear(features, latent), nn.Linear(latent, features)
        layers = []
        for a in (8 * ngf, 4 * ngf, 2 * ngf):
            layers += [nn.ReLU(), nn.ConvTranspose2d(a, a // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(a // 2)]
        last = nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False)
        self.decoder = nn.Sequential(*layers, nn.ReLU(), last, nn.Tanh())

    def forward(self, x):
        code = torch.relu(self.fc1(self.encoder(x).flatten(1)))
        return self.decoder(self.fc2(code).view(-1, *self.cells))


def regressor(ngf):
    widths = (1, ngf, 2 * ngf, 4 * ngf)
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 3, 1, 1), nn.LeakyReLU(0.2, True)]
    return sequential(*layers, nn.Conv2d(4 * ngf, 1, 11))


def generator(ngf, blocks, side, sizes, hair_levels, latents, dropout=True):
    """blocks: (global, facial features, frames). sizes: of the rectangles. latents: (nose, eyes, mouth)."""
    nets = {"G": resnet(ngf, blocks[0], dropout)}
    nets |= {name: resnet(ngf, blocks[1], dropout) for name in ("GLEyel", "GLEyer", "GLNose", "GLMouth")}
    nets |= {"GLHair": StyleResNet(ngf, blocks[2], 3, dropout), "GLBG": resnet(ngf, blocks[2], dropout)}
    nets["GCombine"] = combiner(ngf, dropout)
    eye, _, nose, mouth = sizes
    nets |= {"CLm": Scores(ngf, 3, *mouth, 2), "CLh": Scores(ngf, hair_levels, side, side, 3)}
    nets |= {"AE": Coder(ngf, *nose, latents[0]), "AEel": Coder(ngf, *eye, latents[1])}
    nets |= {"AEer": Coder(ngf, *eye, latents[1]), "AEmowhite": Coder(ngf, *mouth, latents[2])}
    return {**nets, "AEmoblack": Coder(ngf, *mouth, latents[2])}


def auxiliary(ngf, levels):
    nets = {name: global_unet(1, ngf, levels) for name in ("DT1", "DT2", "Line1", "Line2")}
    return {**nets, "Regressor4": regressor(ngf)}


def rim(height, width):
    """Soft weights of one rectangle."""
    weight = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            weight[y, x] = min(1, (min(x, y, width - 1 - x, height - 1 - y) + 1) / 6)
    return weight


def hair_weight(places, sizes, side):
    """Soft weights of the frame outside the rectangles, pixel by pixel. places: (top, left) of each."""
    inside = np.zeros((side, side), bool)
    columns, rows = set(), set()
    for (top, left), (h, w) in zip(places, sizes):
        inside[max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] = True
        columns |= {left, left + w - 1}
        rows |= {top, top + h - 1}

    def outline(y, x):
        if not (0 <= y < side and 0 <= x < side and inside[y, x]):
            return False
        around = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        return any(not (0 <= b < side and 0 <= a < side) or not inside[b, a] for b, a in around)

    weight = np.ones((side, side))
    for y, x in np.argwhere(inside):
        far = [abs(x - c) for c in columns if outline(y, c)] + [abs(y - r) for r in rows if outline(r, x)]
        weight[y, x] = 1 - min(1, (min(far, default=99) + 1) / 6)
    return weight


def draw(nets, photo, places, person, sizes, compact):
    """All drawings of one photo [1,3,S,S] by their published names, and the two styles.

    places: (top, left) of the rectangles; person, compact: float [1,1,S,S] and [1,4,S,S] of 0 and 1.
    """
    side = photo.shape[-1]
    outside = torch.from_numpy(hair_weight(places, sizes, side)).float()[None, None]
    rims = [torch.from_numpy(rim(*size)).float() for size in sizes]
    windows = [(slice(t, t + h), slice(x, x + w)) for (t, x), (h, w) in zip(places, sizes)]

    def black_outside(x, mask):
        return (x / 2 + 0.5) * mask * 2 - 1

    def white_outside(x, mask):
        return ((x / 2 + 0.5) * mask + 1 - mask) * 2 - 1

    crops = [photo[(..., *window)] * soft for window, soft in zip(windows, rims)]
    hair_photo = black_outside(photo, outside * person)
    mouth_style = int(nets["CLm"](crops[3]).argmax())
    hair_style = int(nets["CLh"](hair_photo).argmax())
    first = [nets[name](c) for name, c in zip(("GLEyel", "GLEyer", "GLNose", "GLMouth"), crops)]
    coders = ("AEel", "AEer", "AE", ("AEmowhite", "AEmoblack")[mouth_style])
    parts = []
    for i, (name, part) in enumerate(zip(coders, first)):
        where = compact[(slice(None), slice(i, i + 1), *windows[i])]
        parts.append(nets[name](part) * where + part * (1 - where))
    hair = nets["GLHair"](hair_photo, torch.eye(3)[hair_style : hair_style + 1])
    background = nets["GLBG"](black_outside(photo, 1 - person))
    whole = nets["G"](photo)
    fused = torch.minimum(white_outside(hair, outside * person), white_outside(background, 1 - person))
    for window, part in zip(windows, parts):
        fused[(..., *window)] = torch.minimum(fused[(..., *window)], part)
    drawing = nets["GCombine"](torch.cat([whole, fused], 1))
    parts = [black_outside(part, soft) for part, soft in zip(parts, rims)]
    named = {"fake_B": drawing, "fake_B0": whole, "fake_B1": fused}
    named |= dict(zip(("fake_B_eyel", "fake_B_eyer", "fake_B_nose", "fake_B_mouth"), parts))
    named |= {"fake_B_hair": black_outside(hair, outside * person), "fake_B_bg": black_outside(background, 1 - person)}
    return named, mouth_style, hair_style
