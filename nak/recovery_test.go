package nak

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/pgm/packet"
)

var testStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// machine is a Recovery that a script plays with.
type machine struct {
	r    *Recovery
	now  time.Time
	held bool // NAKs are not allowed
	out  bytes.Buffer
}

func newMachine(c RecoveryConfig) *machine {
	return &machine{r: NewRecovery(c, rand.New(rand.NewPCG(1, 2))), now: testStart}
}

// poll writes down what the machine wants now: each line of numbers is a NAK.
func (m *machine) poll() {
	m.r.HandleTimeout(m.now, func(s packet.SQN) { fmt.Fprintf(&m.out, "%v lost %v\n", m.now.Sub(testStart), s) })
	for !m.held {
		due := m.r.Due(m.now, make([]packet.SQN, 0, 1+MaxList))
		if len(due) == 0 {
			return
		}
		fmt.Fprintf(&m.out, "%v NAK %v\n", m.now.Sub(testStart), strings.Trim(fmt.Sprint(due), "[]"))
	}
}

// advance lets time pass, stopping where the machine wants to be woken.
func (m *machine) advance(d time.Duration) {
	end := m.now.Add(d)
	for range 100000 {
		next := m.r.NextTimeout(!m.held)
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(m.now) {
			m.now = next
		}
		m.poll()
	}
	m.now = end
	m.poll()
}

// run does one line of a script:
//
//	lost SQN...   data SQN...   ncf SQN...   nak SQN...   cancel SQN   trail FIRST LAST   advance DURATION   state SQN...   stats
//	interval DURATION   hold (no NAKs are allowed)   spread (they are again)
//
// The numbers a..b stand for all from a to b.
func (m *machine) run(t *testing.T, line string) {
	word, rest, _ := strings.Cut(line, " ")
	var sqns []packet.SQN
	if word != "advance" && word != "interval" {
		for _, f := range strings.Fields(rest) {
			a, b, ok := strings.Cut(f, "..")
			if !ok {
				b = a
			}
			first, err1 := strconv.ParseUint(a, 10, 32)
			last, err2 := strconv.ParseUint(b, 10, 32)
			if err1 != nil || err2 != nil {
				t.Fatalf("script: %q?", line)
			}
			for s := packet.SQN(first); ; s++ {
				if sqns = append(sqns, s); s == packet.SQN(last) {
					break
				}
			}
		}
	}
	each := func(f func(packet.SQN)) {
		for _, s := range sqns {
			f(s)
		}
		m.poll()
	}
	switch word {
	case "lost":
		each(func(s packet.SQN) {
			if !m.r.Lost(m.now, s) {
				fmt.Fprintf(&m.out, "no room for %v\n", s)
			}
		})
	case "data":
		each(func(s packet.SQN) {
			if !m.r.Received(m.now, s) {
				fmt.Fprintf(&m.out, "%v was not in recovery\n", s)
			}
		})
	case "ncf":
		each(func(s packet.SQN) { m.r.Confirmed(m.now, s) })
	case "nak":
		each(func(s packet.SQN) { m.r.Heard(m.now, s) })
	case "cancel":
		each(m.r.Cancel)
	case "trail":
		m.r.CancelRange(sqns[0], sqns[1])
	case "advance", "interval":
		d, err := time.ParseDuration(rest)
		if err != nil {
			t.Fatal(err)
		}
		if word == "interval" {
			m.r.SetBackOff(m.now, d)
			break
		}
		m.advance(d)
	case "hold":
		m.held = true
	case "spread":
		m.held = false
		m.r.Spread(m.now)
	case "state":
		each(func(s packet.SQN) {
			if st, ok := m.r.State(s); ok {
				fmt.Fprintf(&m.out, "%v %v\n", s, st)
			} else {
				fmt.Fprintf(&m.out, "%v none\n", s)
			}
		})
	case "stats":
		fmt.Fprintf(&m.out, "%+v\n", m.r.Stats())
	default:
		t.Fatalf("script: %q?", line)
	}
}

// player plays a script with a machine. A first line "retries NCF DATA" sets NAK_NCF_RETRIES and NAK_DATA_RETRIES. NAK_BO_IVL is 5 ms,
// NAK_RPT_IVL 20 ms and NAK_RDATA_IVL 50 ms.
type player struct {
	*machine
	t *testing.T
}

func (p player) Run(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "retries":
		var c RecoveryConfig
		if n, err := fmt.Sscan(strings.Join(f[1:], " "), &c.NCFRetries, &c.DataRetries); n != 2 {
			p.t.Fatal(err)
		}
		*p.machine = *newMachine(c)
	default:
		p.run(p.t, line)
	}
}

func (p player) Output() string {
	defer p.out.Reset()
	return p.out.String()
}

// TestScripts plays testdata/recovery/*.txt.
func TestScripts(t *testing.T) {
	script.Play(t, "testdata/recovery/*.txt", func(t *testing.T) script.Stage { return player{newMachine(RecoveryConfig{}), t} })
}
