"""Commands of rooms that are no apps: Django looks for them in installed apps only."""
