#pragma once
// The constants of style `ink`, of which options replace some (style_of in ink_math.h). Lengths are px of a 512 px crop
// and scale with the crop; tones are relative to the luma of the face's own skin, so that exposure does not matter.

namespace pyapdraw {

struct InkStyle {
  // flow
  float fine = 0.4f;         // smoothing before everything, px
  float tensor = 3.03f;      // structure tensor smoothing, px
  float flow_score = 1.33f;  // smoothing of the score along the flow, px
  float flow = 1.85f;        // smoothing along the flow, px
  // two-tone of hair and clothes, on log(tone + dark)
  float dark = 0.0991f;
  float strand = 1.48f;                              // strands are finer than this, px
  float lock = 13.1f;                                // window of local contrast, px
  float strand_noise = 0.0542f, lock_noise = 0.03f;  // contrasts below these are not amplified
  float strand_gain = 2.55f, lock_gain = 1.11f, mass_gain = 2.61f, mass_most = 2.42f;
  float mass = -0.0446f;       // log tone that parts black masses from white ones
  float hair_share = 0.0173f;  // how far that follows the hair's own tone
  // whether light hair is white, that is that tone lies `light_below` below the hair's; tones around which hair is
  // light, relative to the skin's and of white, and the width of these steps
  bool light_hair = false;
  float light_below = 0.25f, light = 0.42f, light_least = 0.25f, light_step = 0.05f;
  float sheen = 45.0f, sheen_gain = 0.873f;  // window and weight of highlights that run over many locks
  float cloth_share = 0.221f;                // strands in clothes, relative
  // lines
  float line = 1.98f;         // wide Gaussian of the difference, px
  float line_low = 0.027f;    // weakest line drawn on plain skin
  float line_feature = 0.6f;  // the same near eyes, nose and lips, relative
  float line_thin = 0.35f;    // share of the ridge's height at which its ink ends
  // skin
  float shade = 16.0f;  // window of the local skin tone, px
  float skin_dark = 0.36f, nostril_dark = 0.1f, lip_dark = 0.08f;
  float eye_share = 0.45f;                     // threshold of an eye between its dark and light tones
  float brow_share = 0.5f, brow_most = 0.84f;  // brow threshold between its dark and light tones, and its limit
  // whole figures: the tone that parts black clothes from white ones, the weakest fold relative to the cloth's tone;
  // the silhouette's width and shift, px, and the share of ink nearby at which it begins to yield, and is gone
  bool figure = false;
  float cloth_mass = -0.5f, fold_low = 0.065f;
  float contour_width = 1.5f, contour_low = 0.12f, contour_high = 0.3f;
  // person mask: shares of which ink begins, and is all there
  float person_low = 0.25f, person_high = 0.6f;
  // share of the person nearby from which on the outline is drawn: far where crops end, near where a scene goes on
  float around = 0.02f, figure_around = 0.4f;
  // jaw
  float jaw_low = 0.12f, jaw_width = 1.1f, jaw_shift = 2.0f;
  // specks
  float speck = 12.0f, spot = 45.0f, pinhole = 18.0f;  // areas removed: anywhere, more on plain skin, holes; px^2
  float edge = 0.06f;                                  // floor of the slope that the anti-aliasing divides by
};

}  // namespace pyapdraw
