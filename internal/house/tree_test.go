package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/gopgm/gopgm"
	root   = "../.."
)

// file is one Go file of the module, whatever system it is built for.
type file struct {
	name  string // from the root of the module, with slashes
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

// dir returns the room of the module that the file is in.
func (f *file) dir() string { return path.Dir(f.name) }

// isTest reports whether the file is only part of tests.
func (f *file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// at returns the place of n, for a reader to go to.
func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// imports maps the names that the file knows packages by to their paths.
func (f *file) imports(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", f.at(spec), err)
		}
		name := path.Base(p)
		if isMajorVersion(name) {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// isMajorVersion reports whether s is the last element of a path such as math/rand/v2.
func isMajorVersion(s string) bool {
	_, err := strconv.Atoi(strings.TrimPrefix(s, "v"))
	return err == nil && strings.HasPrefix(s, "v")
}

// files returns every Go file of the module.
func files(t *testing.T) []*file {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var parsed = sync.OnceValues(func() ([]*file, error) {
	var all []*file
	fset := token.NewFileSet()
	err := walk(func(name string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, &file{name, strings.Count(string(src), "\n"), fset, tree})
		return err
	})
	return all, err
})

// walk calls f with the name of every file of the module that somebody wrote.
func walk(f func(name string) error) error {
	return filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || name == "bin" || strings.HasPrefix(e.Name(), ".") && name != "."):
			return filepath.SkipDir
		case e.IsDir():
			return nil
		}
		return f(filepath.ToSlash(name))
	})
}
