{{- define "gristmill.spark.profile" -}}
{{- $slots := int .Values.workers.slots -}}
runner: spark
master: spark://gristmill-spark-master:7077
ui: gristmill-spark-master:8080
jar: /opt/gristmill/job-servers/spark-job-server.jar
java_options: [-Xmx{{ .Values.launcher.javaHeap }}m]
worker_pool: localhost:50000
properties:
  # The driver is the launcher's job server; executors connect to it through the launcher's service.
  spark.driver.host: gristmill-driver
  spark.driver.bindAddress: 0.0.0.0
  spark.driver.port: "7078"
  spark.driver.blockManager.port: "7079"
  spark.executor.cores: {{ $slots | quote }}
  spark.executor.memory: {{ mul $slots .Values.spark.worker.slot.heap }}m
  spark.executor.extraJavaOptions: >-
    {{ include "gristmill.opens" . }}
    -XX:MaxDirectMemorySize={{ mul $slots .Values.spark.worker.slot.offHeap }}m
  spark.task.maxFailures: "8"
  spark.network.timeout: 120s
  spark.ui.enabled: "false"
{{- end -}}
