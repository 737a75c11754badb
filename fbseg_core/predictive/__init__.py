"""Predictive coding proper: a model that predicts its input, an energy, inference and local learning."""
