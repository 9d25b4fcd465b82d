"""A fit under examination: intervals of variances, draws from it, other models beside it, patients left out."""
