"""What was planned and what was measured: protocol, trial, instruments, published numbers."""
