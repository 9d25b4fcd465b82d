"""The steps of a trial's analysis: each computes one chapter of the report and writes it down as results."""
