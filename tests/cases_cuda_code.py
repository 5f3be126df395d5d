"""What the machine code of the CUDA kernels must look like, beyond what holds for all of them (test_cuda_code.py).

A kernel without a row may be launched with up to 1024 threads a block: it then has 64 registers at most, or launch
bounds. A row is due where a kernel must hold certain instructions, or is launched with fewer threads and keeps more
registers than that without saying so in its launch bounds.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """name: regular expression of the whole name with its template arguments, such as resize_kernel<float>. threads: of
    its largest block. needs: instructions with modifiers in any order, as in Code.has; "a|b": one of them. stack_bytes:
    what a frame may hold, with the reason."""

    name: str
    threads: int = 1024
    needs: tuple[str, ...] = ()
    stack_bytes: int = 0
    reason: str = ""


CALLS = "its divisions are functions: calls of them save registers"

KERNELS = [
    Kernel(r"blur_kernel<2, \d+, inking::StrandSource, .*>", threads=256, stack_bytes=32, reason=CALLS),
    Kernel(r"paste_yuv_kernel<\d, \(Reduction\)2>", threads=256, stack_bytes=160, reason=f"the rare way; {CALLS}"),
    Kernel(r"warp_affine_kernel<.*, true>", threads=256, stack_bytes=160, reason=f"the rare way; {CALLS}"),
    Kernel(
        r"upfirdn2d_kernel<.*, 0, 0>",
        needs=("LDG.128",),
        stack_bytes=160,
        reason=f"for factors that no other takes; {CALLS}",
    ),
    # Frames that only some architectures have, of 8 to 56 bytes.
    Kernel(r"crop_yuv_kernel<.*, true>", threads=256, stack_bytes=64, reason=f"the rare way; {CALLS}"),
    Kernel(r"crop_yuv_box_kernel<.*>", threads=256, stack_bytes=16, reason=CALLS),
    Kernel(r"paste_yuv_kernel<3, \(Reduction\)1>", threads=256, stack_bytes=16, reason=CALLS),
    Kernel(r"resize_kernel<.*>", threads=256, stack_bytes=32, reason=CALLS),
    Kernel(r"warp_affine_box_kernel<.*>", threads=256, stack_bytes=24, reason=CALLS),
    Kernel(r"warp_affine_kernel<float, false>", threads=256, stack_bytes=8, reason="one double is put aside on sm_100"),
    Kernel(r"modulated_conv2d_pack_kernel<.*>", threads=256, stack_bytes=8, reason=CALLS),
    Kernel(r"upfirdn2d_kernel<double, 1, [12]>", needs=("LDG.128",), stack_bytes=8, reason=CALLS),
    Kernel(
        r"distance_transform_rows_kernel<.*, true>",
        threads=512,
        needs=("BAR", "VOTE", "REDUX|CREDUX"),
        stack_bytes=8,
        reason=f"rows in scratch memory; {CALLS}",
    ),
    Kernel(r"distance_transform_columns_kernel", needs=("BAR", "LDS", "FLO")),
    Kernel(r"distance_transform_rows_kernel<.*>", threads=512, needs=("BAR", "VOTE", "REDUX|CREDUX")),
    Kernel(
        r"modulated_conv2d_(tile|backward_weight)_kernel<.*(__half|__nv_bfloat16).*>",
        threads=128,
        needs=("HMMA", "LDSM", "LDGSTS.128", "BAR"),
    ),
    Kernel(
        r"modulated_conv2d_(tile|backward_weight)_kernel<.*float.*>",
        threads=128,
        needs=("FFMA", "LDS.128", "LDGSTS.128", "BAR"),
    ),
    Kernel(
        r"modulated_conv2d_(scale|filter|reduce)_kernel<.*>",
        threads=256,
        needs=("LDG.128", "STG.128"),
        stack_bytes=32,
        reason=CALLS,
    ),
    Kernel(r"bias_act_dense_kernel<.*, [^1]>", needs=("LDG.128", "STG.128")),
    Kernel(r"composite_quad_kernel<float, .*>", needs=("LDG.128", "STG.128")),
    Kernel(r"nchw_to_rgb_quad_kernel", needs=("LDG.128",)),
    Kernel(r"rgb_to_nchw_quad_kernel", needs=("STG.128",)),
    Kernel(r"upfirdn2d_kernel<.*>", needs=("LDG.128",)),
    Kernel(r"conv_to_one_kernel<.*>", needs=("LDG.128",)),
    Kernel(r"instance_norm_sums_kernel<.*, [48], .*>", needs=("LDG.128", "BAR")),
    Kernel(r"instance_norm_apply_kernel<.*, [48], .*>", needs=("LDG.128", "STG.128")),
    Kernel(r"conv2d_kernel<64, .*, 4>", threads=128, needs=("LDS.128", "LDG.128", "FFMA")),
    Kernel(r"fuse_regions_(backward_)?kernel<.*, [^1](, .*)?>", needs=("LDG.128", "STG.128")),
]

# Kernels that several operations share: their names need not begin with that of an operation.
SHARED: list[str] = ["blur_kernel", "blur_rows_kernel", "blur_columns_kernel"]
