"""Training: what follows the gradient - clipping, update rules, one step and many, saved parameters."""
