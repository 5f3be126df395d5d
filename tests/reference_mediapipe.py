"""MediaPipe's networks once more, in float64 numpy, every step where their published graphs have it: slow and plain.

Maps are [h,w,c]; tensors as the weight files have them.
"""

import numpy as np


def same(x, kernel, stride):
    """Zeros around, as TensorFlow's "same": of two sides that differ, the latter is the wider."""
    pads = []
    for side in x.shape[:2]:
        whole = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads.append((whole // 2, whole - whole // 2))
    return np.pad(x, (*pads, (0, 0)))


def windows(x, kernel, stride):
    rows, columns = ((side - kernel) // stride + 1 for side in x.shape[:2])
    for ky in range(kernel):
        for kx in range(kernel):
            yield ky, kx, x[ky : ky + (rows - 1) * stride + 1 : stride, kx : kx + (columns - 1) * stride + 1 : stride]


def conv(tensors, name, x, stride=1, padded=True):
    weight, bias = tensors[f"{name}.weight"].astype(np.float64), tensors[f"{name}.bias"]
    kernel = weight.shape[0]
    x = same(x, kernel, stride) if padded else x
    return bias + sum(seen @ weight[ky, kx] for ky, kx, seen in windows(x, kernel, stride))


def depthwise(tensors, name, x, stride=1):
    weight, bias = tensors[f"{name}.weight"].astype(np.float64), tensors[f"{name}.bias"]
    kernel = weight.shape[0]
    return bias + sum(seen * weight[ky, kx] for ky, kx, seen in windows(same(x, kernel, stride), kernel, stride))


def relu(x):
    return np.maximum(x, 0)


def hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def enlarged(x):
    """Twice the sides, bilinear between pixel centres, the border's pixels beyond them."""
    for axis in (0, 1):
        count = x.shape[axis]
        at = np.clip((np.arange(2 * count) + 0.5) / 2 - 0.5, 0, count - 1)
        low = np.floor(at).astype(int)
        share = np.expand_dims(at - low, tuple(i for i in range(3) if i != axis))
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, count - 1), axis) * share
    return x


def gate(tensors, name, x):
    mean = x.mean(axis=(0, 1), keepdims=True)
    return sigmoid(conv(tensors, f"{name}.excite", relu(conv(tensors, f"{name}.squeeze", mean))))


def selfie(tensors, photo):
    """Log odds [256,256] for photo [256,256,3] in 0 to 1."""
    act = hard_swish
    x = act(conv(tensors, "stem", photo, 2))
    skips = [x]
    kinds = [(2, True, relu), (2, False, relu), (1, False, relu), (2, True, act), *[(1, True, act)] * 4]
    for i, (stride, gated, act) in enumerate(kinds):
        wide = act(conv(tensors, f"block{i}.expand", x))
        wide = act(depthwise(tensors, f"block{i}.depthwise", wide, stride))
        if gated:
            wide = wide * gate(tensors, f"block{i}", wide)
        y = conv(tensors, f"block{i}.project", wide)
        x = x + y if i in (2, 4, 5, 6, 7) else y
        if i in (0, 2):
            skips.append(x)
    x = relu(conv(tensors, "head", x)) * sigmoid(conv(tensors, "head.excite", x.mean(axis=(0, 1), keepdims=True)))
    for i in (2, 1, 0):
        above = conv(tensors, f"up{i}.narrow", enlarged(x))
        merged = skips[i] * gate(tensors, f"up{i}", skips[i] + above) + above
        x = relu(conv(tensors, f"up{i}.merge", merged))
        x = x + relu(depthwise(tensors, f"up{i}.depthwise", x))
    quads = conv(tensors, "last", x)
    out = np.empty((256, 256))
    for k in range(4):
        out[k // 2 :: 2, k % 2 :: 2] = quads[..., k]
    return out


def prelu(tensors, name, x):
    return np.where(x > 0, x, x * tensors[f"{name}.slope"])


def iris(tensors, crop):
    """Points of the eye [71,3] and of the iris [5,3], px of the crop's corner, for crop [64,64,3] in 0 to 1."""

    def block(name, x):
        stride = 2 if "down" in name else 1
        y = prelu(tensors, f"{name}.narrow", conv(tensors, f"{name}.narrow", x, stride))
        y = conv(tensors, f"{name}.wide", depthwise(tensors, f"{name}.depthwise", y))
        if stride == 2:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
        return prelu(tensors, name, y + np.pad(x, ((0, 0), (0, 0), (0, y.shape[2] - x.shape[2]))))

    def blocks(names, x):
        for name in names.split():
            x = block(name, x)
        return x

    x = prelu(tensors, "stem", conv(tensors, "stem", crop, 2))
    x = blocks("block0 block1 block2 block3 down0 block4 block5 block6 block7 down1", x)
    found = []
    for branch in ("eye", "iris"):
        names = " ".join(
            f"{branch}.{name}"
            for name in ("block0", "block1", "down0", "block2", "block3", "down1", "block4", "block5")
        )
        found.append(conv(tensors, f"{branch}.out", blocks(names, x), padded=False).reshape(-1, 3))
    return found


def face_mesh(tensors, crop):
    """Points [468,3], px of the crop's corner, and the logit of the score, for crop [192,192,3] in 0 to 1."""

    def block(name, x):
        stride = 2 if "down" in name else 1
        y = conv(tensors, f"{name}.pointwise", depthwise(tensors, f"{name}.depthwise", x, stride))
        if stride == 2:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
        return prelu(tensors, name, y + np.pad(x, ((0, 0), (0, 0), (0, y.shape[2] - x.shape[2]))))

    x = prelu(tensors, "stem", conv(tensors, "stem", crop, 2))
    for level in range(5):
        x = block(f"block{2 * level + 1}", block(f"block{2 * level}", x))
        if level < 4:
            x = block(f"down{level}", x)
    score = prelu(tensors, "score.narrow", conv(tensors, "score.narrow", block("score.down", x)))
    for name in ("points.down", "points.block0", "points.block1"):
        x = block(name, x)
    x = block("points.block2", prelu(tensors, "points.narrow", conv(tensors, "points.narrow", x)))
    points = conv(tensors, "points.out", x, padded=False).reshape(468, 3)
    return points, conv(tensors, "score.out", block("score.block", score), padded=False).item()
