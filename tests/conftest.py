"""One thread for all tests: small tensors gain nothing from more, and the numbers then repeat exactly."""

import torch

torch.set_num_threads(1)
