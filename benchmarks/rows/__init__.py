"""The models of the contenders, an app each; all their rows look alike."""
