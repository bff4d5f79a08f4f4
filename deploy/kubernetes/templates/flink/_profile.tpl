{{- define "gristmill.flink.profile" -}}
runner: flink
master: gristmill-flink-rest:8081
version: {{ .Values.flink.version | quote }}
jar: /opt/gristmill/job-servers/flink-job-server.jar
java_options: [-Xmx{{ .Values.launcher.javaHeap }}m]
worker_pool: localhost:50000
{{- end -}}
