"""How models learn: their examples, the loop of updates, and the few-shot comparison."""
