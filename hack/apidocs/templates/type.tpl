{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type }}
### {{ $type.Name }}

{{ $type.Doc | replace "<" "&lt;" }}
{{ if $type.References }}
In: {{ range $i, $t := $type.SortedReferences }}{{ if $i }}, {{ end }}{{ markdownRenderTypeLink $t }}{{ end }}
{{ end -}}
{{- if $type.EnumValues }}
One of: {{ range $i, $v := $type.EnumValues }}{{ if $i }}, {{ end }}`{{ $v.Name }}`{{ end }}
{{ end -}}
{{- if $type.Members }}
| field | what it is | bounds |
|---|---|---|
{{ if $type.GVK -}}
| `apiVersion` _string_ | `{{ $type.GVK.Group }}/{{ $type.GVK.Version }}` | required |
| `kind` _string_ | `{{ $type.GVK.Kind }}` | required |
{{ end -}}
{{ range $type.Members -}}
| `{{ .Name }}` _{{ markdownRenderType .Type | replace "integer array" "string (base64)" }}_ | {{ template "type_members" . }} | {{ template "bounds" . }} |
{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bounds" -}}
{{- $all := list -}}
{{- range .Validation -}}
{{- if eq . "Required: {}" }}{{ $all = prepend $all "required" -}}
{{- else if not (or (hasSuffix ": {}" .) (hasPrefix "Type:" .) (eq . "Format: ")) }}{{ $all = append $all (. | replace "|" "\\|") }}{{ end -}}
{{- end -}}
{{- $all | join "; " -}}
{{- end -}}
