"""What becomes of tables that were there before their rows were versions."""
