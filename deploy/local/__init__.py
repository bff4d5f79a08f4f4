"""A Flink or Spark cluster on this machine, from packages: no Docker, nothing installed outside a cache and one folder.

``python -m deploy.local start flink`` gets the parts (``parts``), writes the engine's configuration (``flink``,
``spark``), starts its processes under a supervisor (``supervisor``) and leaves a profile for ``gristmill run``.
It needs Linux, for a cluster's processes are found through /proc (``marks``).
"""
