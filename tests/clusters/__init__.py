"""Real clusters: what `make test-runners` and `make test-faults` run. They need Java, Maven and minutes."""
