package house

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The drawing shows each room of the rows, and in parentheses those that are empty.
func TestArchitectureDrawsTheHouse(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "    ") {
			for _, word := range strings.Fields(line) {
				drawn[word] = true
			}
		}
	}
	built := map[string]bool{}
	for _, f := range files(t) {
		built[f.dir()] = true
		for dir := f.dir(); dir != "."; dir = path.Dir(dir) {
			built[dir+"/"] = true
		}
	}
	for _, r := range rows {
		for _, room := range r {
			switch {
			case room == "cmd/": // each program has a place of its own in the drawing
			case built[room] && !drawn[room]:
				t.Errorf("ARCHITECTURE.md does not draw %s", room)
			case !built[room] && !drawn["("+room+")"]:
				t.Errorf("ARCHITECTURE.md does not draw (%s) as planned", room)
			}
		}
	}
}

// A document that leads into the code leads to what it names: the file exists, and what the link's text names is declared there.
func TestLinksLeadWhereTheySay(t *testing.T) {
	link := regexp.MustCompile("\\[(`?)([^\\]`]+)`?\\]\\(([^)]+)\\)")
	err := walk(func(name string) error {
		if path.Ext(name) != ".md" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			code, text, target := m[1] != "", m[2], m[3]
			target, _, _ = strings.Cut(target, "#")
			if target == "" || strings.Contains(target, ":") {
				continue // in the same document, or not in this tree
			}
			target = path.Join(path.Dir(name), target)
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: [%s] leads to %s, which does not exist", name, text, target)
			} else if code && path.Ext(target) == ".go" && !declares(t, target, text[strings.LastIndex(text, ".")+1:]) {
				t.Errorf("%s: [%s] leads to %s, which declares no such thing", name, text, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// declares reports whether the file of the given name declares a function, method, type, field, constant or variable so called.
func declares(t *testing.T, name, what string) (found bool) {
	t.Helper()
	for _, f := range files(t) {
		if f.name != name {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			var names []*ast.Ident
			switch d := n.(type) {
			case *ast.FuncDecl:
				names = []*ast.Ident{d.Name}
			case *ast.TypeSpec:
				names = []*ast.Ident{d.Name}
			case *ast.ValueSpec:
				names = d.Names
			case *ast.Field:
				names = d.Names
			}
			for _, id := range names {
				found = found || id.Name == what
			}
			return true
		})
	}
	return found
}
