"""The app in which the models live that README and docs declare while they are tested."""
