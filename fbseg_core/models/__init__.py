"""The models: the feedback U-Net, the same unrolled, its baseline, and what all of them offer."""
