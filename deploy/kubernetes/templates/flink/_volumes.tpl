{{- /* What Flink writes besides its data: files in /tmp and logs. Its configuration is mounted by the operator. */ -}}
{{- define "gristmill.flink.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: logs, mountPath: /opt/flink/log}
{{- if .Values.flink.internalSsl.secret }}
- {name: internal-ssl, mountPath: /etc/flink-ssl, readOnly: true}
{{- end }}
{{- end -}}

{{- define "gristmill.flink.volumes" -}}
{{- include "gristmill.tmp" . }}
- name: logs
  emptyDir: {sizeLimit: 1Gi}
{{- with .Values.flink.internalSsl.secret }}
- name: internal-ssl
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}
