"""Other methods for the same derivatives: forward sensitivities (RTRL) and perturbation, and what each costs."""
