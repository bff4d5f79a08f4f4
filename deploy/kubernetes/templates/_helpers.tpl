{{- /* JVM options that open the packages on which Flink, Spark and Beam use reflection; Java 16 closed them. */ -}}
{{- define "gristmill.opens" -}}
{{- $opens := list -}}
{{- range list "java.lang" "java.util" "java.lang.invoke" "java.net" "java.io" "java.util.concurrent" "java.nio" "java.time" "java.lang.reflect" "sun.nio.ch" -}}
{{- $opens = append $opens (printf "--add-opens=java.base/%s=ALL-UNNAMED" .) -}}
{{- end -}}
{{- join " " $opens -}}
{{- end -}}

{{- define "gristmill.labels" -}}
app.kubernetes.io/name: gristmill
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gristmill.workers" -}}
{{ mul .Values.workers.pods .Values.workers.slots }}
{{- end -}}

{{- /* Names a run after its values: the same values never start a job twice, and other values never change an existing job. */ -}}
{{- define "gristmill.run" -}}
{{- $recipe := .Values.recipe | default (.Files.Get "files/recipe.yaml") -}}
gristmill-run-{{ list $recipe .Values.work .Values.engine .Values.run .Values.launcher .Values.workers .Values.images | toJson | sha256sum | trunc 8 }}
{{- end -}}

{{- define "gristmill.podSecurity" -}}
runAsNonRoot: true
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gristmill.containerSecurity" -}}
runAsUser: {{ . }}
{{- if eq (int .) 10001 }}
runAsGroup: 10001
{{- end }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "gristmill.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gristmill.workerScheduling" -}}
{{- include "gristmill.pullSecrets" . }}
{{- with .Values.workers.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.workers.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end -}}

{{- /* Launcher, JobManager and master: away from the workers, whose machines may be taken away or run out of memory. */ -}}
{{- define "gristmill.controlScheduling" -}}
{{- include "gristmill.pullSecrets" . }}
{{- with .Values.controlPlane.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.controlPlane.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "gristmill.workerLabels" . | nindent 12 }}
{{- end -}}

{{- define "gristmill.workerLabels" -}}
{{ include "gristmill.labels" . }}
app.kubernetes.io/component: {{ eq .Values.engine "flink" | ternary "taskmanager" "spark-worker" }}
{{- end -}}

{{- define "gristmill.managerLabels" -}}
{{ include "gristmill.labels" . }}
app.kubernetes.io/component: {{ eq .Values.engine "flink" | ternary "jobmanager" "spark-master" }}
{{- end -}}

{{- define "gristmill.launcherLabels" -}}
{{ include "gristmill.labels" . }}
app.kubernetes.io/component: launcher
{{- end -}}

{{- /* Annotations by which Prometheus finds a pod's metrics: (list port path). */ -}}
{{- define "gristmill.scraped" -}}
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ index . 0 | quote }}
  prometheus.io/path: {{ index . 1 }}
{{- end -}}

{{- define "gristmill.credentials" -}}
{{- with .Values.credentials.secret }}
envFrom:
- secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}

{{- define "gristmill.volumeMount" -}}
{{- if .Values.volume.claim }}
- {name: volume, mountPath: {{ .Values.volume.path }}}
{{- end }}
{{- end -}}

{{- define "gristmill.volume" -}}
{{- with .Values.volume.claim }}
- name: volume
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end -}}

{{- /* Starts the Python workers of the JVM in the same pod, which connects to localhost. */ -}}
{{- define "gristmill.pool" -}}
name: worker-pool
image: {{ .Values.images.worker }}
command: [python, -m, gristmill.runners.worker_pool, --port, "50000"]
env:
- {name: HOME, value: /tmp}
{{- include "gristmill.credentials" . }}
# The pool listens on the pod's loopback interface only, so the probes must run inside the container.
readinessProbe:
  exec: {command: [python, -c, "import socket; socket.create_connection(('127.0.0.1', 50000), 5)"]}
  timeoutSeconds: 10
livenessProbe:
  exec: {command: [python, -c, "import socket; socket.create_connection(('127.0.0.1', 50000), 5)"]}
  initialDelaySeconds: 60
  timeoutSeconds: 10
  failureThreshold: 6
resources:
  # 256 MiB for the pool itself, in addition to the processes of the slots.
  requests:
    cpu: {{ .Values.workers.slots | quote }}
    memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi
    ephemeral-storage: {{ add 1 .Values.workers.scratch }}Gi
  limits:
    memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi
    ephemeral-storage: {{ add 1 .Values.workers.scratch }}Gi
securityContext: {{- include "gristmill.containerSecurity" 10001 | nindent 2 }}
volumeMounts:
- {name: scratch, mountPath: /tmp}
{{- include "gristmill.volumeMount" . }}
{{- end -}}

{{- /* Disk for the JVM of a worker pod. */ -}}
{{- define "gristmill.spill" -}}
- name: spill
  emptyDir: {sizeLimit: {{ .Values.workers.spill }}Gi}
{{- end -}}

{{- /* Disk for units in progress. */ -}}
{{- define "gristmill.scratch" -}}
- name: scratch
  emptyDir: {sizeLimit: {{ .Values.workers.scratch }}Gi}
{{- end -}}

{{- /* The JVMs' files in /tmp, such as those of native libraries. */ -}}
{{- define "gristmill.tmp" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- end -}}

{{- /* Lets Prometheus read metrics: (list root port). */ -}}
{{- define "gristmill.scraper" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.metrics.enabled -}}
- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $root.Values.metrics.namespace }}}}}]
  ports: [{port: {{ index . 1 }}}]
{{- end -}}
{{- end -}}
