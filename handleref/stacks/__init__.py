"""Every save is a new row: old versions are data, in the same table."""
