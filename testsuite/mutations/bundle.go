package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bundle is a package's tests, built once with many mutations in them: each function that has some is there in
// every form, and which one runs is said in the environment. That takes a fifth of the time of a build for
// each. Programs that the tests build have the forms, too.
type bundle struct {
	root, pkg string
	dir       string // of what is built
	left      []int  // of the list, that are in no function
	limit     time.Duration
	quick     map[string][]string // tests, as one text: patterns of those of them that are run first, one after the other
}

const (
	switchEnv  = "PUMPHOUSE_MUTATION"
	switchName = "mutationSwitch"
)

// newBundle builds the tests of a package with those of the mutations that are numbered.
func newBundle(root, pkg string, list []mutation, numbers []int) (b *bundle, err error) {
	b = &bundle{root: root, pkg: pkg, limit: testLimit, quick: map[string][]string{}}
	if b.dir, err = os.MkdirTemp("", "mutations"); err != nil {
		return nil, err
	}
	byFile := map[string][]int{}
	for _, n := range numbers {
		byFile[list[n].path] = append(byFile[list[n].path], n)
	}
	replace := map[string]string{}
	add := func(path string, text []byte) error {
		name := filepath.Join(b.dir, strconv.Itoa(len(replace))+".go")
		replace[filepath.Join(root, path)] = name
		return os.WriteFile(name, text, 0o600)
	}
	for path, ns := range byFile {
		text, pkgName, left, err := allForms(root, path, list, ns)
		if err != nil {
			return b, err
		}
		b.left = append(b.left, left...)
		swtch := fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar %s = os.Getenv(%q)\n", pkgName, switchName, switchEnv)
		if err := errors.Join(add(path, text), add(filepath.Join(filepath.Dir(path), "mutation_switch.go"), []byte(swtch))); err != nil {
			return b, err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "overlay.json"), overlay, 0o600)
	}
	if err != nil {
		return b, err
	}
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-o", filepath.Join(b.dir, "tests"), pkg)
	cmd.Dir, cmd.Env = root, b.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return b, fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, out)
	}
	return b, nil
}

func (b *bundle) close() { os.RemoveAll(b.dir) }

func (b *bundle) env() []string {
	return append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+filepath.Join(b.dir, "overlay.json")),
		"PUMPHOUSE_BIN="+filepath.Join(b.dir, "bin"))
}

// run runs tests with a mutation, the quick ones first: most mutations are noticed by many tests.
func (b *bundle) run(number int, tests []string) ([]byte, error) {
	var skip []string
	if i := slices.Index(tests, "-skip"); i >= 0 {
		skip = tests[i+1 : i+2 : i+2]
	}
	flags := func() []string {
		if skip == nil {
			return nil
		}
		return []string{"-test.skip=" + strings.Join(skip, "|")}
	}
	for _, quick := range b.quick[strings.Join(tests, " ")] {
		if out, err := b.once(number, tests, append(flags(), "-test.run="+quick)...); err != nil {
			return out, err
		}
		skip = append(skip, quick)
	}
	return b.once(number, tests, flags()...)
}

// once runs tests with a mutation; -1: with none. Flags come after those of the tests.
func (b *bundle) once(number int, tests []string, flags ...string) ([]byte, error) {
	args := []string{"-test.failfast", "-test.timeout=" + b.limit.String(), "-test.paniconexit0"}
	for _, a := range tests[1:] {
		if name, ok := strings.CutPrefix(a, "-"); ok {
			a = "-test." + name
		}
		args = append(args, a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.limit+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "tests"), append(args, flags...)...)
	cmd.Dir, cmd.Env = filepath.Join(b.root, b.pkg), append(b.env(), switchEnv+"="+strconv.Itoa(number))
	cmd.WaitDelay = 10 * time.Second
	return cmd.CombinedOutput()
}

// sound runs tests without a mutation, and gives those with one five times as long.
func (b *bundle) sound(tests []string) error {
	b.limit = 2 * testLimit
	began := time.Now()
	out, err := b.once(-1, tests, "-test.v")
	switch {
	case err != nil:
		return fmt.Errorf("without any mutation go test %s: %w\n%s", strings.Join(tests, " "), err, out)
	case !passPattern.Match(out):
		return fmt.Errorf("go test %s runs no tests", strings.Join(tests, " "))
	}
	b.limit = min(testLimit, time.Minute+5*time.Since(began)).Round(time.Second)
	for _, part := range []float64{50, 8} {
		if quick := quickest(out, part); quick != "" {
			b.quick[strings.Join(tests, " ")] = append(b.quick[strings.Join(tests, " ")], quick)
		}
	}
	return nil
}

var passPattern = regexp.MustCompile(`(?m)^--- PASS: (\S+) \(([0-9.]+)s\)`)

// quickest is a pattern of the tests in the output of -test.v that together take a part of the time, 10 for a tenth. "": there are none.
func quickest(out []byte, part float64) string {
	type test struct {
		name string
		took float64 // seconds
	}
	var tests []test
	var left float64
	for _, m := range passPattern.FindAllSubmatch(out, -1) {
		took, _ := strconv.ParseFloat(string(m[2]), 64) // digits, by the pattern
		tests = append(tests, test{string(m[1]), took})
		left += took / part
	}
	slices.SortStableFunc(tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
	var names []string
	for _, t := range tests {
		if left -= t.took; left < 0 {
			break
		}
		names = append(names, t.name)
	}
	if names == nil {
		return ""
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// allForms gives a file in which functions with mutations are there in every form, and the mutations that are in no
// function.
func allForms(root, path string, list []mutation, numbers []int) (text []byte, pkg string, left []int, err error) {
	text, err = os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, "", nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, "", nil, err
	}
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	left = slices.Clone(numbers)
	out := text
	for _, d := range slices.Backward(file.Decls) {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil || fn.Type.TypeParams != nil || fn.Recv == nil && (fn.Name.Name == "init" || fn.Name.Name == "main") {
			continue
		}
		from, to, name := offset(fn.Pos()), offset(fn.End()), offset(fn.Name.End())
		forms := string(text[from:name]) + "Form" + string(text[name:to])
		var cases string
		for _, n := range numbers {
			at, err := list[n].find(text)
			if err != nil {
				return nil, "", nil, err
			}
			if at[0] < name || at[1] > to {
				continue
			}
			left = slices.DeleteFunc(left, func(l int) bool { return l == n })
			forms += fmt.Sprintf("\n\n%sForm%d%s%s%s", text[from:name], n, text[name:at[0]], list[n].new, text[at[1]:to])
			cases += fmt.Sprintf("case %q:\n%s\n", strconv.Itoa(n), call(fn, fmt.Sprint("Form", n)))
		}
		if cases == "" {
			continue
		}
		forms += fmt.Sprintf("\n\n%s {\nswitch %s {\n%s}\n%s\n}\n", head(fn, text, offset), switchName, cases, call(fn, "Form"))
		out = slices.Concat(out[:from:from], []byte(forms), out[to:])
	}
	return out, file.Name.Name, left, nil
}

// head is a function's head with parameters of our own names.
func head(fn *ast.FuncDecl, text []byte, offset func(token.Pos) int) string {
	source := func(n ast.Node) string { return string(text[offset(n.Pos()):offset(n.End())]) }
	s := "func "
	if fn.Recv != nil {
		s += "(form " + source(fn.Recv.List[0].Type) + ") "
	}
	var params []string
	for _, f := range fn.Type.Params.List {
		for range max(1, len(f.Names)) {
			params = append(params, fmt.Sprintf("form%d %s", len(params), source(f.Type)))
		}
	}
	s += fn.Name.Name + "(" + strings.Join(params, ", ") + ")"
	if fn.Type.Results != nil {
		s += " " + source(fn.Type.Results)
	}
	return s
}

// call calls a form of a function with the parameters of head.
func call(fn *ast.FuncDecl, form string) string {
	s := fn.Name.Name + form + "("
	if fn.Recv != nil {
		s = "form." + s
	}
	n := 0
	for _, f := range fn.Type.Params.List {
		for range max(1, len(f.Names)) {
			s += fmt.Sprintf("form%d", n)
			n++
			if _, ok := f.Type.(*ast.Ellipsis); ok {
				s += "..."
			}
			s += ","
		}
	}
	s += ")"
	if fn.Type.Results != nil {
		return "return " + s
	}
	return s + "\nreturn"
}
