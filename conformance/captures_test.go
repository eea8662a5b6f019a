package conformance

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "draw the captures of testdata and docs/conformance.md anew")

// trial is what a rule is tried on: a story that breaks it, and one that satisfies it. clauses are those that the bad one breaks, all
// of them.
type trial struct {
	bad, good story
	clauses   []string
	c         Config
}

func collect(all ...map[string]trial) map[string]trial {
	m := map[string]trial{}
	for _, x := range all {
		maps.Copy(m, x)
	}
	return m
}

// Each rule fires on the capture that breaks it, with the clauses that it is to name and no others, and no rule fires on the one
// that satisfies it.
func TestRulesFire(t *testing.T) {
	trials := collect(headerTrials, optionTrials, sourceTrials, dataTrials, ncfTrials, receiverTrials, pollTrials, backOffTrials, parityTrials, parityRequestTrials)
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			n := 0
			for name, x := range trials {
				if first, _, _ := strings.Cut(name, "/"); first == r.Name {
					n++
					delete(trials, name)
					try(t, r, name, x)
				}
			}
			if n == 0 {
				t.Error("no captures to try the rule on")
			}
		})
	}
	for name := range trials {
		t.Errorf("there are captures for %s, and no such rule", name)
	}
}

func try(t *testing.T, r *Rule, name string, x trial) {
	t.Helper()
	bad := judge(t, x.c, kept(t, name, "bad", x.bad))
	var broken []string
	fired := false
	for _, n := range bad.Tally {
		broken = append(broken, n.Clause)
	}
	for _, f := range bad.Findings {
		fired = fired || f.Rule == r.Name
		if f.Rule == r.Name && !slices.Contains(r.Clauses, f.Clause) {
			t.Errorf("it names clause %s, which is none of its own", f.Clause)
		}
	}
	want := slices.Clone(x.clauses)
	slices.Sort(want)
	slices.Sort(broken)
	if !fired || !slices.Equal(broken, want) {
		t.Errorf("%s: the bad capture breaks %v, want %v:\n%s", name, broken, want, text(bad))
	}
	good := judge(t, x.c, kept(t, name, "good", x.good))
	if len(good.Tally) > 0 {
		t.Errorf("%s: the good capture breaks a rule:\n%s", name, text(good))
	}
	if good.Packets == 0 {
		t.Error("the good capture is empty")
	}
}

func text(v *Verdict) string {
	var b bytes.Buffer
	v.WriteText(&b)
	return b.String()
}

// kept returns the capture of a story as it is kept in testdata.
func kept(t *testing.T, trial, which string, s story) []byte {
	t.Helper()
	name := filepath.Join("testdata", filepath.FromSlash(trial), which+".pcapng")
	drawn := capture(t, s.draw(t))
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, drawn, 0o644); err != nil {
			t.Fatal(err)
		}
		return drawn
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, drawn) {
		t.Errorf("%s is not what the story tells (go test -rewrite)", name)
	}
	return b
}

// A capture is kept for each rule, and for nothing else.
func TestCapturesAreOfRules(t *testing.T) {
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		other := d.Name() == "scenarios" || d.Name() == "fuzz"
		if d.IsDir() && !other && !slices.ContainsFunc(Rules(), func(r *Rule) bool { return r.Name == d.Name() }) {
			t.Errorf("testdata/%s is of no rule", d.Name())
		}
	}
}
