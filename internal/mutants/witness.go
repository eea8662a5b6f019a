package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gopgm/gopgm/conformance"
)

// witnesses are what caught a mistake: rules that scenarios break, and tests that fail, each once.
type witnesses struct {
	rules []string // by name
	tests []string // as package.TestName or package.TestName/subtest
}

func (w *witnesses) none() bool { return len(w.rules)+len(w.tests) == 0 }

// forget leaves out what is in broken.
func (w *witnesses) forget(broken map[string]bool) {
	known := func(x string) bool { return broken[x] }
	w.rules, w.tests = slices.DeleteFunc(w.rules, known), slices.DeleteFunc(w.tests, known)
}

// are reports whether the holder of a clause is among them.
func (w *witnesses) are(h conformance.Holder) bool {
	switch h.By {
	case conformance.ByRule:
		return slices.Contains(w.rules, h.What)
	case conformance.ByScenario:
		return slices.Contains(w.tests, judge+"."+scenarios+"/"+h.What)
	case conformance.ByTest:
		return slices.ContainsFunc(w.tests, func(t string) bool { return t == h.What || strings.HasPrefix(t, h.What+"/") })
	}
	return false
}

// unheld returns those of the clauses that nothing holds in whose row of the ledger there is a witness.
func (w *witnesses) unheld(clauses []string) []string {
	return slices.DeleteFunc(slices.Clone(clauses), func(id string) bool {
		c, _ := conformance.ClauseByID(id)
		return slices.ContainsFunc(c.Held, w.are)
	})
}

// told is how many witnesses of a kind are named.
const told = 3

// tell says who they are, some of many: rules, scenarios that fail for another reason than a rule, and tests; first, and with the mark, those
// that the ledger names for one of the clauses.
func (w *witnesses) tell(clauses []string, mark string) string {
	var named []string
	for _, id := range clauses {
		c, _ := conformance.ClauseByID(id)
		for _, h := range c.Held {
			named = append(named, h.What)
		}
	}
	isNamed := func(x string) bool {
		return slices.ContainsFunc(named, func(n string) bool { return x == n || strings.HasPrefix(x, n+"/") })
	}
	var played, tests []string
	for _, t := range w.tests {
		name, ok := strings.CutPrefix(t, judge+"."+scenarios+"/")
		switch {
		case !ok:
			tests = append(tests, t)
		case len(w.rules) == 0 || isNamed(name): // otherwise the rules say it better
			played = append(played, name)
		}
	}
	var said []string
	for _, kind := range []struct {
		name string
		all  []string
	}{{"rule ", w.rules}, {"scenario ", played}, {"", tests}} {
		all := slices.Clone(kind.all)
		slices.SortStableFunc(all, func(a, b string) int {
			if isNamed(a) == isNamed(b) {
				return 0
			}
			if isNamed(a) {
				return -1
			}
			return 1
		})
		for i, x := range all {
			if i == told {
				said = append(said, fmt.Sprintf("%d more", len(all)-i))
				break
			}
			if isNamed(x) {
				x = mark + kind.name + x + mark
			} else {
				x = kind.name + x
			}
			said = append(said, x)
		}
	}
	return strings.Join(said, ", ")
}

// brokenRules is what TestScenarios begins the names of the rules of a verdict with.
const brokenRules = "broken rules: "

// end is how a test says that it has ended.
var end = regexp.MustCompile(`^ *--- (FAIL|PASS|SKIP): (\S+) `)

// readTests reads what the tests of a package print with -test.v.
func readTests(p, said string) (w witnesses) {
	failed := map[string]bool{}
	running := map[string]bool{} // in the end: what has none, because of a panic
	for line := range strings.Lines(said) {
		if name, ok := strings.CutPrefix(line, "=== RUN "); ok {
			running[strings.TrimSpace(name)] = true
		} else if m := end.FindStringSubmatch(line); m != nil {
			delete(running, m[2])
			failed[m[2]] = m[1] == "FAIL"
		} else if _, names, ok := strings.Cut(line, brokenRules); ok && strings.TrimSpace(names) != "" {
			w.rules = append(w.rules, strings.Split(strings.TrimSpace(names), ", ")...)
		}
	}
	for name := range running {
		failed[name] = true
	}
	for name := range failed {
		if fuzz, _, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(name, "Fuzz") { // its inputs have no names
			delete(failed, name)
			failed[fuzz] = failed[fuzz] || failed[name]
		}
	}
	for name := range failed {
		inner := func(other string) bool { return failed[other] && strings.HasPrefix(other, name+"/") }
		if failed[name] && !slices.ContainsFunc(slices.Collect(maps.Keys(failed)), inner) {
			w.tests = append(w.tests, p+"."+name)
		}
	}
	slices.Sort(w.rules)
	slices.Sort(w.tests)
	w.rules = slices.Compact(w.rules)
	return w
}
