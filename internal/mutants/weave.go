package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Building the tests for each mistake would take most of the time. So all mistakes are woven into one build: each function with
// mistakes in it begins with
//
//	if seeded.Number == 17 {
//		its body, with mistake 17
//	}
//
// and a variable of the environment says which mistake there is in a run of the tests.

// switchName is the environment variable, and switchPackage what reads it; it exists in the overlay alone.
const (
	switchName    = "GOPGM_SEEDED"
	switchPackage = "internal/mutants/seeded"
	switchSource  = `package seeded

import (
	"os"
	"strconv"
)

var Number, _ = strconv.Atoi(os.Getenv("` + switchName + `"))
`
)

// errOutdated says that the code has changed: the mistake must too.
var errOutdated = errors.New("the old text is not once in the file")

// errOutside says that a mistake cannot be woven in.
var errOutside = errors.New("the old text is not in the body of one function")

// weave returns the files with mistakes in them, by name; the mistake at i has number i + 1.
func weave(root string, all []mistake) (map[string]string, error) {
	woven := map[string]string{}
	for i := range all {
		name := all[i].file
		if _, ok := woven[name]; ok {
			continue
		}
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err == nil {
			woven[name], err = weaveFile(name, string(src), all)
		}
		if err != nil {
			return nil, err
		}
	}
	return woven, nil
}

// insertion is something that goes into a file.
type insertion struct {
	at   int
	text string
}

// weaveFile returns the file src, so called, with its mistakes of all in it.
func weaveFile(name, src string, all []mistake) (string, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	into := []insertion{{offset(tree.Name.End()), "\n\nimport \"" + module + switchPackage + "\"\n"}}
	for i, m := range all {
		if m.file != name {
			continue
		}
		at, err := m.find(src)
		if err != nil {
			return "", err
		}
		f := enclosing(tree, func(b *ast.BlockStmt) bool {
			return offset(b.Lbrace) < at && at+len(m.old) <= offset(b.Rbrace)
		})
		if f == nil {
			return "", fmt.Errorf("%s: %w", m.name, errOutside)
		}
		begin, end := offset(f.Body.Lbrace)+1, offset(f.Body.Rbrace)
		body := src[begin:at] + m.new + src[at+len(m.old):end]
		if f.Type.Results == nil {
			body += "\nreturn\n"
		}
		// So that an error of the compiler names the mistake.
		into = append(into, insertion{begin, fmt.Sprintf("\nif seeded.Number == %d {\n//line %s:1\n%s\n}\n", i+1, m.name, body)})
	}
	slices.SortStableFunc(into, func(a, b insertion) int { return a.at - b.at })
	var b strings.Builder
	at := 0
	for _, x := range into {
		b.WriteString(src[at:x.at])
		b.WriteString(x.text)
		at = x.at
	}
	b.WriteString(src[at:])
	return b.String(), nil
}

// find returns where in src the mistake is.
func (m *mistake) find(src string) (int, error) {
	if n := strings.Count(src, m.old); n != 1 {
		return 0, fmt.Errorf("%s: %w: %d times in %s:\n%s", m.name, errOutdated, n, m.file, m.old)
	}
	return strings.Index(src, m.old), nil
}

// enclosing returns the function whose body satisfies in.
func enclosing(tree *ast.File, in func(*ast.BlockStmt) bool) *ast.FuncDecl {
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && in(f.Body) {
			return f
		}
	}
	return nil
}
