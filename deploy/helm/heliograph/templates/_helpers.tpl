{{/* Names and labels. `role` is a service: gateway, ingest, router, registration, demo, streams. */}}
{{- define "heliograph.name" -}}
{{- if contains "heliograph" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-heliograph" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "heliograph.selector" -}}
app.kubernetes.io/name: heliograph
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "heliograph.labels" -}}
{{ include "heliograph.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "heliograph.metadata" -}}
name: {{ include "heliograph.name" .root }}-{{ .role }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "heliograph.labels" . | nindent 2 }}
{{- end }}

{{/* `tag` of the service, where it is not yet, or already, on another version than the rest. */}}
{{- define "heliograph.image" -}}
{{- $tag := .tag }}
{{- with .root.Values.image }}
{{- if $tag }}{{ .repository }}:{{ $tag }}
{{- else if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.root.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* A setting as text: whole numbers without an exponent, YAML's `on` and `off` as they were written. */}}
{{- define "heliograph.text" -}}
{{- if kindIs "bool" . }}{{ ternary "on" "off" . }}{{ else if kindIs "float64" . }}{{ . | int64 }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The variables that a service reads: those of `settings`, and the secrets. */}}
{{- define "heliograph.env" -}}
{{- $settings := .root.Values.settings }}
{{- $secrets := .root.Values.secrets }}
{{- $reads := index (.root.Files.Get "files/settings.yaml" | fromYaml) .role }}
{{- range $reads }}
{{- $value := index $settings . }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ . }}
  value: {{ include "heliograph.text" $value | quote }}
{{- end }}
{{- end }}
{{- if and (has "GATEWAY_ID" $reads) }}
- name: GATEWAY_ID
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
{{- end }}
{{- if has "ENDPOINT_KEYS" $reads }}
- name: ENDPOINT_KEYS
  valueFrom: { secretKeyRef: { name: {{ $secrets.endpointKeys.name }}, key: {{ $secrets.endpointKeys.key }} } }
{{- end }}
{{- if has "REDIS_URL" $reads }}
- name: REDIS_URL
  valueFrom: { secretKeyRef: { name: {{ $secrets.redisUrl.name }}, key: {{ $secrets.redisUrl.key }} } }
{{- end }}
{{- if and (has "KAFKA_USERNAME" $reads) $secrets.kafkaUser.name }}
- name: KAFKA_USERNAME
  valueFrom: { secretKeyRef: { name: {{ $secrets.kafkaUser.name }}, key: {{ $secrets.kafkaUser.usernameKey }} } }
- name: KAFKA_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secrets.kafkaUser.name }}, key: {{ $secrets.kafkaUser.passwordKey }} } }
{{- end }}
{{- if and (has "KAFKA_CA_FILE" $reads) $secrets.kafkaCa.name }}
- { name: KAFKA_CA_FILE, value: /etc/heliograph/kafka-ca/ca.crt }
{{- end }}
{{- if and (has "REDIS_CA_FILE" $reads) $secrets.redisCa.name }}
- { name: REDIS_CA_FILE, value: /etc/heliograph/redis-ca/ca.crt }
{{- end }}
{{- if and (has "TLS_CERT_FILE" $reads) $secrets.tls.name }}
- { name: TLS_CERT_FILE, value: /etc/heliograph/tls/tls.crt }
- { name: TLS_KEY_FILE, value: /etc/heliograph/tls/tls.key }
{{- end }}
{{- end }}

{{/* Certificates that it reads, as [{secret, key, path}]. */}}
{{- define "heliograph.mounts" -}}
{{- $secrets := .root.Values.secrets }}
{{- $reads := index (.root.Files.Get "files/settings.yaml" | fromYaml) .role }}
{{- $mounts := list }}
{{- if and (has "KAFKA_CA_FILE" $reads) $secrets.kafkaCa.name }}
{{- $mounts = append $mounts (dict "name" "kafka-ca" "secret" $secrets.kafkaCa.name "key" $secrets.kafkaCa.key) }}
{{- end }}
{{- if and (has "REDIS_CA_FILE" $reads) $secrets.redisCa.name }}
{{- $mounts = append $mounts (dict "name" "redis-ca" "secret" $secrets.redisCa.name "key" $secrets.redisCa.key) }}
{{- end }}
{{- if and (has "TLS_CERT_FILE" $reads) $secrets.tls.name }}
{{- $mounts = append $mounts (dict "name" "tls" "secret" $secrets.tls.name) }}
{{- end }}
{{- toJson $mounts }}
{{- end }}

{{/* What a setting is when `settings` does not say it: only where the chart itself has to know. */}}
{{- define "heliograph.port" -}}
{{- $default := dict "GATEWAY_PORT" 8080 "INGEST_PORT" 8081 "REGISTRATION_PORT" 8082 "DEMO_PORT" 8083 "OPS_PORT" 9464 }}
{{- index .root.Values.settings .name | default (index $default .name) | int64 }}
{{- end }}

{{/*
  The preStop sleep, the notice, the 8 s that an ingest has promised to idle connections or a gateway's drain, what it leaves behind (two
  farewells of 5 s), and the closing of Kafka and Redis.
*/}}
{{- define "heliograph.graceSeconds" -}}
{{- $settings := .root.Values.settings }}
{{- $notice := ternary 5 $settings.NOTICE_SECONDS (kindIs "invalid" $settings.NOTICE_SECONDS) | int64 }}
{{- $drain := ternary 30 $settings.DRAIN_SECONDS (kindIs "invalid" $settings.DRAIN_SECONDS) | int64 }}
{{- $lasts := dict "gateway" (add $notice $drain) "ingest" (add $notice 8) "registration" $notice }}
{{- add (default 0 .values.preStopSeconds) (get $lasts .role | default 0) 25 }}
{{- end }}

{{/* A pod of a service. `port` names its door's variable; absent: it has none. */}}
{{- define "heliograph.pod" -}}
{{- $mounts := include "heliograph.mounts" . | fromJsonArray }}
{{- $ops := include "heliograph.port" (dict "root" .root "name" "OPS_PORT") }}
metadata:
  labels:
    {{- include "heliograph.labels" . | nindent 4 }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "heliograph.graceSeconds" . }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .values.readinessGates }}
  readinessGates:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .root.Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "heliograph.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .role }}
      image: {{ include "heliograph.image" (dict "root" .root "tag" .values.tag) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .role }}]
      env:
        {{- include "heliograph.env" . | nindent 8 }}
      ports:
        {{- if .port }}
        - { name: {{ .portName }}, containerPort: {{ include "heliograph.port" (dict "root" .root "name" .port) }} }
        {{- end }}
        {{- if ne .role "demo" }}
        - { name: ops, containerPort: {{ $ops }} }
        {{- end }}
      {{- if eq .role "demo" }}
      readinessProbe:
        httpGet: { path: /, port: {{ .portName }} }
        periodSeconds: 5
      {{- else }}
      # Live says that a restart would not help; ready, that traffic may come. While it waits for its stores it is live.
      startupProbe:
        httpGet: { path: /health/live, port: ops }
        periodSeconds: 2
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /health/live, port: ops }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /health/ready, port: ops }
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 2
      {{- end }}
      {{- if .values.preStopSeconds }}
      lifecycle:
        preStop:
          exec: { command: [sleep, {{ .values.preStopSeconds | quote }}] }
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
        capabilities: { drop: [ALL] }
      {{- if or $mounts (eq .role "demo") }}
      volumeMounts:
        {{- range $mounts }}
        - { name: {{ .name }}, mountPath: /etc/heliograph/{{ .name }}, readOnly: true }
        {{- end }}
        {{- if eq .role "demo" }}
        - { name: data, mountPath: {{ .root.Values.settings.DATA_DIR | default "/data" }} }
        {{- end }}
      {{- end }}
  {{- if or $mounts (eq .role "demo") }}
  volumes:
    {{- range $mounts }}
    - name: {{ .name }}
      secret:
        secretName: {{ .secret }}
        {{- with .key }}
        items: [{ key: {{ . }}, path: ca.crt }]
        {{- end }}
    {{- end }}
    {{- if eq .role "demo" }}
    - { name: data, emptyDir: {} }
    {{- end }}
  {{- end }}
{{- end }}

{{- define "heliograph.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "heliograph.metadata" . | nindent 2 }}
  {{- with .values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.service.type }}
  {{- with .values.service.externalTrafficPolicy }}
  externalTrafficPolicy: {{ . }}
  {{- end }}
  selector:
    {{- include "heliograph.selector" . | nindent 4 }}
  ports:
    - { name: {{ .portName }}, port: {{ .values.service.port }}, targetPort: {{ .portName }} }
{{- end }}

{{- define "heliograph.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "heliograph.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "heliograph.selector" . | nindent 6 }}
{{- end }}

{{- define "heliograph.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "heliograph.metadata" . | nindent 2 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false .values) }}
  replicas: {{ .values.replicas | default 1 }}
  {{- end }}
  strategy:
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  selector:
    matchLabels:
      {{- include "heliograph.selector" . | nindent 6 }}
  template:
    {{- include "heliograph.pod" . | nindent 4 }}
{{- end }}
