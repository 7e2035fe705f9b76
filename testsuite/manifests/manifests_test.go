// Package manifests checks packaging/kubernetes against the types of Kubernetes and of the Prometheus operator, in a module of its own so that
// neither enters the product's module graph.
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

const root = "../.."

// objects decodes the documents of a file strictly: a key that its type does not have is an error.
func objects(t *testing.T, path string) (all []any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[string]func() any{
		"v1/Service": func() any { return new(core.Service) }, "v1/ConfigMap": func() any { return new(core.ConfigMap) }, "v1/Secret": func() any { return new(core.Secret) },
		"apps/v1/StatefulSet": func() any { return new(apps.StatefulSet) }, "apps/v1/Deployment": func() any { return new(apps.Deployment) },
		"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
		"monitoring.coreos.com/v1/PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
		"monitoring.coreos.com/v1/PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	}
	docs := yaml.NewYAMLReader(bufio.NewReader(f))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var head meta.TypeMeta
		if err := strict.Unmarshal(doc, &head); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		make := kinds[head.APIVersion+"/"+head.Kind]
		if make == nil {
			t.Fatalf("%s: unknown kind %s/%s", path, head.APIVersion, head.Kind)
		}
		o := make()
		if err := strict.UnmarshalStrict(doc, o); err != nil {
			t.Errorf("%s, %s: %v", path, head.Kind, err)
		}
		all = append(all, o)
	}
}

// manifest is what is in a file, by kind.
type manifest struct {
	t        *testing.T
	file     string
	services []*core.Service
	texts    map[string]map[string]string // of ConfigMaps and Secrets, by name
	budgets  []*policy.PodDisruptionBudget
	name     string // of the workload
	selector *meta.LabelSelector
	pod      core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
	service  string
}

func read(t *testing.T, file string) *manifest {
	t.Helper()
	m := &manifest{t: t, file: file, texts: map[string]map[string]string{}}
	for _, o := range objects(t, filepath.Join(root, "packaging", "kubernetes", file)) {
		switch o := o.(type) {
		case *core.Service:
			m.services = append(m.services, o)
		case *core.ConfigMap:
			m.texts[o.Name] = o.Data
		case *core.Secret:
			m.texts[o.Name] = o.StringData
		case *policy.PodDisruptionBudget:
			m.budgets = append(m.budgets, o)
		case *apps.StatefulSet:
			m.name, m.selector, m.pod, m.claims, m.service = o.Name, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates, o.Spec.ServiceName
		case *apps.Deployment:
			m.name, m.selector, m.pod = o.Name, o.Spec.Selector, o.Spec.Template
		}
	}
	return m
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// TestManifests: every key is one that Kubernetes has; what refers to something finds it; and the programs take the flags and the configuration.
func TestManifests(t *testing.T) {
	for file, program := range map[string][]string{"pump.yaml": {"pump"}, "drainer.yaml": {"drainer"}, "console.yaml": {"pumphouse", "serve"}} {
		t.Run(file, func(t *testing.T) {
			m := read(t, file)
			labels := m.pod.Labels
			if m.name == "" || !selects(m.selector.MatchLabels, labels) {
				t.Fatalf("the workload %q does not select its pods", m.name)
			}
			for _, b := range m.budgets {
				if !selects(b.Spec.Selector.MatchLabels, labels) || b.Spec.MaxUnavailable.IntValue() != 1 {
					t.Errorf("the disruption budget is %+v", b.Spec)
				}
			}
			if file == "pump.yaml" && len(m.budgets) != 1 {
				t.Error("there is no disruption budget")
			}
			c := m.pod.Spec.Containers[0]
			ports := map[string]bool{}
			for _, p := range c.Ports {
				ports[p.Name] = true
			}
			named := func(what string, port intstr.IntOrString) {
				if !ports[port.StrVal] {
					t.Errorf("%s names the port %s; there are %v", what, port.String(), ports)
				}
			}
			headless := m.service == ""
			for _, s := range m.services {
				if !selects(s.Spec.Selector, labels) {
					t.Errorf("the service %s selects no pod", s.Name)
				}
				for _, p := range s.Spec.Ports {
					named("the service "+s.Name, p.TargetPort)
				}
				headless = headless || s.Name == m.service && s.Spec.ClusterIP == core.ClusterIPNone && s.Spec.PublishNotReadyAddresses
			}
			if !headless {
				t.Errorf("there is no headless service %q with the addresses of pods that are not ready", m.service)
			}
			if c.ReadinessProbe == nil {
				t.Fatal("there is no readiness probe")
			}
			named("the readiness probe", c.ReadinessProbe.HTTPGet.Port)
			if c.LivenessProbe != nil {
				named("the liveness probe", c.LivenessProbe.TCPSocket.Port)
			}
			if u := m.pod.Spec.SecurityContext; u.RunAsNonRoot == nil || !*u.RunAsNonRoot || *u.RunAsUser == 0 || !*c.SecurityContext.ReadOnlyRootFilesystem {
				t.Errorf("it runs as %+v, %+v", u, c.SecurityContext)
			}
			m.checkConfig(c, program)
		})
	}
}

// checkConfig runs the program with the container's arguments, its volumes laid out in a directory and its variables filled in, to check them.
func (m *manifest) checkConfig(c core.Container, program []string) {
	t := m.t
	t.Helper()
	at := t.TempDir()
	edits := []string{}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = "pod-0"
		}
		edits = append(edits, "$("+e.Name+")", value)
	}
	for _, v := range c.VolumeMounts {
		dir := filepath.Join(at, v.MountPath)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range m.volume(v.Name) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		edits = append(edits, v.MountPath, dir)
	}
	edit := strings.NewReplacer(edits...)
	var args []string
	for _, a := range slices.Concat(c.Command, c.Args) {
		if a = edit.Replace(a); strings.Contains(a, "$(") {
			t.Errorf("%s: a variable is not set", a)
		}
		args = append(args, a)
	}
	if args[0] == "/keep-offline" {
		args = args[1:]
	}
	if args[0] != "/"+program[0] || !slices.Equal(args[1:len(program)], program[1:]) {
		t.Fatalf("the command is %q", args)
	}
	cmd := exec.Command(filepath.Join(root, "bin", program[0]), append(args[1:], "-check-config")...)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%s: %v\n%s", cmd, err, out)
	}
}

// volume are the files of a volume; none of one that is claimed.
func (m *manifest) volume(name string) map[string]string {
	m.t.Helper()
	for _, c := range m.claims {
		if c.Name == name {
			return nil
		}
	}
	for _, v := range m.pod.Spec.Volumes {
		switch {
		case v.Name != name:
		case v.ConfigMap != nil && m.texts[v.ConfigMap.Name] != nil:
			return m.texts[v.ConfigMap.Name]
		case v.Secret != nil && m.texts[v.Secret.SecretName] != nil:
			return m.texts[v.Secret.SecretName]
		}
	}
	m.t.Errorf("%s: there is no volume %s, or nothing in it", m.file, name)
	return nil
}

// TestMonitoring: the rules are those of Prometheus, and the monitor finds the ports of all pods.
func TestMonitoring(t *testing.T) {
	var rule *monitoring.PrometheusRule
	var monitor *monitoring.PodMonitor
	for _, o := range objects(t, filepath.Join(root, "packaging", "kubernetes", "monitoring.yaml")) {
		switch o := o.(type) {
		case *monitoring.PrometheusRule:
			rule = o
		case *monitoring.PodMonitor:
			monitor = o
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "packaging", "prometheus", "pumphouse.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var want monitoring.PrometheusRuleSpec
	if err := strict.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Groups) == 0 || !reflect.DeepEqual(rule.Spec, want) {
		t.Errorf("the rules differ from packaging/prometheus/pumphouse.rules.yml: run make docs")
	}
	scraped := map[string]bool{}
	for _, e := range monitor.Spec.PodMetricsEndpoints {
		scraped[e.Port] = true
	}
	for file, port := range map[string]string{"pump.yaml": "pump", "drainer.yaml": "drainer", "console.yaml": "http"} {
		m := read(t, file)
		if !selects(monitor.Spec.Selector.MatchLabels, m.pod.Labels) || !scraped[port] || !slices.ContainsFunc(m.pod.Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return p.Name == port }) {
			t.Errorf("%s is not scraped", file)
		}
	}
}

// TestTheCheckBites: a key that Kubernetes does not have is found.
func TestTheCheckBites(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "packaging", "kubernetes", "pump.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(text, []byte("kind: StatefulSet"))
	_, doc, _ := bytes.Cut(text[:bytes.Index(text[i:], []byte("\n---"))+i], []byte("apiVersion: apps/v1"))
	bad := bytes.Replace(doc, []byte("  replicas: 2"), []byte("  replicaz: 2"), 1)
	if err := strict.UnmarshalStrict(append([]byte("apiVersion: apps/v1"), bad...), new(apps.StatefulSet)); err == nil || !strings.Contains(err.Error(), "replicaz") {
		t.Errorf("an unknown key: %v", err)
	}
}
