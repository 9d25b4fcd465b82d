"""Behind marginal means: grids, linear functions, contrast tables and adjustments for their number."""
