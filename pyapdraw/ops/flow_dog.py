"""Dark lines along the flow of a picture: the line filter of style ink."""

from typing import Any

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.ops._arrays import Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def flow_dog(
    image: Array,
    *,
    fine_px: float = 0.4,
    tensor_px: float = 3.03,
    flow_px: float = 1.85,
    line_px: float = 1.98,
    reduce: int = 1,
    out: Array | None = None,
) -> Array:
    """Difference of Gaussians on a picture that is smoothed along its own edges.

    The picture is smoothed a little (fine_px); the minor eigenvector of its structure tensor (3 x 3 Sobel gradients /
    8, their products averaged over tensor_px) is the tangent of the flow [Kang, Lee & Chui, NPAR 2007; in the
    eigenvector form of Winnemoeller et al., Computers & Graphics 36(6), 2012, section 2.6]. Smoothing follows it: a
    Gaussian mean over up to seven Euler steps of 1 px to either side, bilinear. Then the lines: Gaussian of line_px
    minus the picture.
    Kang et al. take differences across the flow first and smooth along it afterwards; here the order is that of style
    ink, which calls the same code, and the difference is of isotropic Gaussians. All Gaussians end at 2.5 sigma and
    are none below 0.2 px (along the flow: 0.3); edge pixels repeat.

    Args:
        image: float32 [..., H, W], 2 to 8192 px a side, values up to +-4 (beyond, the smoothing saturates), any
            strides; numpy or torch (CPU).
        fine_px, tensor_px, line_px: standard deviations, 0 to 76 px. flow_px: 0 to 3.5.
        reduce: the flow is found on a grid that is this many times coarser, 1 to 16: cheaper and smoother (cells at the
            far borders may be smaller).
        out: like `image`, other memory; written and returned.

    Returns:
        float32, like `image`: positive on dark lines, negative beside them, 0 on plain areas. Along the flow, values
        are kept to 1/8192 and tangents to 1/32767. No gradient.

    Raises:
        BadInput: wrong shape, dtype or option.

    >>> picture = np.ones((16, 16), np.float32)
    >>> picture[:, 8] = 0.0
    >>> lines = flow_dog(picture)
    >>> bool((lines[:, 8] > 0.5).all() and (lines[:, 10] < 0).all())
    True
    """
    options = (float(fine_px), float(tensor_px), float(flow_px), float(line_px), int(reduce))
    if all_torch(image=image, out=out):
        if out is None:
            return operators().flow_dog(image, *options)
    elif out is None:
        out = empty(image.shape, image.dtype, like=image)
    call(_C.flow_dog, image.detach() if hasattr(image, "detach") else image, out, *options, like=out)
    return out


def _fake(image: Any, *_: Any) -> Any:
    return image.new_empty(image.shape)


def _run(image: Any, *options: Any) -> Any:
    out = _fake(image)
    call(_C.flow_dog, image.detach(), out, *options, like=out)
    return out


declare(
    Operator(
        "flow_dog(Tensor image, float fine, float tensor, float flow, float line, int reduce) -> Tensor", _run, _fake
    )
)
