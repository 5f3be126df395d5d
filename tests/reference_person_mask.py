"""The person network once more, in float64 numpy and in the order of its definition: slow and plain."""

import numpy as np


def person_logits(pixels, tensors, size_px=128):
    """Log odds [128,128] for a crop uint8 [S,S,3] , S a multiple of 128; tensors as the weights file has them."""
    block = pixels.shape[0] // size_px
    photo = pixels.reshape(size_px, block, size_px, block, 3).astype(np.float64).mean(axis=(1, 3))
    position = np.linspace(-1, 1, size_px)
    x = np.dstack([photo / 127.5 - 1, *np.meshgrid(position, position)])

    def conv(x, name, stride=1):
        weight, bias = tensors[f"{name}.weight"].astype(np.float64), tensors[f"{name}.bias"]
        side = weight.shape[0]
        padded = np.pad(x, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        out = np.zeros((*x.shape[:2], weight.shape[3])) + bias
        for row in range(side):
            for column in range(side):
                out += padded[row : row + x.shape[0], column : column + x.shape[1]] @ weight[row, column]
        out = out[::stride, ::stride]
        return np.maximum(out, 0) if side == 3 else out

    levels = sum(key.startswith("down.") for key in tensors) // 2
    x = conv(x, "stem")
    skips = []
    for level in range(levels):
        skips.append(x)
        x = conv(conv(x, f"down.{level}", stride=2), f"body.{level}")
    x = conv(x, "context")
    for level in reversed(range(levels)):
        wider = conv(x, f"side.{level}").repeat(2, axis=0).repeat(2, axis=1)
        x = conv(skips[level] + wider, f"up.{level}")
    return conv(x, "head")[..., 0]


def overlap(first, second):
    """Intersection over union of two uint8 masks, both cut at one half."""
    first, second = first >= 128, second >= 128
    return (first & second).sum() / max((first | second).sum(), 1)
