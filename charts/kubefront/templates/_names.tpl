{{/* Names are fixed: edges dial the Service by its name, and the operator's Lease and CA Secret are named in its rights.
     One operator per namespace. Cluster-wide objects carry the namespace, so that two operators with different
     watchNamespaces can live in one cluster. */}}
{{- define "kubefront.name" -}}kubefront-operator{{- end }}
{{- define "kubefront.clusterName" -}}kubefront-operator-{{ .Release.Namespace }}{{- end }}

{{- define "kubefront.selector" -}}
app.kubernetes.io/name: kubefront-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of pods: nothing that changes with the chart alone, so that such a change rolls no pod. */}}
{{- define "kubefront.podLabels" -}}
{{ include "kubefront.selector" . }}
app.kubernetes.io/part-of: kubefront
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "kubefront.labels" -}}
{{ include "kubefront.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* repository:tag, or repository@digest */}}
{{- define "kubefront.image" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}
