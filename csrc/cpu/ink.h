#pragma once
// What the stages of `ink` pass to each other. See ink.cpp for the method and the order.
#include "core/ink_style.h"
#include "cpu/ink_plane.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

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

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
