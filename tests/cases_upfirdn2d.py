"""Cases of upfirdn2d for the tests and the benchmark."""

import numpy as np

# The filter of StyleGAN2's up- and downsampling, as a matrix of sum 1.
BINOMIAL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
# After the up-convolutions of a 1024 px generator: channels, side of the input.
AFTER_UP = [(512, 65), (512, 129), (256, 257), (128, 513), (64, 1025)]
# Filters as (name, taps): products of rows, and not.
FILTERS = {
    "none": None,
    "binomial": BINOMIAL,
    "row": np.array([1, 3, 3, 1], np.float32) / 8,
    "asymmetric row": np.array([0.1, -0.5, 2, 0.7, 0.3], np.float32),
    "full": np.array([[1, 2, -3, 4], [0.5, 6, 7, -8], [9, 1, 1.5, 2]], np.float32) / 10,
    "column": np.array([[1], [2], [-0.5]], np.float32),
    "one": np.array([[2.5]], np.float32),
    "zero": np.zeros((2, 3), np.float32),
    "long": np.sin(np.arange(1, 25, dtype=np.float32)),
}
