// The table of CUDA kernels. It is filled without touching the driver, so that importing the
// module works on a machine that has none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {

const Backend* cuda_backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = "cuda";
    b.has_f16 = true;
    b.ink = cuda::ink;
    b.ink_planes = cuda::ink_planes;
    b.flow_dog = cuda::flow_dog;
    b.warp_affine = cuda::warp_affine;
    b.resize = cuda::resize;
    b.yuv_to_rgb = cuda::yuv_to_rgb;
    b.rgb_to_yuv = cuda::rgb_to_yuv;
    b.crop_yuv = cuda::crop_yuv;
    b.paste_yuv = cuda::paste_yuv;
    b.rgb_to_nchw = cuda::rgb_to_nchw;
    b.nchw_to_rgb = cuda::nchw_to_rgb;
    b.composite = cuda::composite;
    b.distance_transform = cuda::distance_transform;
    b.distance_transform_nearest = cuda::distance_transform_nearest;
    b.distance_transform_chamfer = cuda::distance_transform_chamfer;
    b.distance_transform_pair = cuda::distance_transform_pair;
    b.fuse_regions = cuda::fuse_regions;
    b.fuse_regions_backward = cuda::fuse_regions_backward;
    b.conv2d = cuda::conv2d;
    b.conv2d_bf16 = cuda::conv2d;
    b.max_pool2d = cuda::max_pool2d;
    b.crop_area = cuda::crop_area;
    b.crop_warp = cuda::crop_warp;
    b.guided_upsample = cuda::guided_upsample;
    b.local_contrast = cuda::local_contrast;
    b.pixel_unshuffle = cuda::pixel_unshuffle;
    b.add_upsampled = cuda::add_upsampled;
    b.nms = cuda::nms;
    b.modulated_conv2d = cuda::modulated_conv2d;
    b.modulated_conv2d_backward_weight = cuda::modulated_conv2d_backward_weight;
    b.bias_act = cuda::bias_act;
    b.bias_act_backward = cuda::bias_act_backward;
    b.upfirdn2d = cuda::upfirdn2d;
    b.conv_to_one = cuda::conv_to_one;
    b.instance_norm = cuda::instance_norm;
    return b;
  }();
  return &table;
}

}  // namespace pyapdraw
