"""What becomes of tables that were there before they were stacks."""
