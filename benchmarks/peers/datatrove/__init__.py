"""Scripts that run in datatrove's environment, by their path. They import nothing of this project."""
