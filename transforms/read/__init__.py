"""Divides the files of sources into units, and reads units into records such that all bytes are accounted for."""
