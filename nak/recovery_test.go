package nak

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts in testdata/recovery anew with what the code does")

var testStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// machine is a Recovery that a script plays with.
type machine struct {
	r   *Recovery
	now time.Time
	out bytes.Buffer
}

func newMachine(c RecoveryConfig) *machine {
	return &machine{r: NewRecovery(c, rand.New(rand.NewPCG(1, 2))), now: testStart}
}

// poll writes down what the machine wants now: each line of numbers is a NAK.
func (m *machine) poll() {
	m.r.HandleTimeout(m.now, func(s packet.SQN) { fmt.Fprintf(&m.out, "%v lost %v\n", m.now.Sub(testStart), s) })
	for {
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
		next := m.r.NextTimeout(true)
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
//
// The numbers a..b stand for all from a to b.
func (m *machine) run(t *testing.T, line string) {
	word, rest, _ := strings.Cut(line, " ")
	var sqns []packet.SQN
	if word != "advance" {
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
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			t.Fatal(err)
		}
		m.advance(d)
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

// TestScripts plays testdata/recovery/*.txt: lines of comment or command, "----", and what the machine did. NAK_BO_IVL is 5 ms, NAK_RPT_IVL
// 20 ms and NAK_RDATA_IVL 50 ms; a line "retries N" makes N the limit of either kind.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/recovery/*.txt")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			m := newMachine(RecoveryConfig{})
			inOutput := false
			flush := func() {
				if inOutput {
					got.Write(m.out.Bytes())
				}
				m.out.Reset()
			}
			sc := bufio.NewScanner(bytes.NewReader(want))
			for sc.Scan() {
				line := sc.Text()
				switch {
				case inOutput && line != "":
					continue // the old output
				case line == "":
					flush()
					inOutput = false
				case line == "----":
					inOutput = true
				case strings.HasPrefix(line, "#"):
				case strings.HasPrefix(line, "retries "):
					n, err := strconv.Atoi(line[len("retries "):])
					if err != nil {
						t.Fatal(err)
					}
					m = newMachine(RecoveryConfig{NCFRetries: n, DataRetries: n})
				default:
					m.run(t, line)
				}
				got.WriteString(line + "\n")
			}
			flush()
			if *rewrite {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(want) {
				t.Errorf("%s does not say what happens (go test -rewrite, and read the difference); got:\n%s", file, got.String())
			}
		})
	}
}
