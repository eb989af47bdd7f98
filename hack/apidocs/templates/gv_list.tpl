{{- define "gvList" -}}
# API reference

For tenants and admins who write manifests or read a status: every field of every CRD, made from the types in api/ by `make manifests`. You write spec,
labels and annotations; [the README](../README.md#fields) has the annotations that the operator acts on. Status is the operator's. A field
of spec that is not marked required may be left out.
{{ range . }}{{ template "gvDetails" . }}{{ end -}}
{{- end -}}
