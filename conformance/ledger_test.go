package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const moduleRoot = ".."

// Every clause is held by something that there is.
func TestLedgerNamesWhatExists(t *testing.T) {
	tests := moduleTests(t)
	for _, c := range Ledger() {
		for _, h := range c.Held {
			switch h.By {
			case ByRule:
				i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Name == h.What })
				if i < 0 {
					t.Errorf("[%s] there is no rule %q", c.ID, h.What)
				} else if !slices.Contains(rules[i].Clauses, c.ID) {
					t.Errorf("[%s] rule %s does not say that it holds it", c.ID, h.What)
				}
			case ByScenario:
				if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == h.What }) {
					t.Errorf("[%s] there is no scenario %q", c.ID, h.What)
				}
			case ByTest:
				if why := tests.lack(h.What); why != "" {
					t.Errorf("[%s] test %s: %s", c.ID, h.What, why)
				}
			case NotApplicable:
				if len(h.What) < 10 {
					t.Errorf("[%s] is not held, for no reason", c.ID)
				}
			case Later:
				if !slices.Contains(laterRooms, h.What) {
					t.Errorf("[%s] is for a room %q that is not planned", c.ID, h.What)
				}
			default:
				t.Errorf("[%s] is held by %q", c.ID, h)
			}
		}
	}
}

// laterRooms are the rooms of parity, congestion control, polls, implosion prevention and elements.
var laterRooms = []string{"fec", "congestion", "pgm/poll", "pgm/element"}

// What a rule says that it holds is in the ledger, by that rule.
func TestRulesAreInTheLedger(t *testing.T) {
	for _, r := range Rules() {
		if len(r.Clauses) == 0 || r.Fires == "" {
			t.Errorf("rule %s names no clause, or does not say what it fires on", r.Name)
		}
		for _, id := range r.Clauses {
			c, ok := ClauseByID(id)
			if !ok {
				t.Errorf("rule %s holds [%s], which is not in the ledger", r.Name, id)
			} else if !slices.Contains(c.Held, Holder{ByRule, r.Name}) {
				t.Errorf("rule %s holds [%s], and the ledger does not say so", r.Name, id)
			}
		}
	}
}

// Sources and receivers are held to everything but what belongs to rooms that are still to be built.
func TestSourcesAndReceiversAreHeld(t *testing.T) {
	for _, c := range Ledger() {
		if !slices.ContainsFunc(c.Roles, func(r string) bool { return r == "source" || r == "receiver" || r == "any" }) {
			continue
		}
		for _, h := range c.Held {
			if h.By == NotApplicable && (c.Level == LevelMust) && !strings.HasPrefix(h.What, "of ") {
				t.Errorf("[%s] is a MUST, and not held: %s", c.ID, h.What)
			}
		}
	}
}

// The tally, by role and level.
func TestTally(t *testing.T) {
	for line := range strings.Lines(tallyTable()) {
		t.Log(strings.TrimSuffix(line, "\n"))
	}
}

// A statement that contradicts the ledger's own form would mislead its readers.
func TestLedgerIsWellFormed(t *testing.T) {
	roles := []string{"source", "receiver", "element", "dlr", "any"}
	ids := regexp.MustCompile(`^(CC-)?[0-9]+(\.[0-9]+)*-[0-9]{2}$`)
	for _, c := range Ledger() {
		if !ids.MatchString(c.ID) || c.Statement == "" || c.Observable == "" {
			t.Errorf("%v: the number, the statement or where it shows is missing", c)
		}
		for _, r := range c.Roles {
			if !slices.Contains(roles, r) {
				t.Errorf("[%s] is for %q", c.ID, r)
			}
		}
	}
	for _, bad := range []string{
		"no header\n", ledgerColumns + "\n1-01\tMUST\n", ledgerColumns + "\n1-01\tMUST\tany\t2\ts\to\trule x\n",
		ledgerColumns + "\n1-01\tPERHAPS\tany\t1\ts\to\trule x\n",
		ledgerColumns + "\n1-01\tMUST\tany\t1\ts\to\trule x\n1-01\tMUST\tany\t1\ts\to\trule x\n",
	} {
		if _, _, err := readLedger(bad); err == nil {
			t.Errorf("%q is taken for a ledger", bad)
		}
	}
}

// goTests are the tests of the module, by package.
type goTests struct {
	funcs map[string]map[string]bool // package, from the module's root; name of the test
	text  map[string]string          // package; its tests
}

var readTests = sync.OnceValues(func() (*goTests, error) {
	all := &goTests{map[string]map[string]bool{}, map[string]string{}}
	fset := token.NewFileSet()
	err := eachFile(func(name string) error {
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if all.funcs[dir] == nil {
			all.funcs[dir] = map[string]bool{}
		}
		all.text[dir] += string(src)
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				all.funcs[dir][f.Name.Name] = true
			}
		}
		return nil
	})
	return all, err
})

func moduleTests(t *testing.T) *goTests {
	t.Helper()
	all, err := readTests()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lack returns what is missing of the test so called: package.TestName, perhaps with /subtest, which is a script in testdata or a name
// in the package's tests.
func (g *goTests) lack(name string) string {
	dir, full, ok := strings.Cut(name, ".")
	if !ok {
		return "it does not name a package and a test"
	}
	full, sub, isSub := strings.Cut(full, "/")
	switch {
	case g.funcs[dir] == nil:
		return "there is no such package with tests"
	case !g.funcs[dir][full]:
		return "there is no such function"
	case !isSub:
		return ""
	}
	if _, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(dir), "testdata", sub+".txt")); err == nil {
		return ""
	}
	if strings.Contains(g.text[dir], `"`+sub+`"`) || strings.Contains(g.text[dir], `"`+strings.ReplaceAll(sub, "_", " ")+`"`) {
		return ""
	}
	return "there is no such script or subtest"
}

// eachFile calls f with the names of the module's files, with slashes.
func eachFile(f func(name string) error) error {
	return filepath.WalkDir(moduleRoot, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(moduleRoot, p)
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
