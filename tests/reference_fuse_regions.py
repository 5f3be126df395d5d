"""The official order of the min-pooled fusion, slowly: every image padded to the frame, then nested minima."""

import math

import numpy as np


def start(centre: float, size: int) -> int:
    """First frame coordinate of a part: the centre is truncated, then half the size is taken off."""
    return math.floor(math.trunc(float(centre)) - size / 2)


def padded(part: np.ndarray, centre, height: int, width: int) -> np.ndarray:
    """One part [C,h,w] on a white frame, pixel by pixel."""
    frame = np.ones((part.shape[0], height, width), part.dtype)
    x0, y0 = start(centre[0], part.shape[2]), start(centre[1], part.shape[1])
    for y in range(part.shape[1]):
        for x in range(part.shape[2]):
            if 0 <= y0 + y < height and 0 <= x0 + x < width:
                frame[:, y0 + y, x0 + x] = part[:, y, x]
    return frame


def outside_rectangles(parts, centres, height: int, width: int) -> np.ndarray:
    """The official `mask` of one sample: False inside any of the four rectangles."""
    mask = np.ones((height, width), bool)
    for part, centre in zip(parts, centres):
        x0, y0 = start(centre[0], part.shape[2]), start(centre[1], part.shape[1])
        mask[max(y0, 0) : max(y0 + part.shape[1], 0), max(x0, 0) : max(x0 + part.shape[2], 0)] = False
    return mask


def fuse_regions(parts, centres, hair, background, mask) -> np.ndarray:
    """numpy, any floating dtype."""
    out = np.empty_like(hair)
    height, width = hair.shape[-2:]
    for n in range(len(hair)):
        mine = [p[n] for p in parts]
        frames = [padded(p, c, height, width) for p, c in zip(mine, centres[n])]
        person = np.asarray(mask[n, 0] >= 0.5 if mask.dtype.kind == "f" else mask[n, 0] != 0)
        hair_frame = np.where(person & outside_rectangles(mine, centres[n], height, width), hair[n], 1)
        background_frame = np.where(~person, background[n], 1)
        face = np.minimum(np.minimum(np.minimum(frames[0], frames[1]), frames[2]), frames[3])
        out[n] = np.minimum(background_frame, np.minimum(hair_frame, face))
    return out


def official_torch(parts, centres, hair, background, mask):
    """The same in torch, differentiable: ConstantPad2d, mask arithmetic and torch.min, as the official code does it."""
    import torch

    height, width = hair.shape[-2:]
    samples = []
    for n in range(len(hair)):
        frames, outside = [], torch.ones(height, width, dtype=torch.bool)
        for part, centre in zip(parts, centres[n].tolist()):
            h, w = part.shape[-2:]
            x0, y0 = start(centre[0], w), start(centre[1], h)
            left, top, right, bottom = max(x0, 0), max(y0, 0), min(x0 + w, width), min(y0 + h, height)
            if left >= right or top >= bottom:
                frames.append(torch.ones_like(hair[n]))
                continue
            shown = part[n][:, top - y0 : bottom - y0, left - x0 : right - x0]
            frames.append(torch.nn.functional.pad(shown, (left, width - right, top, height - bottom), value=1.0))
            outside[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)] = False
        person = mask[n] >= 0.5 if mask.dtype.is_floating_point else mask[n] != 0
        white = torch.ones((), dtype=hair.dtype)
        hair_frame = torch.where(person & outside, hair[n], white)
        background_frame = torch.where(person, white, background[n])
        face = torch.min(torch.min(torch.min(frames[0], frames[1]), frames[2]), frames[3])
        samples.append(torch.min(background_frame, torch.min(hair_frame, face)))
    return torch.stack(samples)
