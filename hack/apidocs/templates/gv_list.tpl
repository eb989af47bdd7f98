{{- define "gvList" -}}
# API reference

Every field of every kind, made from the types in api/ by `make manifests`. [The README](../README.md#fields) says what the
fields are for. Nothing but spec is for you to write; every field of it that is not marked required may be left out.
{{ range . }}{{ template "gvDetails" . }}{{ end -}}
{{- end -}}
