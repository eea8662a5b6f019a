package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

const preface = `# Mistakes that are caught

Drawn by ` + "`make mutants MUTANTS=--rewrite`" + `. A rule over captures or a test that would pass with the engine broken holds nothing. So the mistakes below are
seeded in the engines, one at a time ([internal/mutants](../internal/mutants)), and for each the sessions of
[scenario_test.go](../conformance/scenario_test.go) are played and their captures judged by the [rules](conformance.md#rules), and the tests of
the package are run. Whatever fails then, and did not before, is a witness. For each clause that a mistake breaks, one of them must be
what the [ledger](conformance.md) says holds the clause (*in italics*), or ` + "`make mutants`" + ` fails. Of many witnesses of a kind, %d are named. A
scenario can be one without a rule: something is not delivered, or a packet is refused.

%d mistakes, %d of which are seen in captures by rules; all are caught.
`

// headings are what the rooms of the folder mistakes are about.
var headings = map[string]string{
	"source":     "What a source sends",
	"confirm":    "Confirmation and repair",
	"receiver":   "What a receiver takes and delivers",
	"recovery":   "NAK generation",
	"parity":     "Parity",
	"parent":     "Polls, back-off intervals and silence",
	"congestion": "Congestion control",
	"element":    "Network elements and repairers",
	"format":     "Packet formats",
	"option":     "Options",
}

// rewriteDocument writes what caught some of all mistakes to the document. The rows of the others stay as they are.
func rewriteDocument(name string, all, some []mistake, caught []witnesses) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(old)) {
		for _, m := range all {
			if said, ok := strings.CutPrefix(line, row(m)); ok {
				rows[m.name] = strings.TrimSuffix(strings.TrimSpace(said), " |")
			}
		}
	}
	for i, m := range some {
		rows[m.name] = strings.ReplaceAll(caught[i].tell(m.clauses, "*"), "|", "\\|")
	}
	all = slices.DeleteFunc(slices.Clone(all), func(m mistake) bool { return rows[m.name] == "" }) // it has not been tried yet
	return os.WriteFile(name, []byte(drawDocument(all, rows)), 0o644)
}

// drawDocument draws docs/mutants.md; caught says by name what caught each mistake.
func drawDocument(all []mistake, caught map[string]string) string {
	var b strings.Builder
	seen := 0
	for _, said := range caught {
		if strings.HasPrefix(strings.TrimPrefix(said, "*"), "rule ") { // which rules are said before all else
			seen++
		}
	}
	fmt.Fprintf(&b, preface, told, len(all), seen)
	room := ""
	for _, m := range all {
		if m.room != room {
			room = m.room
			fmt.Fprintf(&b, "\n## %s\n\n| mistake | clauses | in | caught by |\n| --- | --- | --- | --- |\n", headings[room])
		}
		fmt.Fprintf(&b, "%s %s |\n", row(m), caught[m.name])
	}
	return b.String()
}

// row returns the part of the row of m that does not depend on what caught it.
func row(m mistake) string {
	return fmt.Sprintf("| **%s** %s | %s | [%s](../%s) |", m.name, m.says, strings.Join(m.clauses, "<br>"), m.file, m.file)
}
