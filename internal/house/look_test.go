package house

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines is where a file stops being one room.
const maxLines = 500

func TestFilesAreOfReadableLength(t *testing.T) {
	for _, f := range files(t) {
		if f.lines > maxLines {
			t.Errorf("%s has %d lines; more than %d are more than one thing", f.name, f.lines, maxLines)
		}
	}
}

func TestEveryPackageSaysWhatItHolds(t *testing.T) {
	doc := map[string]bool{}
	for _, f := range files(t) {
		if !f.isTest() {
			doc[f.dir()] = doc[f.dir()] || f.ast.Doc != nil
		}
	}
	for dir, ok := range doc {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

func TestEveryExportedNameIsExplained(t *testing.T) {
	for _, f := range files(t) {
		if f.isTest() {
			continue
		}
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d))) {
					t.Errorf("%s: %s has no doc comment", f.at(d), d.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					for _, name := range unexplained(d, spec) {
						t.Errorf("%s: %s has no doc comment", f.at(spec), name)
					}
				}
			}
		}
	}
}

// receiver returns the name of the type that the method d belongs to.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}

// unexplained returns the exported names of spec if no comment belongs to it. That of a group of constants or variables is
// enough for each of them.
func unexplained(d *ast.GenDecl, spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) && s.Comment == nil {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// A name that says nothing attracts what has no place.
func TestNamesSaySomething(t *testing.T) {
	empty := regexp.MustCompile(`(?i)(^|[_/.])(utils?|commons?|managers?|helpers?|misc)($|[_/.])`)
	typeName := regexp.MustCompile(`(Util|Utils|Common|Manager|Helper)($|[A-Z])`)
	err := walk(func(name string) error {
		if empty.MatchString(name) {
			t.Errorf("%s: the name does not say what is in it", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t) {
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				continue
			}
			for _, spec := range d.Specs {
				if s := spec.(*ast.TypeSpec); typeName.MatchString(s.Name.Name) {
					t.Errorf("%s: type %s: the name does not say what it is", f.at(s), s.Name.Name)
				}
			}
		}
	}
}

// What is left to do is written down where it is planned, not in the text of the program.
func TestNothingIsLeftForLater(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	text := []string{".go", ".md", ".sh", ".c", ".h", ".yml", ".yaml"}
	err := walk(func(name string) error {
		if base := path.Base(name); !slices.Contains(text, path.Ext(name)) && base != "Makefile" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(b), "\n") {
			if m := marks.FindString(line); m != "" {
				t.Errorf("%s:%d: %s", name, i+1, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
