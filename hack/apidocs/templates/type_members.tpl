{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
name, namespace, labels and annotations, as everywhere in Kubernetes
{{- else -}}
{{ .Doc | replace "\n" " " | replace "<" "&lt;" | replace "|" "\\|" }}
{{- end -}}
{{- end -}}
