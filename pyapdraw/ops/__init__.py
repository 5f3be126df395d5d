"""Native operations for numpy arrays and torch tensors, on the CPU and on CUDA: same kind out as in.

One file an operation: the wrapper, its fake and its backward. torch is not imported before a torch tensor comes in.
"""

from pyapdraw.ops.distance_transform import distance_transform
from pyapdraw.ops.fuse_regions import fuse_regions

__all__ = ["distance_transform", "fuse_regions"]
