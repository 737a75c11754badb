"""What `python -m fbseg_core` can be told to do, one module a command."""
