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
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "gristmill.scheduling" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.workers.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.workers.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
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
  requests: {cpu: {{ .Values.workers.slots | quote }}, memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi}
  limits: {memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi}
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
