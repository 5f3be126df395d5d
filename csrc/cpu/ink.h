#pragma once
// What the stages of `ink` pass to each other. See ink.cpp for the method and the order.
#include "core/ink_style.h"
#include "cpu/ink_plane.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

// The face's own frame: template coordinates of a 512 px crop (u to the right, v down) by a similarity.
struct Frame {
  float cos_, sin_;      // scaled rotation, template -> crop
  float from[2], to[2];  // the points that correspond
  float at[5][2];        // landmarks in crop px
  float yaw;             // nose offset along the eye axis in eye distances, > 0 to larger x
  float eye_px;          // distance of the eyes in crop px
  void to_template(float x, float y, float* u, float* v) const {
    const float dx = x - to[0], dy = y - to[1], n = cos_ * cos_ + sin_ * sin_;
    *u = (cos_ * dx + sin_ * dy) / n + from[0];
    *v = (cos_ * dy - sin_ * dx) / n + from[1];
  }
  void to_crop(float u, float v, float* x, float* y) const {
    const float du = u - from[0], dv = v - from[1];
    *x = cos_ * du - sin_ * dv + to[0];
    *y = sin_ * du + cos_ * dv + to[1];
  }
};

struct Sheet {
  int64_t size;  // S
  float scale;   // S / 512
  float pen;     // scale of pen widths: scale, but never below 1/2
  int factor;    // reduction to the working grid
  Frame frame;
  InkStyle style;
  Context ctx;

  Plane tone;       // luma relative to the skin's, [S,S]
  Plane flow_tone;  // the same smoothed along the flow
  Plane work, a, b, score;
  uint8_t* person;  // [S,S], 0 outside the frame
  uint8_t* out;     // [S,S], 1 outside the photo's frame, 2 beside it

  int64_t low;     // side of the working grid
  int64_t coarse;  // side of the coarse grid, a quarter of it
  Plane spare;     // [low,low]
  Plane mass;      // [low,low], see two_tone
  Plane skin;      // [low,low] 0..1
  Plane tangent_x, tangent_y;
  Plane l[8];          // scratch planes of the working grid
  Plane c[5];          // scratch planes of the coarse grid
  float hair_tone;     // of the hair, relative to the skin
  float long_hair[2];  // how much of the place beside the neck is hair, at smaller u and at larger
};

void prepare(Sheet& s, const Tensor& pixels, const Tensor& mask);  // ink_prepare.cpp
void find_skin(Sheet& s, const Tensor& pixels);                    // ink_skin.cpp
void find_flow(Sheet& s);                                          // ink_flow.cpp
void smooth_along_flow(Sheet& s, const Plane& in, const Plane& out, float sigma);
void two_tone(Sheet& s);  // ink_tone.cpp
void lines(Sheet& s);
void compose(Sheet& s);                         // ink_compose.cpp
void jaw_line(Sheet& s);                        // ink_jaw.cpp
void remove_specks(Sheet& s, uint8_t* pixels);  // ink_specks.cpp

// Soft membership of an ellipse: 1 inside, 0 beyond (1 + soft) radii.
inline float ellipse(float u, float v, float cu, float cv, float ru, float rv) {
  const float a = (u - cu) / ru, b = (v - cv) / rv;
  return std::sqrt(a * a + b * b);
}
inline float inside(float distance, float soft) { return 1.f - smoothstep(distance, 1.f - soft, 1.f + soft); }

// Regions of the features in the frame of the eyes: how much a pixel belongs to each.
struct Features {
  float eye, brow[2], lip, nose, nostril;
  float any() const {
    float m = eye > lip ? eye : lip;
    m = m > nose ? m : nose;
    m = m > brow[0] ? m : brow[0];
    return m > brow[1] ? m : brow[1];
  }
};
struct FeatureMap {  // constants of the crop, so that a pixel costs a few ellipses
  float ax, ay, inverse_scale, mouth_x, mouth_y, mouth_wide;
  const Frame* f;
  explicit FeatureMap(const Frame& frame);
  Features at(float x, float y) const;
};

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
