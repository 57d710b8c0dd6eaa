"""Where a PC keeps its accounts and certificates."""
