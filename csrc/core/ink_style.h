#pragma once
// The constants of style `ink`. Lengths are px of a 512 px crop and scale with the crop; tones are relative to the
// luma of the face's own skin, so that exposure does not matter.

namespace pyapdraw {

struct InkStyle {
  // flow
  float fine = 0.6f;        // smoothing before everything, px
  float tensor = 2.86f;     // structure tensor smoothing, px
  float flow_score = 2.f;   // smoothing of the score along the flow, px
  float eye_sharp = 0.6f;   // less of it in the eyes
  float flow = 3.39f;       // smoothing along the flow, px
  // two-tone of hair and clothes, on log(tone + dark)
  float dark = 0.054f;
  float strand = 1.95f;     // strands are finer than this, px
  float lock = 7.07f;       // window of local contrast, px
  float strand_noise = 0.03f, lock_noise = 0.058f;  // contrasts below these are not amplified
  float strand_gain = 2.14f, lock_gain = 1.f, mass_gain = 3.f;
  float mass = -0.447f;     // log tone that parts black masses from white ones
  float hair_share = 0.4f;  // how far that follows the hair's own tone
  float cloth_share = 0.6f; // strands in clothes, relative
  // lines
  float line = 2.4f;        // wide Gaussian of the difference, px
  float line_low = 0.031f;  // weakest line drawn on plain skin
  float line_feature = 0.6f;  // the same near eyes, nose and lips, relative
  float line_thin = 0.55f;  // share of the ridge's height at which its ink ends
  // skin
  float shade = 16.f;       // window of the local skin tone, px
  float skin_dark = 0.42f, eye_dark = 0.12f, nostril_dark = 0.1f, lip_dark = 0.08f;
  float brow_share = 0.5f, brow_most = 0.86f;  // brow threshold between its dark and light tones, and its limit
  // jaw
  float jaw_low = 0.12f, jaw_width = 1.1f, jaw_shift = 2.f;
  // specks
  float speck = 10.f, spot = 45.f, pinhole = 5.f;  // areas removed: anywhere, more on plain skin, holes; px^2
  float edge = 0.15f;       // floor of the slope that the anti-aliasing divides by
};

}  // namespace pyapdraw
