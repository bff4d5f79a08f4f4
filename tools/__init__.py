"""Tools for the maintainers of Gristmill."""
