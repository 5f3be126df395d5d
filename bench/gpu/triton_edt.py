"""Exact Euclidean distance transform in Triton: the baseline of the GPU benchmark.

What the textbook gives [Felzenszwalb, Huttenlocher 2012; Meijster, Roerdink, Hesselink 2000], without more ado: a
column pass of two sweeps, a row pass that builds the lower envelope of parabolas on a stack and reads it off. Lanes are
columns in the first pass and rows in the second; the stacks lie in global memory. Linear in the pixels; integers
throughout, so exact for sides below 23,170.

    python bench/gpu/triton_edt.py        checks itself against the definition (TRITON_INTERPRET=1: without a GPU)
"""

import torch
import triton
import triton.language as tl

LANES = 32
NONE = 32767  # no site in this column; sides are below
NONE_IN_KERNEL = tl.constexpr(NONE)


@triton.jit
def columns_kernel(sites, rows_to_site, height, width, LANES: tl.constexpr):
    """sites u8, rows_to_site i16 [N,H,W]. A program takes LANES columns of an image."""
    x = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = x < width
    at = tl.program_id(1).to(tl.int64) * height * width + x
    none = tl.zeros([LANES], tl.int32) + NONE_IN_KERNEL
    rows = none
    for _ in range(height):
        site = tl.load(sites + at, mask=inside, other=0)
        rows = tl.where(site != 0, 0, tl.minimum(rows + 1, none))
        tl.store(rows_to_site + at, rows.to(tl.int16), mask=inside)
        at += width
    rows = none
    for _ in range(height):
        at -= width
        above = tl.load(rows_to_site + at, mask=inside, other=0).to(tl.int32)
        rows = tl.where(above == 0, 0, tl.minimum(rows + 1, none))
        tl.store(rows_to_site + at, tl.minimum(above, rows).to(tl.int16), mask=inside)


@triton.jit
def rows_kernel(rows_to_site, stack, begins, distance, height, width, LANES: tl.constexpr):
    """stack, begins i32 and distance f32 [N,H,W]. A program takes LANES rows of an image: for each the columns of the
    lower envelope and where each begins to be the nearest."""
    y = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = y < height
    row = (tl.program_id(1).to(tl.int64) * height + y) * width
    top = tl.zeros([LANES], tl.int32) - 1
    for x in range(width):
        g = tl.load(rows_to_site + row + x, mask=inside, other=NONE_IN_KERNEL).to(tl.int32)
        there = inside & (g != NONE_IN_KERNEL)
        popping = there & (top >= 0)
        while tl.max(popping.to(tl.int32), axis=0) > 0:
            s = tl.load(stack + row + top, mask=popping, other=0)
            begin = tl.load(begins + row + top, mask=popping, other=0)
            f = tl.load(rows_to_site + row + s, mask=popping, other=0).to(tl.int32)
            worse = f * f + (begin - s) * (begin - s) > g * g + (begin - x) * (begin - x)
            top = tl.where(popping & worse, top - 1, top)
            popping = popping & worse & (top >= 0)
        under = there & (top >= 0)
        s = tl.load(stack + row + top, mask=under, other=x - 1)
        f = tl.load(rows_to_site + row + s, mask=under, other=0).to(tl.int32)
        begin = 1 + ((x - s) * (x + s) + g * g - f * f) // (2 * (x - s))
        begin = tl.where(under, begin, 0)
        push = there & (begin < width)
        top = tl.where(push, top + 1, top)
        tl.store(stack + row + top, tl.zeros([LANES], tl.int32) + x, mask=push)
        tl.store(begins + row + top, begin, mask=push)
        tl.debug_barrier()
    some = inside & (top >= 0)
    for back in range(width):
        x = width - 1 - back
        begin = tl.load(begins + row + top, mask=some, other=0)
        top = tl.where(some & (begin > x), top - 1, top)
        s = tl.load(stack + row + top, mask=some, other=0)
        f = tl.load(rows_to_site + row + s, mask=some, other=0).to(tl.int32)
        d2 = f * f + (x - s) * (x - s)
        d = tl.sqrt(d2.to(tl.float32))
        tl.store(distance + row + x, tl.where(some, d, float("inf")), mask=inside)


def edt(images: torch.Tensor) -> torch.Tensor:
    """bool [H,W] or [N,H,W] -> float32, distance to the nearest true pixel; +inf in an image without any."""
    height, width = images.shape[-2:]
    if max(height, width) >= 23170:
        raise ValueError(f"images: shape {tuple(images.shape)} given, sides below 23170 px expected")
    sites = images.contiguous().view(-1, height, width).view(torch.uint8)
    count = sites.shape[0]
    rows_to_site = torch.empty(sites.shape, dtype=torch.int16, device=sites.device)
    stack, begins = torch.empty((2, *sites.shape), dtype=torch.int32, device=sites.device)
    distance = torch.empty(sites.shape, dtype=torch.float32, device=sites.device)
    columns_kernel[(triton.cdiv(width, LANES), count)](sites, rows_to_site, height, width, LANES, num_warps=1)
    rows_kernel[(triton.cdiv(height, LANES), count)](
        rows_to_site, stack, begins, distance, height, width, LANES, num_warps=1
    )
    return distance.view(images.shape)


def check() -> None:
    generator = torch.Generator().manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for shape, share in [((2, 33, 47), 0.02), ((40, 40), 0.5), ((1, 37, 5), 0.05), ((3, 20, 40), 0.0), ((9, 65), 1.0)]:
        images = torch.rand(shape, generator=generator) < share
        found = edt(images.to(device)).cpu()
        y, x = torch.meshgrid(*(torch.arange(n) for n in shape[-2:]), indexing="ij")
        for image, of_image in zip(images.view(-1, *shape[-2:]), found.view(-1, *shape[-2:])):
            d2 = torch.full(image.shape, float("inf"), dtype=torch.float64)
            for site_y, site_x in image.nonzero():
                d2 = torch.minimum(d2, ((y - site_y) ** 2 + (x - site_x) ** 2).double())
            assert torch.equal(of_image, d2.sqrt().float()), (shape, share)
    print(f"triton_edt agrees with the definition on {device}")


if __name__ == "__main__":
    check()
