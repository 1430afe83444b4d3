"""Every airport of the world, as a public data set tells it, with notes by users."""
