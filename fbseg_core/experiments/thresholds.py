"""Every threshold that a verdict of the experiments rests on, with its reason.

They were fixed before the rows that they judge were looked at; a comparison that was thought of afterwards
is called exploratory where it is told.
"""

from __future__ import annotations

from fbseg_core.analysis.equivalence import LEVEL  # 0.05: of every test, as in the field
from fbseg_core.analysis.paired import FEWEST  # 5 seeds: fewer have no interval

# F1 within which two models count as equal: about what training anew with another seed changes of a model
# that has learned its task (n = 10 under the paper's protocol), so less would matter to nobody.
MARGIN = 0.02
# F1 above chance up to which a model is "near random": a tenth of the scale, which favours the claim.
NEAR_CHANCE = 0.1
STRONG_NOISE = 6.0  # paper sigma from which noise is "high": the claim's own words, σ ≥ 6
HIGH_F1 = 0.5  # pooled F1 that "maintains high F1" asks for at the least: eight times chance there
MOST = 0.5  # share of the seeds above which "a model settles"
KEPT = 0.005  # F1 that a rule for stopping may lose: a quarter of MARGIN, as it is to lose nothing
TRACKED = (
    0.5  # rank correlation with when the mask is done that "stops when it is done" asks for: a large one
)
FOLLOWED = 0.9  # share of images stopped within a step of the clock's own, from which a rule follows it
LINEAR = 0.1  # how far from 1 the exponent of a time may lie that is called linear
LARGER = 3  # sizes that an exponent is fitted to, from the largest down: fixed costs weigh on small ones
CLIPPED = 1.0  # gradient norm called large: the matched protocol clips there, the paper's does not
# What was asked of a loop that settles before one was trained to it: F1 that it holds from step 20 to 500,
# and how far F1 may move then; the share of its states at rest by step 100; F1 that a swapped image may cost;
# F1 on images of twice the side of training.
HELD_F1, HELD_RANGE, REST_SHARE, SWAP_LOSS, LARGE_F1 = 0.97, 0.01, 0.9, 0.01, 0.95
FLAT = 1.1  # times the memory at few steps up to which that at many counts as not growing with the steps
FLOOR = 1e-8  # ‖Δh‖/‖h‖ that counts as 0 on a logarithmic axis: below the rounding of the state's numbers

__all__ = [
    "CLIPPED", "FEWEST", "FLAT", "FLOOR", "FOLLOWED", "HELD_F1", "HELD_RANGE", "HIGH_F1", "KEPT", "LARGER",
    "LARGE_F1", "LEVEL", "LINEAR", "MARGIN", "MOST", "NEAR_CHANCE", "REST_SHARE", "STRONG_NOISE",
    "SWAP_LOSS", "TRACKED",
]  # fmt: skip
