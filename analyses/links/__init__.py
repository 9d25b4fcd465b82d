"""Behind models of grades, responders and counts: links, thresholds, and likelihoods with random effects."""
