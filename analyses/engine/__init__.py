"""The Gaussian engine: forms of the data, covariance components, the search, and what stands beside the clusters."""
