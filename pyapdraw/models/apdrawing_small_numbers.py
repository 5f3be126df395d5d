"""Numbers that both forms of the small network share, apdrawing_small and apdrawing_live. No torch."""

SLOPE = 0.1  # of the leaky ReLUs
CELLS_PX = (4, 16, 32)  # of the grids on which the photo's luma is put in relation to its surroundings
FLAT = 0.04  # standard deviation of luma in [-1,1] that counts as flat
GIVEN = 2 + len(CELLS_PX)  # channels in: ink, person, contrasts
HEADS = ("whole_head", "hair", "background")
SMOOTH = (0.25, 0.5, 0.25)  # the filter behind each head
