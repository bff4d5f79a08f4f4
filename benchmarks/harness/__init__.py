"""What the benchmarks share: the command line, measuring, inputs, marked pages, clusters and environments of peers."""
