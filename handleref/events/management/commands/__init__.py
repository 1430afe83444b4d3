"""The command of the app of events."""
