package main

import (
	"os"
	"path/filepath"
	"strings"
)

// monitoringHead is what precedes the alerts in packaging/kubernetes/monitoring.yaml.
const monitoringHead = `# Alerts and scraping for the Prometheus operator. Made by make docs from packaging/prometheus/pumphouse.rules.yml: change that.
#
# Adjust: namespace, and the labels by which your Prometheus finds rules and monitors.
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: pumphouse
  labels: {app.kubernetes.io/name: pumphouse}
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: pumphouse}
  podTargetLabels: [app.kubernetes.io/component]
  podMetricsEndpoints:
    - {port: pump, relabelings: [{targetLabel: component, replacement: pump}]}
    - {port: drainer, relabelings: [{targetLabel: component, replacement: drainer}]}
    - {port: http} # the console, which has the metrics of the whole cluster
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: pumphouse
  labels: {app.kubernetes.io/name: pumphouse}
spec:
`

// monitoring makes the Kubernetes resource of the alerts.
func monitoring(out string) error {
	rules, err := os.ReadFile(filepath.Join("packaging", "prometheus", "pumphouse.rules.yml"))
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString(monitoringHead)
	for line := range strings.Lines(string(rules)) {
		if line != "\n" {
			text.WriteString("  ")
		}
		text.WriteString(line)
	}
	return write(filepath.Join(out, "kubernetes", "monitoring.yaml"), text.String())
}
