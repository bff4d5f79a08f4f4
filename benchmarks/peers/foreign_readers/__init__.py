"""A script that runs in the environment of other trainers' readers, by its path. It imports nothing of this project."""
