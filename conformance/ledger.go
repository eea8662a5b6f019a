package conformance

import (
	"cmp"
	_ "embed" // the ledger
	"fmt"
	"strconv"
	"strings"
)

// Level is how strictly a clause demands what it does.
type Level string

// The levels. A RULE is what a procedure or a format is, without one of the words of RFC 2119.
const (
	LevelMust   Level = "MUST"
	LevelRule   Level = "RULE"
	LevelShould Level = "SHOULD"
	LevelMay    Level = "MAY"
)

func (l Level) rank() int {
	switch l {
	case LevelMust:
		return 0
	case LevelRule:
		return 1
	case LevelShould:
		return 2
	}
	return 3
}

// HeldBy is the kind of thing that holds a clause.
type HeldBy string

// What can hold a clause.
const (
	ByRule        HeldBy = "rule"     // over captures: the Name of a Rule
	ByScenario    HeldBy = "scenario" // a session whose capture yields no finding: the Name of a scenario of this package's tests
	ByTest        HeldBy = "test"     // a test of the module: package.TestName, perhaps with /subtest
	NotApplicable HeldBy = "n/a"      // with the reason
	Later         HeldBy = "later"    // with the room that will hold it
)

// Holder is one thing that holds a clause.
type Holder struct {
	By   HeldBy
	What string
}

// Clause is a row of the ledger: something that RFC 3208 demands.
type Clause struct {
	ID         string // the section, and a count of the clauses in it
	Level      Level
	Roles      []string // source, receiver, element, dlr, or any
	Section    string
	Statement  string
	Observable string // where it shows: on the wire, at the API, or inside
	Held       []Holder
}

//go:embed ledger.tsv
var ledgerText string

var ledger, clauses = mustReadLedger(ledgerText)

// Ledger returns all clauses, in the order of the RFC.
func Ledger() []Clause { return ledger }

// ClauseByID returns the clause so called.
func ClauseByID(id string) (Clause, bool) {
	i, ok := clauses[id]
	if !ok {
		return Clause{}, false
	}
	return ledger[i], true
}

func levelOf(id string) Level {
	c, _ := ClauseByID(id)
	return c.Level
}

func demandOf(id string) string {
	c, _ := ClauseByID(id)
	return c.Statement
}

// ledgerColumns is the first line of the ledger.
const ledgerColumns = "id\tlevel\trole\tsection\tstatement\tobservable\theld"

func readLedger(text string) ([]Clause, map[string]int, error) {
	var all []Clause
	index := map[string]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		f := strings.Split(line, "\t")
		switch {
		case n == 1 && line == ledgerColumns:
			continue
		case n == 1 || len(f) != 7:
			return nil, nil, fmt.Errorf("line %d has %d columns, not those of %q", n, len(f), ledgerColumns)
		}
		c := Clause{ID: f[0], Level: Level(f[1]), Roles: strings.Split(f[2], ","), Section: f[3], Statement: f[4], Observable: f[5]}
		if c.Level.rank() == 3 && c.Level != LevelMay || !strings.HasPrefix(c.ID, c.Section+"-") {
			return nil, nil, fmt.Errorf("line %d: clause %s of section %s has the level %q", n, c.ID, c.Section, c.Level)
		}
		for _, h := range strings.Split(f[6], "; ") {
			by, what, _ := strings.Cut(h, " ")
			c.Held = append(c.Held, Holder{HeldBy(by), what})
		}
		if _, ok := index[c.ID]; ok {
			return nil, nil, fmt.Errorf("line %d: clause %s is there twice", n, c.ID)
		}
		index[c.ID] = len(all)
		all = append(all, c)
	}
	return all, index, nil
}

func mustReadLedger(text string) ([]Clause, map[string]int) {
	all, index, err := readLedger(text)
	if err != nil {
		panic("conformance: ledger.tsv: " + err.Error())
	}
	return all, index
}

// compareClauses orders clauses as the RFC does.
func compareClauses(a, b string) int {
	i, ok := clauses[a]
	j, okj := clauses[b]
	if ok && okj {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// String returns the level's name.
func (l Level) String() string { return string(l) }

// String returns the holder as the ledger has it.
func (h Holder) String() string { return strings.TrimSpace(string(h.By) + " " + h.What) }

// String returns the number and the statement.
func (c Clause) String() string { return "[" + c.ID + "] " + strconv.Quote(c.Statement) }
