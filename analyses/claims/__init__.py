"""From estimates to what may be said: questions of the combination, verdicts and their words."""
