"""Time: the one loop over it, what can be done to a run on its way, and when to stop."""
