{{- /* What Flink, Spark and Beam reflect on, closed since Java 16. */ -}}
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

{{- /* Names a run by what makes it: the same values never start a job twice, other values never meet a job that is there. */ -}}
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

{{- /* Starts the Python of the JVM beside it, which reaches it at localhost. */ -}}
{{- define "gristmill.pool" -}}
name: worker-pool
image: {{ .Values.images.worker }}
command: [python, -m, gristmill.runners.worker_pool, --port, "50000"]
env:
- {name: HOME, value: /tmp}
{{- include "gristmill.credentials" . }}
# It listens to nobody but its own pod, so the probes must look from inside.
readinessProbe:
  exec: {command: [python, -c, "import socket; socket.create_connection(('127.0.0.1', 50000), 5)"]}
  timeoutSeconds: 10
livenessProbe:
  exec: {command: [python, -c, "import socket; socket.create_connection(('127.0.0.1', 50000), 5)"]}
  initialDelaySeconds: 60
  timeoutSeconds: 10
  failureThreshold: 6
resources:
  # Beside the slots' processes: the pool itself.
  requests: {cpu: {{ .Values.workers.slots | quote }}, memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi}
  limits: {memory: {{ add 256 (mul .Values.workers.slots .Values.workers.python) }}Mi}
securityContext: {{- include "gristmill.containerSecurity" 10001 | nindent 2 }}
volumeMounts:
- {name: scratch, mountPath: /tmp}
{{- include "gristmill.volumeMount" . }}
{{- end -}}

{{- /* What the JVM of a worker pod writes to disk. */ -}}
{{- define "gristmill.spill" -}}
- name: spill
  emptyDir: {sizeLimit: {{ .Values.workers.spill }}Gi}
{{- end -}}

{{- /* What units have under way. */ -}}
{{- define "gristmill.scratch" -}}
- name: scratch
  emptyDir: {sizeLimit: {{ .Values.workers.scratch }}Gi}
{{- end -}}
