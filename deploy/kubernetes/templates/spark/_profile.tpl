{{- define "gristmill.spark.profile" -}}
{{- $slots := int .Values.workers.slots -}}
runner: spark
master: spark://gristmill-spark-master:7077
ui: gristmill-spark-master:8080
jar: /opt/gristmill/job-servers/spark-job-server.jar
java_options: [-Xmx{{ .Values.launcher.javaHeap }}m{{ if .Values.spark.authentication }}, "@/etc/gristmill-spark/java-options"{{ end }}]
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

{{- /* JVM options of master and workers. */ -}}
{{- define "gristmill.spark.options" -}}
{{ include "gristmill.opens" . }}{{ if .Values.spark.authentication }} -Dspark.authenticate=true -Dspark.network.crypto.enabled=true{{ end }}
{{- end -}}

{{- /* The secret that master, workers and executors share, as Spark reads it: never on a command line. */ -}}
{{- define "gristmill.spark.secret" -}}
{{- with .Values.spark.authentication }}
- name: _SPARK_AUTH_SECRET
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret}}
{{- end }}
{{- end -}}

{{- /* Metrics of `master` or `worker` on the port of its web interface. */ -}}
{{- define "gristmill.spark.metrics" -}}
-Dspark.metrics.conf.{{ . }}.sink.prometheusServlet.class=org.apache.spark.metrics.sink.PrometheusServlet
-Dspark.metrics.conf.{{ . }}.sink.prometheusServlet.path=/metrics/prometheus
{{- end -}}
