"""Benchmarks of Gristmill. ``python -m benchmarks`` lists them; ``README.md`` says what each one shows."""
