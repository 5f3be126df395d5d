"""The test files that the CUDA kernels pass on the emulated device, and what is left out there, with the reason.

A word is looked for in the names of the tests (with their class and parameters), without regard to case.
"""

TORCH = "how torch tensors reach the native module does not depend on the kernels"

FLOAT16 = "about a type that the device has and a CPU has not"

SUITES: dict[str, dict[str, str]] = {
    "test_distance_transform.py": {
        "torch": TORCH,
        "instruction_set": "there is one table of CUDA kernels",
        "large_outputs": "about the caches of a CPU",
        "groups_of_images": "26 million pixels",
        "shape1": "minutes",
        "shape3": "minutes",  # of the long sides: very many short rows
        "shape5": "minutes",
        "shape4-ys4": "minutes",
        "number_of_threads": "about the pool of a CPU",
    },
    "test_distance_transform_nearest.py": {"torch": TORCH},
    "test_distance_transform_chamfer.py": {"torch": TORCH},
    "test_fuse_regions.py": {
        "well_formed": TORCH,
        "compiles": TORCH,
    },
    "test_warp_affine.py": {"torch": TORCH},
    "test_resize.py": {"torch": TORCH},
    "test_yuv.py": {"torch": TORCH},
    "test_composite.py": {"torch": TORCH},
    "test_conv2d.py": {"torch": TORCH},
    "test_cuda_arrays.py": {},
    "test_cuda_errors.py": {},
    "test_modulated_conv2d.py": {
        "large_layer": "the emulated device has no threads, and test_modulated_conv2d_cuda.py has large layers",
        "not_a_product": "torch code, without a kernel",
    },
    "test_modulated_conv2d_cuda.py": {},
    "test_modulated_conv2d_backward_weight.py": {},
    "test_crop_yuv.py": {"torch": TORCH},
    "test_bias_act.py": {
        "well_formed": TORCH,
        "compiles": TORCH,
        "named[dtype]": FLOAT16,
        "large_output": "about the caches of a CPU",
    },
    "test_upfirdn2d.py": {
        "well_formed": TORCH,
        "compiles": TORCH,
        "named[dtype]": FLOAT16,
        "large_output": "about the caches of a CPU",
    },
    "test_pixels_cuda.py": {},
    "test_conv_to_one.py": {"well_formed": TORCH, "compiles": TORCH},
    "test_carrier.py": {"read_only_arrive": "about memory alone", "found": "about memory alone"},
}
