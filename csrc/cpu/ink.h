#pragma once
// What the stages of `ink` pass to each other. See ink.cpp for the method and the order.
#include "core/ink_style.h"
#include "cpu/ink_plane.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

struct Sheet {
  float scale;             // px of the picture a px of the style's lengths
  float pen;               // scale of pen widths: scale, but never below 1/2
  int factor;              // reduction to the working grid
  Grid full, low, coarse;  // sizes of the picture, the working grid, and the coarse grid, a quarter of it
  Frame frame;
  InkStyle style;
  Context ctx;

  Plane tone;       // luma relative to the skin's, of the picture's size
  Plane flow_tone;  // the same smoothed along the flow
  Plane work, a, b, score;
  uint8_t* person;  // 0 outside the frame
  uint8_t* out;     // 1 outside the photo's frame, 2 beside it

  Plane spare;  // of the working grid, as all that follow
  Plane mass;   // see two_tone
  Plane skin;   // 0..1
  Plane fold;   // see fold_gain
  Plane tangent_x, tangent_y;
  Plane l[8];                  // scratch
  Plane c[5];                  // scratch planes of the coarse grid
  float skin_tone, hair_tone;  // luma of the skin, and of the hair relative to it
  float long_hair[2];          // how much of the place beside the neck is hair, at smaller u and at larger
};

void prepare(Sheet& s, const Tensor& pixels, const Tensor& mask);  // ink_prepare.cpp
void find_skin(Sheet& s, const Tensor& pixels);                    // ink_skin.cpp
void find_flow(Sheet& s);                                          // ink_flow.cpp
void smooth_along_flow(Sheet& s, const Plane& in, const Plane& out, float sigma);
void two_tone(Sheet& s);  // ink_tone.cpp
void lines(Sheet& s);
void compose(Sheet& s);  // ink_compose.cpp
void silhouette(Sheet& s);
void jaw_line(Sheet& s);                        // ink_jaw.cpp
void remove_specks(Sheet& s, uint8_t* pixels);  // ink_specks.cpp

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
