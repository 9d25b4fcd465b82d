"""What makes a report one to build again: written whole or not at all, found by its trial, rebuilt and compared."""
