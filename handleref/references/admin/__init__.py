"""The admin of reference models: deleted rows are told apart, and come back."""
