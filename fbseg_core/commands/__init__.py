"""What `python -m fbseg_core` can be told to do, a module for each, or for two that belong together."""
