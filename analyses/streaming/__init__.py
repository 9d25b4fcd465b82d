"""Data that do not fit into memory: chunks, their survey, and sums that add up."""
