"""The two ends of a history: first versions of what was there before, and pruning."""
