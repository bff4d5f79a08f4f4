"""The capacity of a cluster for a whole crawl: a simulation over the cost model, and the tables of docs/capacity.md."""
