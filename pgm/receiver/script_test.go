package receiver

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// run does one line of a script:
//
//	odata SQN [trail SQN] [text TEXT] [fragment FIRST OFFSET LENGTH] [syn] [fin] [join SQN]      rdata likewise
//	spm TRAIL LEAD [sqn SQN] [path ADDR] [join SQN] [fin] [rst CODE] [nowindow]
//	ncf SQN... [pathnla ADDR] [redirect ADDR]   nak SQN...   nnak SQN...   unicast ncf ...
//	poll SQN [round N] [rand N] [mask N] [bo DURATION] [type N] [path ADDR]
//	spmr   advance DURATION   full   resume   report TEXT   stats
//
// An spm, ncf or poll may have "ivl DURATION SQN", "rng MAX MIN" and "unreach".
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
	span := func(i int) time.Duration {
		d, err := time.ParseDuration(f[i])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return d
	}
	addr := func(word string, a netip.Addr) netip.Addr {
		if i := has(word); i > 0 {
			return netip.MustParseAddr(f[i+1])
		}
		return a
	}
	opts := func(b []byte) []byte {
		if i := has("ivl"); i > 0 {
			b = poll.Interval{BackOff: span(i + 1), SQN: num(i + 2)}.AppendTo(b)
		}
		if i := has("rng"); i > 0 {
			b = poll.Range{Max: span(i + 1), Min: span(i + 2)}.AppendTo(b)
		}
		if i := has("redirect"); i > 0 {
			b = packet.AppendOption(b, packet.OptRedirect, 0, packet.AppendNLA(nil, addr("redirect", testPath))...)
		}
		if has("unreach") > 0 {
			b = poll.AppendUnreachable(b)
		}
		if has("pathnla") > 0 {
			b = poll.AppendPath(b, addr("pathnla", testPath))
		}
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
		for _, w := range []string{"fragment", "join", "syn", "fin", "rst", "ivl", "rng", "unreach"} {
			if has(w) > 0 {
				return opts
			}
		}
		return nil
	}
	handle := st.r.HandlePacket
	if f[0] == "unicast" {
		handle, f = st.r.HandleUnicast, f[1:]
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
		p.Path = addr("path", testPath)
		st.handle(spmPacket(p, withOpts()))
	case "ncf", "nak", "nnak":
		h := packet.Downstream(packet.TypeNCF, testTSI, testDest)
		switch f[0] {
		case "nak":
			h = packet.Upstream(packet.TypeNAK, testTSI, testDest)
		case "nnak":
			h = packet.Upstream(packet.TypeNNAK, testTSI, testDest)
		}
		p := nak.Packet{SQN: num(1), Source: testPath, Group: testGroup.Addr(), Extra: opts(nil)}
		for i := 2; i < len(f) && f[i][0] <= '9'; i++ {
			p.List = append(p.List, num(i))
		}
		st.hand(handle, nak.Append(nil, h, &p))
	case "poll":
		p := poll.Packet{SQN: num(1), Path: addr("path", testPath), BackOff: 50 * time.Millisecond}
		if i := has("round"); i > 0 {
			p.Round = uint16(num(i + 1))
		}
		if i := has("rand"); i > 0 {
			p.Rand = uint32(num(i + 1))
		}
		if i := has("mask"); i > 0 {
			p.Mask = uint32(num(i + 1))
		}
		if i := has("bo"); i > 0 {
			p.BackOff = span(i + 1)
		}
		if i := has("type"); i > 0 {
			p.Subtype = poll.Subtype(num(i + 1))
		}
		st.handle(pollPacket(p, withOpts()))
	case "polr":
		st.handle(poll.AppendRedirection(nil, testTSI, testDest, poll.Reply{}, addr("redirect", testPath), false))
	case "spmr":
		st.handle(spm.AppendRequest(nil, testTSI, testDest))
	case "advance":
		st.advance(span(1))
	case "full":
		st.sink.full = true
	case "resume":
		st.sink.full = false
		st.r.Session(testTSI).Resume(st.now)
		st.poll()
	case "stats":
		n := st.r.Stats()
		fmt.Fprintf(&st.out, "%d POLLs, %d of strangers; %d POLRs, %d not sent; %d silences, %d copies\n",
			n.POLLs, n.Strangers, n.POLRs, n.FalsePaths, n.Silences, n.Copies)
	case "report":
		st.r.Session(testTSI).Report([]byte(f[1]))
		st.poll()
	default:
		t.Fatalf("script: %q?", line)
	}
}

// player plays a script on a stage, which the first lines configure:
//
//	unordered   multicast-naks   node N (RAND_NODE_ID)   retries NCF DATA   expiry DURATION
type player struct {
	*stage
	t         *testing.T
	c         Config
	unordered bool
	node      uint32
}

func (p *player) Run(line string) {
	f := strings.Fields(line)
	var err error
	switch f[0] {
	case "unordered":
		p.unordered = true
	case "multicast-naks":
		p.c.MulticastNAKs = true
	case "redirects": // but not to our own subnet, 198.51.100.0/24
		p.c.Redirect = func(a netip.Addr) bool { return !netip.MustParsePrefix("198.51.100.0/24").Contains(a) }
	case "node":
		_, err = fmt.Sscan(f[1], &p.node)
	case "retries":
		_, err = fmt.Sscan(strings.Join(f[1:], " "), &p.c.Recovery.NCFRetries, &p.c.Recovery.DataRetries)
	case "expiry":
		p.c.PeerExpiry, err = time.ParseDuration(f[1])
	default:
		if p.stage == nil {
			p.stage = newStage(p.t, p.c, p.unordered)
			p.sink.observe = true
			p.r.node, p.r.hasNode = p.node, true
		}
		p.run(p.t, line)
	}
	if err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
}

func (p *player) Output() string {
	if p.stage == nil {
		return ""
	}
	defer p.out.Reset()
	return p.out.String()
}

// TestScripts plays testdata/*.txt.
func TestScripts(t *testing.T) {
	script.Play(t, "testdata/*.txt", func(t *testing.T) script.Stage { return &player{t: t, c: Config{Window: 16}} })
}
