#include "core/backend.h"

#include "cpu/kernels.h"

#define PA_TEXT2(x) #x
#define PA_TEXT(x) PA_TEXT2(x)

namespace pyapdraw {
namespace PA_ISA {

const Backend& backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = PA_TEXT(PA_ISA);
    b.distance_transform = distance_transform;
    b.distance_transform_nearest = distance_transform_nearest;
    b.distance_transform_chamfer = distance_transform_chamfer;
    b.ink = ink;
    b.ink_planes = ink_planes;
    b.flow_dog = flow_dog;
    b.warp_affine = warp_affine;
    b.resize = resize;
    b.yuv_to_rgb = yuv_to_rgb;
    b.rgb_to_yuv = rgb_to_yuv;
    b.crop_yuv = crop_yuv;
    b.paste_yuv = paste_yuv;
    b.rgb_to_nchw = rgb_to_nchw;
    b.nchw_to_rgb = nchw_to_rgb;
    b.composite = composite;
    b.distance_transform_pair = distance_transform_pair;
    b.fuse_regions = fuse_regions;
    b.fuse_regions_backward = fuse_regions_backward;
    b.conv2d = conv2d;
    b.conv2d_bf16 = conv2d_bf16;
    b.max_pool2d = max_pool2d;
    b.crop_area = crop_area;
    b.crop_warp = crop_warp;
    b.guided_upsample = guided_upsample;
    b.local_contrast = local_contrast;
    b.pixel_unshuffle = pixel_unshuffle;
    b.add_upsampled = add_upsampled;
    b.nms = nms;
    b.modulated_conv2d = modulated_conv2d;
    b.modulated_conv2d_backward_weight = modulated_conv2d_backward_weight;
    b.bias_act = bias_act;
    b.bias_act_backward = bias_act_backward;
    b.upfirdn2d = upfirdn2d;
    b.conv_to_one = conv_to_one;
    b.instance_norm = instance_norm;
    return b;
  }();
  return table;
}

}  // namespace PA_ISA
}  // namespace pyapdraw
