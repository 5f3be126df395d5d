"""Native operations for numpy arrays and torch tensors, on the CPU and on CUDA: same kind out as in.

CUDA arrays of CuPy, pycuda, Numba, JAX and others are taken as they are (docs/gpu.md). One file an operation: the
wrapper, its fake and its backward. No array library is imported before one of its arrays comes in.
"""

from pyapdraw.ops._device import on_stream
from pyapdraw.ops.bias_act import bias_act
from pyapdraw.ops.composite import composite
from pyapdraw.ops.conv_to_one import conv_to_one
from pyapdraw.ops.crop_yuv import crop_yuv
from pyapdraw.ops.distance_transform import distance_transform, distance_transform_chamfer, distance_transform_pair
from pyapdraw.ops.flow_dog import flow_dog
from pyapdraw.ops.fuse_regions import fuse_regions
from pyapdraw.ops.instance_norm import instance_norm
from pyapdraw.ops.modulated_conv2d import modulated_conv2d
from pyapdraw.ops.nchw_to_rgb import nchw_to_rgb
from pyapdraw.ops.paste_yuv import paste_yuv
from pyapdraw.ops.resize import resize
from pyapdraw.ops.rgb_to_nchw import rgb_to_nchw
from pyapdraw.ops.rgb_to_yuv import rgb_to_yuv
from pyapdraw.ops.upfirdn2d import upfirdn2d
from pyapdraw.ops.warp_affine import warp_affine
from pyapdraw.ops.yuv_to_rgb import yuv_to_nchw, yuv_to_rgb

__all__ = [
    "bias_act",
    "composite",
    "conv_to_one",
    "crop_yuv",
    "distance_transform",
    "distance_transform_chamfer",
    "distance_transform_pair",
    "flow_dog",
    "fuse_regions",
    "instance_norm",
    "modulated_conv2d",
    "nchw_to_rgb",
    "on_stream",
    "paste_yuv",
    "resize",
    "rgb_to_nchw",
    "rgb_to_yuv",
    "upfirdn2d",
    "warp_affine",
    "yuv_to_nchw",
    "yuv_to_rgb",
]
