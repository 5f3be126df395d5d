"""The test files that the CUDA kernels pass on the emulated device, and what is left out there, with the reason.

A word is looked for in the names of the tests (with their class and parameters), without regard to case. The test file
of an operation with a CUDA kernel needs a row only where something is left out.
"""

import re
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "csrc" / "core" / "ops.def"

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
    "test_crop.py": {},
    "test_flow_dog.py": {"torch": TORCH},
    "test_ink.py": {
        "drawings_are_near": "22 portraits; test_ink_agreement.py compares with the CPU",
        "exposure": "what the style makes of a photo, as on the CPU",
        "sensor_noise": "what the style makes of a photo, as on the CPU",
    },
    "test_masks.py": {
        "any_side": "minutes; sizes are varied in test_crop.py and test_guided_upsample.py",
        "portraits": "minutes; the network's own answer is compared",
        "threads": "a device has no worker threads",
    },
    "test_cuda_arrays.py": {},
    "test_cuda_errors.py": {},
    "test_cuda_scratch.py": {},
    "test_modulated_conv2d.py": {
        "large_layer": "the emulated device has no threads, and test_modulated_conv2d_cuda.py has large layers",
    },
    "test_modulated_conv2d_gradients.py": {
        "well_formed": TORCH,
        "compiles": TORCH,
        "gradcheck": "float64, without a kernel",
        "for_any_filter_and_side": "float64, without a kernel",
    },
    "test_modulated_conv2d_cuda.py": {},
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
    "test_instance_norm.py": {
        "instruction_set": "there is one table of CUDA kernels",
        "compiles": TORCH,
        "well_formed": TORCH,
    },
    "test_conv_to_one.py": {"well_formed": TORCH, "compiles": TORCH},
    "test_sanitize_calls.py": {},
    "test_copy_to_device.py": {"read_only_arrive": "about memory alone", "found": "about memory alone"},
}
if TABLE.is_file():
    for op in re.findall(r"^PA_OP\((\w+)", TABLE.read_text(encoding="utf-8"), re.M):
        if Path(__file__).with_name(f"test_{op}.py").is_file():
            SUITES.setdefault(f"test_{op}.py", {})

# On `--device cuda` beside that: there the arrays lie on the device, where the core cannot read their values. On the
# emulated device, whose memory is the CPU's, it does.
NOT_ON_A_GPU: dict[str, dict[str, str]] = {
    "test_crop.py": {"refuses_boxes_outside": "boxes on a device are cut to the image: test_on_a_device_..."},
}

# Run by one process: what takes a few seconds is not worth a start of its own.
SHORT = [name for name in SUITES if not name.startswith("test_cuda_")]
for _long in ("distance_transform", "distance_transform_chamfer", "ink", "masks", "modulated_conv2d",
              "modulated_conv2d_gradients", "modulated_conv2d_cuda", "bias_act", "upfirdn2d", "pixels_cuda", "conv2d",
              "instance_norm"):  # fmt: skip
    SHORT.remove(f"test_{_long}.py")
GROUPS = [(name,) for name in SUITES if name not in SHORT] + [tuple(SHORT[i::3]) for i in range(3)]
