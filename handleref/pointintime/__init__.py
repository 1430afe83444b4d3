"""What we knew, and when it was true: rows with two times, in one table."""
