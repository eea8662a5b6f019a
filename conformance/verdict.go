package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Finding is one clause that was broken.
type Finding struct {
	Rule     string    `json:"rule"`
	Clause   string    `json:"clause"`
	Level    Level     `json:"level"`
	Packet   int       `json:"packet"` // the number of the frame in the capture
	Time     time.Time `json:"time"`
	TSI      string    `json:"tsi"`
	Seen     string    `json:"seen"`
	Demanded string    `json:"demanded"`
}

// Count is how often a clause was broken, findings that are not told in full included.
type Count struct {
	Clause string `json:"clause"`
	Level  Level  `json:"level"`
	Count  uint64 `json:"count"`
	First  int    `json:"first"` // packet
}

// Unjudged is something that was not judged, and why.
type Unjudged struct {
	What  string `json:"what"`
	Count uint64 `json:"count"`
}

// Summary is what the capture has of one session.
type Summary struct {
	TSI       string            `json:"tsi"`
	Source    string            `json:"source,omitempty"`
	Group     string            `json:"group,omitempty"`
	First     time.Time         `json:"first"`
	Last      time.Time         `json:"last"`
	Beginning bool              `json:"beginning"`         // the capture has the beginning of the session; otherwise it is judged from First on
	Ending    string            `json:"ending,omitempty"`  // OPT_FIN or OPT_RST
	Missing   uint64            `json:"missing,omitempty"` // packets of the source that the capture lacks
	Receivers int               `json:"receivers"`
	Packets   map[string]uint64 `json:"packets"` // by type
}

// Verdict is what Check found.
type Verdict struct {
	Packets  uint64     `json:"packets"`
	Octets   uint64     `json:"octets"`
	First    time.Time  `json:"first"`
	Last     time.Time  `json:"last"`
	Stopped  string     `json:"stopped,omitempty"` // where reading stopped before the end, and why
	Findings []Finding  `json:"findings"`          // by packet
	Tally    []Count    `json:"tally"`             // by clause
	Sessions []Summary  `json:"sessions"`          // as they appeared; no more than Limits.Sessions
	Unjudged []Unjudged `json:"unjudged"`
}

// Broken reports whether a clause of this level was broken.
func (v *Verdict) Broken(l Level) bool {
	return slices.ContainsFunc(v.Tally, func(c Count) bool { return c.Level == l })
}

// Count returns how often the clause was broken.
func (v *Verdict) Count(clause string) uint64 {
	for _, c := range v.Tally {
		if c.Clause == clause {
			return c.Count
		}
	}
	return 0
}

// WriteJSON writes the verdict as one line of JSON.
func (v *Verdict) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(v) }

// maxWritten is how many sessions a reader is told of; the JSON has them all.
const maxWritten = 100

// WriteText writes the verdict for a reader: sessions, findings, tally, and what was not judged.
func (v *Verdict) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d PGM packets, %d octets", v.Packets, v.Octets)
	if v.Packets > 0 {
		fmt.Fprintf(&b, ", %v", v.Last.Sub(v.First).Round(time.Microsecond))
	}
	b.WriteByte('\n')
	for i := range v.Sessions[:min(len(v.Sessions), maxWritten)] {
		v.Sessions[i].write(&b)
	}
	if more := len(v.Sessions) - maxWritten; more > 0 {
		fmt.Fprintf(&b, "and %d further sessions\n", more)
	}
	for _, f := range v.Findings {
		fmt.Fprintf(&b, "packet %d, %s: [%s] %s: %s\n    %s\n", f.Packet, f.TSI, f.Clause, f.Level, f.Seen, f.Demanded)
	}
	for _, c := range v.Tally {
		fmt.Fprintf(&b, "[%s] %s: broken %s, first by packet %d\n", c.Clause, c.Level, times(c.Count), c.First)
	}
	if len(v.Tally) == 0 && v.Packets > 0 {
		b.WriteString("no finding\n")
	}
	for _, u := range v.Unjudged {
		fmt.Fprintf(&b, "not judged: %s: %d\n", u.What, u.Count)
	}
	if v.Stopped != "" {
		fmt.Fprintf(&b, "reading stopped: %s\n", v.Stopped)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (s *Summary) write(b *strings.Builder) {
	fmt.Fprintf(b, "session %s", s.TSI)
	if s.Source != "" {
		fmt.Fprintf(b, " from %s", s.Source)
	}
	if s.Group != "" {
		fmt.Fprintf(b, " to %s", s.Group)
	}
	for _, t := range slices.Sorted(mapKeys(s.Packets)) {
		fmt.Fprintf(b, ", %d %s", s.Packets[t], t)
	}
	if s.Receivers == 1 {
		b.WriteString(", 1 receiver")
	} else {
		fmt.Fprintf(b, ", %d receivers", s.Receivers)
	}
	if s.Ending != "" {
		fmt.Fprintf(b, ", ends with %s", s.Ending)
	}
	if !s.Beginning {
		b.WriteString("; the capture begins in mid-session: judged from there on")
	}
	if s.Missing > 0 {
		fmt.Fprintf(b, "; %d packets of the source are not in the capture: what is missing is not held against it", s.Missing)
	}
	b.WriteByte('\n')
}

func mapKeys(m map[string]uint64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// book collects what becomes a Verdict.
type book struct {
	limit    int
	findings []Finding
	counts   map[string]*count
	unjudged map[string]uint64
}

type count struct {
	n     uint64
	told  int
	first int
}

func newBook(limit int) book {
	return book{limit: limit, counts: map[string]*count{}, unjudged: map[string]uint64{}}
}

// enter counts a finding, and has it told by tell if there is room.
func (b *book) enter(clause string, packet int, tell func() Finding) {
	n := b.counts[clause]
	if n == nil {
		n = &count{first: packet}
		b.counts[clause] = n
	}
	n.n++
	n.first = min(n.first, packet)
	if n.told < b.limit {
		n.told++
		b.findings = append(b.findings, tell())
	}
}

func (b *book) verdict(v *Verdict) {
	v.Findings = append([]Finding{}, b.findings...)
	slices.SortStableFunc(v.Findings, func(x, y Finding) int { return cmp.Compare(x.Packet, y.Packet) })
	v.Tally, v.Unjudged = []Count{}, []Unjudged{}
	for clause, n := range b.counts {
		v.Tally = append(v.Tally, Count{clause, levelOf(clause), n.n, n.first})
	}
	slices.SortFunc(v.Tally, func(x, y Count) int {
		return cmp.Or(cmp.Compare(x.Level.rank(), y.Level.rank()), compareClauses(x.Clause, y.Clause))
	})
	for what, n := range b.unjudged {
		v.Unjudged = append(v.Unjudged, Unjudged{what, n})
	}
	slices.SortFunc(v.Unjudged, func(x, y Unjudged) int { return cmp.Compare(x.What, y.What) })
}

// counted names the types of a session's packets.
func counted(n *[16]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for t, k := range n {
		if k > 0 {
			m[packet.Type(t).String()] = k
		}
	}
	return m
}
