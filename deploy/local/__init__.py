"""A Flink or Spark cluster on this machine, from packages, without Docker; it writes only to a cache and to one folder.

``python -m deploy.local start flink`` fetches the parts (``cluster_parts``), writes the configuration
(``flink_cluster``, ``spark_cluster``), starts the processes under a supervisor (``supervisor``) and writes a profile
for ``gristmill run``. It needs Linux: the processes of a cluster are found through /proc (``marked_processes``).
"""
