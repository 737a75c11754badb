"""The kinds of model by name. A new kind is a file in this folder, and a line here."""

from __future__ import annotations

# name -> "module:class", imported when the first model of the kind is built; or the class itself
KINDS: dict[str, str | type] = {
    "feedback": "fbseg_core.models.feedback:FeedbackUNet",
    "loop_cut": "fbseg_core.models.feedback:FeedbackUNet",
    "contracting": "fbseg_core.models.contracting:ContractingUNet",
    "unrolled": "fbseg_core.models.unrolled:UnrolledUNet",
    "feedforward": "fbseg_core.models.feedforward:FeedforwardUNet",
}
