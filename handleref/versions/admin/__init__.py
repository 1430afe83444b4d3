"""The admin of versions: history, comparison, taking back, recovering."""
