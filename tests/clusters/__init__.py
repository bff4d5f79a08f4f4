"""Tests on real clusters for `make test-runners` and `make test-faults`. They need Java, Maven and minutes."""
