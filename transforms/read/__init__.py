"""Readers: from a source's files to units, and from units to records whose bytes are all accounted for."""
