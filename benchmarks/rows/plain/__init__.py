"""Plain Django: the measure of all things here."""
