"""Grid posteriors of a hypocentre: densities on cells, nuisance nodes, particles, results."""
