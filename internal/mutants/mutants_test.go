package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/conformance"
)

const root = "../.."

// Each mistake still fits the code, and leaves a file that is Go. Whether it is caught, make mutants shows.
func TestMistakesFitTheCode(t *testing.T) {
	all, err := mistakes()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 320 {
		t.Errorf("only %d mistakes", len(all))
	}
	names := map[string]bool{}
	for _, m := range all {
		if names[m.name] {
			t.Errorf("two mistakes are called %s", m.name)
		}
		names[m.name] = true
		for _, p := range m.packages {
			if _, err := os.Stat(filepath.Join(root, p)); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
	woven, err := weave(root, all)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range woven {
		if _, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution); err != nil {
			t.Errorf("with its mistakes: %v", err)
		}
	}
}

// Mistakes break what the ledger has.
func TestMistakesBreakClauses(t *testing.T) {
	all, err := mistakes()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, id := range m.clauses {
			if c, ok := conformance.ClauseByID(id); !ok {
				t.Errorf("%s breaks [%s], which is not in the ledger", m.name, id)
			} else if slices.ContainsFunc(c.Held, func(h conformance.Holder) bool { return h.By == conformance.NotApplicable }) && len(c.Held) == 1 {
				t.Errorf("%s breaks [%s], which nothing is to hold", m.name, id)
			}
		}
	}
}

// The document has the mistakes that there are, in their order, each with what caught it.
func TestDocumentIsOfTheMistakes(t *testing.T) {
	all, err := mistakes()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "| **") {
			rows = append(rows, line)
		}
	}
	for i, m := range all {
		if i >= len(rows) || !strings.HasPrefix(rows[i], row(m)) || strings.HasSuffix(rows[i], "| |\n") {
			t.Fatalf("%s is not in %s as it is here: make mutants MUTANTS=--rewrite", m.name, document)
		}
	}
	if len(rows) > len(all) {
		t.Errorf("%s has %d mistakes, and there are %d: make mutants MUTANTS=--rewrite", document, len(rows), len(all))
	}
}

// What tests say is read: of what failed the innermost, also if a test panics.
func TestWitnessesAreRead(t *testing.T) {
	w := readTests("nak", `=== RUN   TestScripts
=== RUN   TestScripts/loss
    x_test.go:1: who: broken rules: rate, ncf-first
=== RUN   TestScripts/plain
--- FAIL: TestScripts (0.02s)
    --- FAIL: TestScripts/loss (0.01s)
    --- PASS: TestScripts/plain (0.01s)
=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestB
panic: no
`)
	if want := []string{"nak.TestB", "nak.TestScripts/loss"}; !slices.Equal(w.tests, want) {
		t.Errorf("tests %v, want %v", w.tests, want)
	}
	w.tests = append(w.tests, judge+"."+scenarios+"/wrap", "pgm/receiver.TestScripts/wrap")
	clauses := []string{"3.2-02", "5.1-01"}
	if got, want := w.tell(clauses, "*"), "*rule ncf-first*, *rule rate*, *scenario wrap*, *pgm/receiver.TestScripts/wrap*, nak.TestB, nak.TestScripts/loss"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	w.forget(map[string]bool{"rate": true, "ncf-first": true, "nak.TestB": true})
	if got, want := w.tell(clauses, "*"), "*scenario wrap*, *pgm/receiver.TestScripts/wrap*, nak.TestScripts/loss"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := w.unheld(clauses); !slices.Equal(got, clauses[1:]) {
		t.Errorf("nothing that holds %v is a witness, want %v", got, clauses[1:])
	}
}

// A function with a mistake in it is there twice.
func TestMistakesAreWovenIn(t *testing.T) {
	src := "package p\n\nfunc f() {\n\tg(1)\n}\n\nfunc g(n int) int {\n\treturn n\n}\n"
	got, err := weaveFile("p.go", src, []mistake{
		{name: "a", file: "q.go", old: "x"}, {name: "b", file: "p.go", old: "g(1)", new: "g(2)"}, {name: "c", file: "p.go", old: "return n", new: "return -n"},
	})
	want := "package p\n\nimport \"github.com/gopgm/gopgm/internal/mutants/seeded\"\n\n\nfunc f() {" +
		"\nif seeded.Number == 2 {\n//line b:1\n\n\tg(2)\n\nreturn\n\n}\n\n\tg(1)\n}\n\nfunc g(n int) int {" +
		"\nif seeded.Number == 3 {\n//line c:1\n\n\treturn -n\n\n}\n\n\treturn n\n}\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for _, m := range []mistake{{file: "p.go", old: "n"}, {file: "p.go", old: "not there"}, {file: "p.go", old: "func f()"}, {file: "p.go", old: "}\n\nfunc g"}} {
		if got, err := weaveFile("p.go", src, []mistake{m}); err == nil {
			t.Errorf("%q is woven into\n%s", m.old, got)
		}
	}
}

func TestMistakesAreRead(t *testing.T) {
	good := "# of a\nmistake a\nsays it breaks\nbreaks 1-01 2-02\nin nak/packet.go\ntests spm\n- one\n- \ttwo\n+ three\n"
	all, err := readMistakes(good)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	m := all[0]
	if m.old != "one\n\ttwo" || m.new != "three" || !slices.Equal(m.clauses, []string{"1-01", "2-02"}) || !slices.Equal(m.packages, []string{"nak", "spm"}) {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"says alone", "mistake a\nsays x", "mistake a\nwhat x", strings.Replace(good, "three", "one\n+ \ttwo", 1)} {
		if all, err := readMistakes(bad); err == nil {
			t.Errorf("%q reads as %+v", bad, all)
		}
	}
}

// What was not tried again stays as it is in the document, and what was never tried is not in it.
func TestDocumentKeepsWhatIsNotTried(t *testing.T) {
	all := []mistake{
		{name: "a", says: "x", clauses: []string{"5.1.3-01"}, file: "nak/a.go", room: "source"},
		{name: "b", says: "y", clauses: []string{"5.1.3-01"}, file: "nak/a.go", room: "parity"},
	}
	name := filepath.Join(t.TempDir(), "mutants.md")
	if err := os.WriteFile(name, []byte(drawDocument(all, map[string]string{"a": "*rule x*", "b": "nak.TestOld"})), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rewriteDocument(name, all, all[1:], []witnesses{{rules: []string{"z"}, tests: []string{"nak.TestNew"}}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if want := drawDocument(all, map[string]string{"a": "*rule x*", "b": "rule z, nak.TestNew"}); err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if !strings.Contains(string(got), "2 mistakes, 2 of which") {
		t.Errorf("what rules see is not counted:\n%s", got)
	}
	all = append(all, mistake{name: "c", room: "parity"})
	if err := rewriteDocument(name, all, all[1:2], []witnesses{{rules: []string{"z"}, tests: []string{"nak.TestNew"}}}); err != nil {
		t.Error(err)
	}
	if again, _ := os.ReadFile(name); string(again) != string(got) {
		t.Errorf("with a mistake that was never tried:\n%s", again)
	}
}
