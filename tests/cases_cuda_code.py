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


KERNELS = [
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
    Kernel(r"modulated_conv2d_(scale|filter|reduce)_kernel<.*>", threads=256, needs=("LDG.128", "STG.128")),
    Kernel(r"bias_act_dense_kernel<.*, \(int\)[^1]>", needs=("LDG.128", "STG.128")),
    Kernel(r"upfirdn2d_kernel<.*>", needs=("LDG.128",)),
    Kernel(r"conv_to_one_kernel<.*>", needs=("LDG.128",)),
    Kernel(r"conv2d_kernel<\(int\)64, .*, \(int\)4>", threads=128, needs=("LDS.128", "LDG.128", "FFMA")),
    Kernel(r"fuse_regions_(backward_)?kernel<.*, \(int\)[^1](, .*)?>", needs=("LDG.128", "STG.128")),
]

# Kernels that several operations share: their names need not begin with that of an operation.
SHARED: list[str] = ["blur_kernel", "blur_rows_kernel", "blur_columns_kernel"]
