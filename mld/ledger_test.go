package mld

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ledger returns the rows of ledger.tsv: what a state, an event and an action are in a table or diagram of the RFCs, and which test holds them.
func ledger(t *testing.T) (rows [][]string) {
	t.Helper()
	b, err := os.ReadFile("ledger.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

func TestEveryRowOfTheLedgerIsHeld(t *testing.T) {
	tests := map[string]bool{}
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		tests["TestScripts/"+strings.TrimSuffix(filepath.Base(s), ".txt")] = true
	}
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && strings.HasPrefix(d.Name.Name, "Test") {
				tests[d.Name.Name] = true
			}
		}
	}
	id := regexp.MustCompile(`^(\d{4})-[\d.]+-\d{2}$`)
	seen := map[string]bool{}
	for i, r := range ledger(t) {
		switch {
		case i == 0 && strings.Join(r, " ") == "id section state event action held":
		case len(r) != 6:
			t.Errorf("line %d has %d columns", i+1, len(r))
		case !id.MatchString(r[0]) || seen[r[0]] || !strings.HasPrefix(r[1], "RFC "+r[0][:4]+" §"):
			t.Errorf("line %d: %q of %q", i+1, r[0], r[1])
		case !tests[r[5]]:
			t.Errorf("%s: held by %q, which does not exist", r[0], r[5])
		default:
			seen[r[0]] = true
		}
	}
}
