"""The official order of the min-pooled fusion, slowly: every image padded to the frame, then nested minima."""

import math

import numpy as np


def start(centre: float, size: int) -> int:
    """First frame coordinate of a part: the centre is truncated, then half the size is taken off."""
    return math.floor(math.trunc(float(centre)) - size / 2)


def padded(part: np.ndarray, centre, height: int, width: int, beyond: float = 1) -> np.ndarray:
    """One part [C,h,w] on a white frame (or one of another value), pixel by pixel."""
    frame = np.full((part.shape[0], height, width), beyond, part.dtype)
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


def blended(image: np.ndarray, weight: np.ndarray, beyond: float) -> np.ndarray:
    """Soft weights: in float32, rounded after every step."""
    x, w = image.astype(np.float32), weight.astype(np.float32)
    return (w * x + (np.float32(1) - w) * np.float32(beyond)).astype(image.dtype)


def fuse_regions(parts, centres, hair, background, mask, mode="min") -> np.ndarray:
    """numpy, any floating dtype. mask [N,1,H,W] of the person, or soft weights [N,2,H,W] of hair and background."""
    out = np.empty_like(hair)
    height, width = hair.shape[-2:]
    beyond, nearer = (1, np.minimum) if mode == "min" else (-1, np.maximum)
    for n in range(len(hair)):
        mine = [p[n] for p in parts]
        frames = [padded(p, c, height, width, beyond) for p, c in zip(mine, centres[n])]
        if mask.shape[1] == 2:
            hair_frame, background_frame = (blended(x[n], w, beyond) for x, w in zip((hair, background), mask[n]))
        else:
            person = np.asarray(mask[n, 0] >= 0.5 if mask.dtype.kind == "f" else mask[n, 0] != 0)
            hair_frame = np.where(person & outside_rectangles(mine, centres[n], height, width), hair[n], beyond)
            background_frame = np.where(~person, background[n], beyond)
        face = nearer(nearer(nearer(frames[0], frames[1]), frames[2]), frames[3])
        out[n] = nearer(background_frame, nearer(hair_frame, face))
    return out


def official_torch(parts, centres, hair, background, mask, mode="min"):
    """The same in torch, differentiable: what the official code computes, for any centres and values."""
    import torch

    height, width = hair.shape[-2:]
    beyond, nearer = (1.0, torch.min) if mode == "min" else (-1.0, torch.max)
    samples = []
    for n in range(len(hair)):
        frames, outside = [], torch.ones(height, width, dtype=torch.bool)
        for part, centre in zip(parts, centres[n].tolist()):
            h, w = part.shape[-2:]
            x0, y0 = start(centre[0], w), start(centre[1], h)
            left, top, right, bottom = max(x0, 0), max(y0, 0), min(x0 + w, width), min(y0 + h, height)
            if left >= right or top >= bottom:
                frames.append(torch.full_like(hair[n], beyond))
                continue
            shown = part[n][:, top - y0 : bottom - y0, left - x0 : right - x0]
            frames.append(torch.nn.functional.pad(shown, (left, width - right, top, height - bottom), value=beyond))
            outside[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)] = False
        if mask.shape[1] == 2:
            weights = mask[n].float()
            hair_frame, background_frame = (
                (w * x[n].float() + (1 - w) * beyond).to(x.dtype) for x, w in zip((hair, background), weights)
            )
        else:
            person = mask[n] >= 0.5 if mask.dtype.is_floating_point else mask[n] != 0
            white = torch.full((), beyond, dtype=hair.dtype)
            hair_frame = torch.where(person & outside, hair[n], white)
            background_frame = torch.where(person, white, background[n])
        face = nearer(nearer(nearer(frames[0], frames[1]), frames[2]), frames[3])
        samples.append(nearer(background_frame, nearer(hair_frame, face)))
    return torch.stack(samples)


def published_torch(parts, centres, hair, background, features, person):
    """The operations of the published inference code, in its order, for the benchmark: float32 [N,1,H,W] masks
    `features` (0 inside the four rectangles) and `person` come from its data loader; all parts lie inside the frame.

    Both large images are blended to white through [0,1] by arithmetic with masks that it makes; every part of every
    sample is padded to the frame by a ConstantPad2d module into a fresh batch of ones; then five nested minima.
    """
    import torch

    def white_outside(x, mask):
        return ((x / 2 + 0.5) * mask + (torch.ones(mask.shape) - mask)) * 2 - 1

    hair = white_outside(hair, features * person)
    background = white_outside(background, torch.ones(person.shape) - person)
    batch, channels, height, width = hair.shape
    frames = [torch.ones((batch, channels, height, width)) for _ in parts]
    for n in range(batch):
        for frame, part, (x, y) in zip(frames, parts, centres[n]):
            h, w = part.shape[-2:]
            x, y = int(x), int(y)
            pad = (x - w // 2, width - (x + w // 2), y - h // 2, height - (y + h // 2))
            frame[n] = torch.nn.ConstantPad2d(pad, 1)(part[n])
    eyes = torch.min(frames[0], frames[1])
    eyes_nose = torch.min(eyes, frames[2])
    face = torch.min(eyes_nose, frames[3])
    return torch.min(background, torch.min(hair, face))
