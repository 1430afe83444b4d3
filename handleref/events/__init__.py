"""History that the database itself writes: an event for every change, whoever makes it."""
