"""The models: the feedback U-Net, its baseline, and what all of them offer."""
