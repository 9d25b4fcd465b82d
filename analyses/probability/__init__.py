"""Models of grades and responders on the probability scale: standardised means, superiority, the verdict there."""
