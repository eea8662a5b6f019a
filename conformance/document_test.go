package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const document = "docs/conformance.md"

// docs/conformance.md says what the ledger and the code say.
func TestDocumentIsOfTheLedger(t *testing.T) {
	want := drawDocument(t)
	name := filepath.Join(moduleRoot, filepath.FromSlash(document))
	if *rewrite {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go generate ./conformance", document)
	}
}

func drawDocument(t *testing.T) string {
	t.Helper()
	cited := citations(t)
	var b strings.Builder
	b.WriteString(`# Conformance

Drawn from [ledger.tsv](../conformance/ledger.tsv) and the code by ` + "`go generate ./conformance`" + `. Each clause of RFC 3208 has the number of its
section and a count, its level (a RULE is a format or a procedure without one of the words of RFC 2119), how it is held, and where
the code cites it. What holds a clause is a *rule* over captures, which is tried on a capture that breaks it and on one that does
not ([testdata](../conformance/testdata)); a *scenario*, whose captures yield no finding; a *test*; or it is *n/a*, with the reason.
Clauses of parity, congestion control, polls and elements are for *later* rooms.

## Tally

`)
	for line := range strings.Lines(tallyTable()) {
		b.WriteString("    " + line)
	}
	b.WriteString("\n## Rules\n\nEach fires on:\n\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "- *%s*: %s [%s]\n", r.Name, r.Fires, strings.Join(r.Clauses, "] ["))
	}
	section := ""
	for _, c := range Ledger() {
		if top := topSection(c.Section); top != section {
			section = top
			fmt.Fprintf(&b, "\n## %s\n\n| clause | level | held by | cited in |\n| --- | --- | --- | --- |\n", sectionNames[top])
		}
		var held []string
		for _, h := range c.Held {
			held = append(held, "*"+string(h.By)+"* "+strings.ReplaceAll(h.What, "|", "\\|"))
		}
		fmt.Fprintf(&b, "| **%s** %s | %s, %s | %s | %s |\n", c.ID, strings.ReplaceAll(c.Statement, "|", "\\|"), c.Level,
			strings.Join(c.Roles, ", "), strings.Join(held, "<br>"), strings.Join(cited[c.ID], "<br>"))
	}
	return b.String()
}

func topSection(s string) string {
	if strings.HasPrefix(s, "CC") {
		return "CC"
	}
	top, _, _ := strings.Cut(s, ".")
	return top
}

var sectionNames = map[string]string{
	"1": "§1 Introduction", "2": "§2 Transmit window", "3": "§3 Terms and overview", "4": "§4 Router Alert", "5": "§5 Sources",
	"6": "§6 Receivers", "7": "§7 Network elements", "8": "§8 Packet formats", "9": "§9 Options", "11": "§11 Forward error correction",
	"12": "§12 Congestion control", "13": "§13 SPM requests", "14": "§14 Polls", "15": "§15 Implosion prevention", "16": "§16 Transmit window examples",
	"CC": "PGMCC (draft-ietf-rmt-bb-pgmcc-03)",
}

// citations returns, for each clause, links to the files that cite it, but for those of this package.
func citations(t *testing.T) map[string][]string {
	t.Helper()
	cite := regexp.MustCompile(`\[((?:CC-)?[0-9]+(?:\.[0-9]+)*-[0-9]{2})\]`)
	found := map[string][]string{}
	err := eachFile(func(name string) error {
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "conformance/") {
			return nil
		}
		src, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		link := fmt.Sprintf("[%s](../%s)", name, name)
		for _, m := range cite.FindAllStringSubmatch(string(src), -1) {
			if _, ok := ClauseByID(m[1]); !ok {
				t.Errorf("%s cites [%s], which is not in the ledger", name, m[1])
			}
			if !slices.Contains(found[m[1]], link) {
				found[m[1]] = append(found[m[1]], link)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// tallyTable counts the clauses by role, level, and what holds them; one that several hold counts for the first of these.
func tallyTable() string {
	var b strings.Builder
	by := []HeldBy{ByRule, ByScenario, ByTest, NotApplicable, Later}
	fmt.Fprintf(&b, "%-10s %-7s %6s %6s %9s %6s %6s %6s\n", "role", "level", "all", "rule", "scenario", "test", "n/a", "later")
	for _, role := range []string{"source", "receiver", "element", "dlr"} {
		for _, level := range []Level{LevelMust, LevelRule, LevelShould, LevelMay} {
			all, n := 0, map[HeldBy]int{}
			for _, c := range Ledger() {
				if c.Level != level || !slices.Contains(c.Roles, role) && !slices.Contains(c.Roles, "any") {
					continue
				}
				all++
				for _, x := range by {
					if slices.ContainsFunc(c.Held, func(h Holder) bool { return h.By == x }) {
						n[x]++
						break
					}
				}
			}
			fmt.Fprintf(&b, "%-10s %-7s %6d %6d %9d %6d %6d %6d\n", role, level, all, n[ByRule], n[ByScenario], n[ByTest], n[NotApplicable], n[Later])
		}
	}
	return b.String()
}
