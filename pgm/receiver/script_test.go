package receiver

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

var rewrite = flag.Bool("rewrite", false, "write the scripts in testdata anew with what the code does")

var (
	testTSI   = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000}
	testGroup = netip.MustParseAddrPort("239.192.77.71:7500")
	testFrom  = netip.MustParseAddrPort("192.0.2.1:7500")
	testPath  = netip.MustParseAddr("192.0.2.1")
)

const testDest = 7500

// recorder is a Sink that writes down what it hears, and refuses data while full.
type recorder struct {
	out  *bytes.Buffer
	full bool
}

func (r *recorder) Data(d Data) bool {
	if r.full {
		return false
	}
	fmt.Fprintf(r.out, "deliver %v %q", d.SQN, d.TSDU)
	if d.Fragment.Length != 0 {
		fmt.Fprintf(r.out, " fragment %v+%d/%d", d.Fragment.First, d.Fragment.Offset, d.Fragment.Length)
	}
	if d.Repaired {
		r.out.WriteString(" repaired")
	}
	r.out.WriteByte('\n')
	return true
}

func (r *recorder) Lost(first, last packet.SQN) { fmt.Fprintf(r.out, "lost %v..%v\n", first, last) }

func (r *recorder) End(reason End, reset packet.Reset) { fmt.Fprintf(r.out, "end: %v\n", reason) }

func (r *recorder) Report(body []byte) { fmt.Fprintf(r.out, "report %q\n", body) }

// stage is a Receiver with one source to play and a script to follow.
type stage struct {
	r    *Receiver
	sink *recorder
	now  time.Time
	t0   time.Time
	out  bytes.Buffer
	spm  packet.SQN
}

func newStage(t testing.TB, c Config, unordered bool) *stage {
	st := &stage{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st.t0 = st.now
	st.sink = &recorder{out: &st.out}
	c.Dest, c.Group, c.Rand = testDest, testGroup, rand.New(rand.NewPCG(1, 2))
	c.Accept = func(_ time.Time, s *Session) Sink {
		if unordered {
			s.Unordered()
		}
		return st.sink
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	st.r = r
	return st
}

func (st *stage) handle(p []byte) {
	if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
		fmt.Fprintf(&st.out, "error: %v\n", err)
	}
	st.poll()
}

// poll writes down what the receiver wants sent.
func (st *stage) poll() {
	b := packet.NewBatch(1 << 16)
	st.r.PollTransmit(st.now, b)
	for _, m := range b.Messages {
		for data := m.Data; len(data) > 0; {
			p := data[:min(m.Size, len(data))]
			data = data[len(p):]
			var h packet.Header
			body, err := h.Parse(p)
			if err != nil {
				fmt.Fprintf(&st.out, "send broken: %v\n", err)
				continue
			}
			fmt.Fprintf(&st.out, "%v send %v", st.now.Sub(st.t0), h.Type)
			if h.Type == packet.TypeNAK {
				n := nak.Packet{List: make([]packet.SQN, 0, nak.MaxList)}
				if _, err := n.Parse(&h, body); err != nil {
					fmt.Fprintf(&st.out, " broken: %v", err)
				}
				for s := range n.All() {
					fmt.Fprintf(&st.out, " %v", s)
				}
			}
			fmt.Fprintf(&st.out, " to %v", m.To)
			if m.TTL != 0 {
				fmt.Fprintf(&st.out, " ttl %d", m.TTL)
			}
			st.out.WriteByte('\n')
		}
	}
}

// advance lets time pass, stopping where the receiver wants to be woken.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for n := 0; n < 100000; n++ {
		next := st.r.NextTimeout()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(st.now) {
			st.now = next
		}
		st.r.HandleTimeout(st.now)
		st.poll()
	}
	st.now = end
	st.r.HandleTimeout(st.now)
	st.poll()
}

func dataPacket(t packet.Type, sqn, trail packet.SQN, tsdu string, opts func([]byte) []byte) []byte {
	h := packet.Downstream(t, testTSI, testDest)
	h.TSDULength = uint16(len(tsdu))
	b := packet.Data{SQN: sqn, Trail: trail}.Append(h.Append(nil))
	if opts != nil {
		b = packet.EndOptions(opts(packet.BeginOptions(b)), packet.DataHeaderLen)
	}
	b = append(b, tsdu...)
	packet.Seal(b)
	return b
}

func spmPacket(p spm.Packet, opts func([]byte) []byte) []byte {
	b := p.Append(packet.Downstream(packet.TypeSPM, testTSI, testDest).Append(nil))
	if opts != nil {
		at := len(b)
		b = packet.EndOptions(opts(packet.BeginOptions(b)), at)
	}
	packet.Seal(b)
	return b
}

// run does one line of a script:
//
//	odata SQN [trail SQN] [text TEXT] [fragment FIRST OFFSET LENGTH] [syn] [fin] [join SQN]      rdata likewise
//	spm TRAIL LEAD [sqn SQN] [path ADDR] [join SQN] [fin] [rst CODE] [nowindow]
//	ncf SQN...   nak SQN...   spmr   advance DURATION   full   resume   report TEXT
func (st *stage) run(t *testing.T, line string) {
	f := strings.Fields(line)
	num := func(i int) packet.SQN {
		n, err := strconv.ParseUint(f[i], 0, 32)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return packet.SQN(n)
	}
	has := func(word string) int {
		for i := range f {
			if f[i] == word {
				return i
			}
		}
		return -1
	}
	opts := func(b []byte) []byte {
		if i := has("fragment"); i > 0 {
			b = packet.Fragment{First: num(i + 1), Offset: uint32(num(i + 2)), Length: uint32(num(i + 3))}.AppendTo(b)
		}
		if i := has("join"); i > 0 {
			b = packet.AppendJoin(b, num(i+1))
		}
		if has("syn") > 0 {
			b = packet.AppendOption(b, packet.OptSyn, 0)
		}
		if has("fin") > 0 {
			b = packet.AppendOption(b, packet.OptFin, 0)
		}
		if i := has("rst"); i > 0 {
			b = packet.Reset{Code: uint8(num(i + 1))}.AppendTo(b)
		}
		return b
	}
	withOpts := func() func([]byte) []byte {
		for _, w := range []string{"fragment", "join", "syn", "fin", "rst"} {
			if has(w) > 0 {
				return opts
			}
		}
		return nil
	}
	switch f[0] {
	case "odata", "rdata":
		typ := packet.TypeODATA
		if f[0] == "rdata" {
			typ = packet.TypeRDATA
		}
		trail, text := packet.SQN(1), "d"+f[1]
		if i := has("trail"); i > 0 {
			trail = num(i + 1)
		}
		if i := has("text"); i > 0 {
			text = f[i+1]
		}
		st.handle(dataPacket(typ, num(1), trail, text, withOpts()))
	case "spm":
		st.spm++
		p := spm.Packet{SQN: st.spm, Path: testPath}
		if has("nowindow") > 0 {
			p.Trail, p.Lead = 0, 0x80000000
		} else {
			p.Trail, p.Lead = num(1), num(2)
		}
		if i := has("sqn"); i > 0 {
			p.SQN = num(i + 1)
		}
		if i := has("path"); i > 0 {
			p.Path = netip.MustParseAddr(f[i+1])
		}
		st.handle(spmPacket(p, withOpts()))
	case "ncf", "nak":
		h := packet.Downstream(packet.TypeNCF, testTSI, testDest)
		if f[0] == "nak" {
			h = packet.Upstream(packet.TypeNAK, testTSI, testDest)
		}
		p := nak.Packet{SQN: num(1), Source: testPath, Group: testGroup.Addr()}
		for i := 2; i < len(f); i++ {
			p.List = append(p.List, num(i))
		}
		st.handle(nak.Append(nil, h, &p))
	case "spmr":
		st.handle(spm.AppendRequest(nil, testTSI, testDest))
	case "advance":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			t.Fatal(err)
		}
		st.advance(d)
	case "full":
		st.sink.full = true
	case "resume":
		st.sink.full = false
		st.r.Session(testTSI).Resume(st.now)
		st.poll()
	case "report":
		st.r.Session(testTSI).Report([]byte(f[1]))
		st.poll()
	default:
		t.Fatalf("script: %q?", line)
	}
}

// TestScripts plays testdata/*.txt: a line of comment or command, "----", and what the receiver did. A first line "unordered"
// makes the session unordered.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
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
			var st *stage
			c := Config{Window: 16}
			unordered, inOutput := false, false
			flush := func() {
				if st != nil && inOutput {
					got.Write(st.out.Bytes())
					st.out.Reset()
				}
			}
			sc := bufio.NewScanner(bytes.NewReader(want))
			for sc.Scan() {
				line := sc.Text()
				switch {
				case inOutput && line != "":
					continue // the old output
				case line == "----":
					inOutput = true
					got.WriteString("----\n")
				case line == "":
					flush()
					inOutput = false
					got.WriteString("\n")
				case strings.HasPrefix(line, "#"):
					got.WriteString(line + "\n")
				case line == "unordered":
					unordered = true
					got.WriteString(line + "\n")
				default:
					if st == nil {
						st = newStage(t, c, unordered)
					}
					got.WriteString(line + "\n")
					st.run(t, line)
				}
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
