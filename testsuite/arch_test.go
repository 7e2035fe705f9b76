package testsuite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository.
const root = ".."

// listed is what `go list` says of one of our packages.
type listed struct {
	ImportPath, Name, Dir, Doc string
	GoFiles, Imports           []string
}

// room is the part of the path that the house's rules speak of: nodes, server, cmd.
func room(path string) string {
	rest := strings.TrimPrefix(path, "pumphouse/")
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// packages lists the module's packages.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Doc,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("only %d packages", len(list))
	}
	return list
}

// mayImport are the rooms that a room may use beside itself. cmd and testsuite may use
// what they like, and nobody uses them.
var mayImport = map[string]string{
	"internal": "", "sqlext": "", "binlogpb": "", "docs": "",
	"nodes":   "internal",
	"server":  "internal nodes sqlext binlogpb docs",
	"pump":    "internal nodes sqlext binlogpb",
	"drainer": "internal nodes sqlext binlogpb",
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		from := room(p.ImportPath)
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, "pumphouse/") {
				continue
			}
			if why := badImport(from, imported); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, why)
			}
		}
	}
}

// TestArchitectureMap: ARCHITECTURE.md says of every package what it is, and of none that there is not. Programs and the
// testsuite's folders are on one line each.
func TestArchitectureMap(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("```\n"))
	text, _, _ = bytes.Cut(text, []byte("```"))
	mapped := map[string]bool{}
	var above []string // the directories around a line
	for line := range strings.Lines(string(text)) {
		names := mapLine.FindStringSubmatch(line)
		if names == nil {
			continue // goes on with what a directory is
		}
		above = above[:len(names[1])/2]
		for _, name := range strings.Fields(names[2]) {
			mapped[strings.Join(append(above[:len(above):len(above)], strings.TrimSuffix(name, "/")), "/")] = true
		}
		above = append(above, strings.TrimSuffix(strings.Fields(names[2])[0], "/"))
	}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, "pumphouse/")
		if r := room(p.ImportPath); r == "cmd" || r == "testsuite" {
			path = r
		}
		if !mapped[path] {
			t.Errorf("ARCHITECTURE.md does not say what %s is", path)
		}
	}
	for path := range mapped {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("ARCHITECTURE.md says what %s is: %v", path, err)
		}
	}
}

// mapLine is a line of the map that begins with directories: its indentation, and their names.
var mapLine = regexp.MustCompile(`^((?:  )*)((?:\w+/ ?)+) `)

func badImport(from, imported string) string {
	to := room(imported)
	free := from == "cmd" || from == "testsuite"
	_, known := mayImport[from]
	switch {
	case !known && !free:
		return "a room that the house does not have"
	case to == "testsuite" && from != "testsuite" || to == "cmd":
		return "nobody does"
	case strings.HasPrefix(imported, "pumphouse/nodes/embedpd") && !free:
		return "only programs and tests bring a PD of their own"
	case strings.HasSuffix(imported, "/faultfs"):
		return "it is for tests"
	case free || to == from || strings.Contains(" "+mayImport[from]+" ", " "+to+" "):
		return ""
	}
	return fmt.Sprintf("%s may use: %s", from, mayImport[from])
}

// TestNoStateInPackages: what is declared outside functions is never written to, so that
// any number of pumps, drainers and consoles run in one process; nothing registers itself
// anywhere, and nobody uses what others registered globally.
func TestNoStateInPackages(t *testing.T) {
	for _, p := range packages(t) {
		if room(p.ImportPath) != "testsuite" {
			for _, fault := range faultsOf(t, p.Name, p.Dir, p.GoFiles) {
				t.Errorf("%s: %s", p.ImportPath, fault)
			}
		}
	}
}

// faultsOf looks a package's hand-written files over.
func faultsOf(t *testing.T, name, dir string, files []string) []string {
	t.Helper()
	c := &checker{name: name, fset: token.NewFileSet()}
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(c.fset, filepath.Join(dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		if !ast.IsGenerated(f) {
			c.files = append(c.files, f)
		}
	}
	c.info = types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	// Names are resolved without the packages imported: what is missing is no error here.
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check(name, c.fset, parsed, &c.info)
	c.scope = pkg.Scope()
	for _, f := range c.files {
		ast.Inspect(f, c.look)
	}
	return c.found
}

// noImports stands in for every imported package.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}

// checker finds state in a package.
type checker struct {
	name  string
	fset  *token.FileSet
	files []*ast.File
	info  types.Info
	scope *types.Scope
	found []string
}

func (c *checker) fault(at ast.Node, format string, args ...any) {
	pos := c.fset.Position(at.Pos())
	c.found = append(c.found, fmt.Sprintf("%s:%d: %s", filepath.Base(pos.Filename), pos.Line, fmt.Sprintf(format, args...)))
}

// look is called for every node of a file.
func (c *checker) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		if n.Tok == token.VAR {
			c.declaration(n)
		}
	case *ast.FuncDecl:
		if n.Name.Name == "init" && n.Recv == nil {
			c.fault(n, "an init function")
		}
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			c.written(left)
		}
	case *ast.IncDecStmt:
		c.written(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.written(n.Key)
			c.written(n.Value)
		}
	case *ast.UnaryExpr:
		// A pointer into a table is how a row of it is read.
		if _, row := n.X.(*ast.IndexExpr); n.Op == token.AND && !row {
			c.written(n.X)
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
			c.written(n.Args[0])
		}
	case *ast.SelectorExpr:
		c.global(n)
	}
	return true
}

// declaration refuses package variables that can only be meant to change, and exported
// ones that are no error values.
func (c *checker) declaration(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" || c.info.Defs[name] == nil || c.info.Defs[name].Parent() != c.scope {
				continue
			}
			if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
				c.fault(name, "%s can be written by other packages", name.Name)
			}
			switch {
			case i < len(v.Values) && stateful(v.Values[i]):
				c.fault(name, "%s holds state", name.Name)
			case len(v.Values) == 0 && !embedded(d):
				c.fault(name, "%s has no value: it is meant to change", name.Name)
			}
		}
	}
}

// stateful tells values that are made to be changed: maps and channels from make, new(T),
// and what package sync and sync/atomic have, but for values computed once.
func stateful(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		switch f := e.Fun.(type) {
		case *ast.Ident:
			return f.Name == "make" || f.Name == "new"
		case *ast.SelectorExpr:
			from, _ := f.X.(*ast.Ident)
			return from != nil && from.Name == "sync" && !strings.HasPrefix(f.Sel.Name, "Once")
		}
	case *ast.CompositeLit:
		if s, ok := e.Type.(*ast.SelectorExpr); ok {
			from, _ := s.X.(*ast.Ident)
			return from != nil && (from.Name == "sync" || from.Name == "atomic")
		}
	case *ast.UnaryExpr:
		return stateful(e.X)
	}
	return false
}

// embedded tells variables that the compiler fills from a file.
func embedded(d *ast.GenDecl) bool {
	if d.Doc != nil {
		for _, line := range d.Doc.List {
			if strings.HasPrefix(line.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// written refuses a write to a package variable, or to what is in it.
func (c *checker) written(e ast.Expr) {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			if v, ok := c.info.Uses[x].(*types.Var); ok && v.Parent() == c.scope {
				c.fault(x, "the package variable %s is written, or its address is taken", x.Name)
			}
			return
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return
		}
	}
}

// globals are other people's, by import path.
var globals = map[string]string{
	"net/http": " DefaultServeMux Handle HandleFunc ",
	"log":      " Fatal Fatalf Fatalln Panic Panicf Panicln Print Printf Println SetOutput SetFlags ",
	"github.com/sirupsen/logrus": " StandardLogger Trace Debug Info Warn Warning Error Fatal Panic Tracef Debugf Infof Warnf Errorf Fatalf Panicf " +
		"Debugln Infoln Warnln Errorln Fatalln WithField WithFields WithError SetLevel SetOutput SetFormatter AddHook ",
	"github.com/prometheus/client_golang/prometheus":          " DefaultRegisterer DefaultGatherer Register MustRegister ",
	"github.com/prometheus/client_golang/prometheus/promhttp": " Handler ",
	"os": " Exit ",
}

// global refuses the use of what a whole process shares.
func (c *checker) global(s *ast.SelectorExpr) {
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return
	}
	p, ok := c.info.Uses[x].(*types.PkgName)
	if !ok || !strings.Contains(globals[p.Imported().Path()], " "+s.Sel.Name+" ") {
		return
	}
	if c.name == "main" && p.Imported().Path() == "os" {
		return // a program ends itself; no other package does
	}
	c.fault(s, "%s.%s belongs to the whole process", x.Name, s.Sel.Name)
}

// TestTheStateCheckBites: a check that finds nothing anywhere proves nothing.
func TestTheStateCheckBites(t *testing.T) {
	const code = `package p

import (
	"errors"
	"log"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
)

var ErrFine = errors.New("fine")
var fine = regexp.MustCompile("a")
var table = map[string]int{"a": 1}
var once = sync.OnceValue(func() int { return 1 })

var Exported = 1
var counter int
var cache = make(map[string]int)
var mu = sync.Mutex{}
var ready = &atomic.Bool{}
var list = []int{1}
var grown = map[string]int{}

func init() {}

func f(s struct{ counter int }) int {
	s.counter++
	table := map[string]int{}
	table["b"] = 2
	list[0]++
	grown["x"] = 1
	log.Println("x")
	os.Exit(1)
	return fine.NumSubexp() + once()
}
`
	file := filepath.Join(t.TempDir(), "p.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	found := faultsOf(t, "p", filepath.Dir(file), []string{filepath.Base(file)})
	want := []string{
		"Exported can be written by other packages", "counter has no value", "cache holds state", "mu holds state", "ready holds state",
		"an init function", "variable list is written", "variable grown is written", "log.Println belongs", "os.Exit belongs",
	}
	if len(found) != len(want) {
		t.Errorf("found %d faults, want %d:\n%s", len(found), len(want), strings.Join(found, "\n"))
	}
	all := strings.Join(found, "\n")
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("not found: %s in\n%s", w, all)
		}
	}
	for _, bad := range [][2]string{
		{"nodes", "pumphouse/server"}, {"drainer", "pumphouse/pump"}, {"pump", "pumphouse/nodes/embedpd"}, {"server", "pumphouse/testsuite/pdtest"}, {"util", "pumphouse/nodes"}, {"internal", "pumphouse/nodes"},
	} {
		if badImport(bad[0], bad[1]) == "" {
			t.Errorf("%s may import %s", bad[0], bad[1])
		}
	}
}

// TestSkipsAreCounted: whoever skips a test, or asks which form the tests have, does so through
// testsuite/form, which says why and counts.
func TestSkipsAreCounted(t *testing.T) {
	other := regexp.MustCompile(`\b[tb]\.Skip(f|Now)?\(|[eE]nv\("PUMPHOUSE_(SOAK|SEED)"|testing\.Short\(`)
	list := exec.Command("git", "ls-files", "*.go")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 300 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		if strings.HasPrefix(file, "testsuite/form/") || file == "testsuite/arch_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(text), "\n") {
			if other.MatchString(line) {
				t.Errorf("%s:%d: %s: use testsuite/form", file, number+1, strings.TrimSpace(line))
			}
		}
	}
}

// TestTableOfTests: what testsuite/README.md names is there.
func TestTableOfTests(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1)
	files := regexp.MustCompile(`\b\w+_test\.go`).FindAllString(string(text), -1)
	if len(names) < 20 || len(files) < 4 {
		t.Fatalf("it names %d tests and %d files", len(names), len(files))
	}
	for _, name := range names {
		if out, err := gitGrep("-q", "-E", "^func "+name+"\\(", "--", "*_test.go"); err != nil {
			t.Errorf("no test is called %s: %v %s", name, err, out)
		}
	}
	for _, file := range files {
		if out, err := gitGrep("-q", "^package", "--", "*/"+file); err != nil {
			t.Errorf("no file is called %s: %v %s", file, err, out)
		}
	}
}

// gitGrep looks through the repository, with what is not committed yet.
func gitGrep(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"grep", "--untracked"}, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}
