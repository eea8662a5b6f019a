package interop

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

var rewrite = flag.Bool("rewrite", false, "record the captures of testdata anew, as root, and write what is found in them")

// goldens are the labs of which a capture at the receiver is kept: each peer in each role, over each transport, with loss; and OpenPGM in
// each role with congestion control, without.
func goldens() (all []lab) {
	for _, peerIs := range []string{"source", "receiver"} {
		for _, raw := range []bool{false, true} {
			x := lab{peer: "openpgm", peerIs: peerIs, raw: raw, family: 4, sources: 1, rate: 9_600_000, loss: 15}
			x.ours = map[string]string{"source": "messages", "receiver": "framed"}[peerIs]
			x.plan = plan{Count: 15, Sizes: []int{64, 4272, 512}} // 1, 3 and 1 packets
			all = append(all, x)
			x.peer, x.ours = "zeromq", "zeromq"
			x.plan = plan{Count: 40, Sizes: []int{64, 900, 32}, Lines: true}
			if peerIs == "receiver" {
				x.Sizes = []int{64, 1800, 32}
			}
			all = append(all, x)
		}
	}
	for i := range all {
		x := &all[i]
		x.name = fmt.Sprintf("%s-%s-%s", x.peer, x.peerIs, x.transport())
	}
	for _, peerIs := range []string{"source", "receiver"} {
		all = append(all, lab{
			name: "openpgm-" + peerIs + "-pgmcc-epgm", peer: "openpgm", peerIs: peerIs, family: 4, sources: 1, rate: controlRate, pgmcc: true,
			ours: map[string]string{"source": "messages", "receiver": "framed"}[peerIs], plan: plan{Count: 60, Sizes: []int{64, 512, 32}},
		})
	}
	return all
}

func (x lab) goldenName(suffix string) string { return filepath.Join("testdata", x.name+suffix) }

// What is kept of the peers is delivered, octet by octet, by this module's receiver, and the verdict on it is the one that is kept.
func TestGoldenCaptures(t *testing.T) {
	var tools *tools
	if *rewrite {
		tools = need(t)
	}
	for _, x := range goldens() {
		t.Run(x.name, func(t *testing.T) {
			if *rewrite {
				x.record(t, tools)
			}
			x.replay(t)
			x.verify(t)
		})
	}
}

// record keeps the capture of a lab in which something was lost, repaired, and asked for by a list.
func (x lab) record(t *testing.T, tools *tools) {
	t.Helper()
	for range 20 {
		dir := t.TempDir()
		o, err := x.run(dir, tools)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(o.captures[0])
		if err != nil {
			t.Fatal(err)
		}
		if n := x.counted(t, b); !x.pgmcc && (n[packet.TypeRDATA] < 3 || n[packet.TypeNAK] == 0 || n[packet.TypeNCF] == 0) {
			continue
		}
		if x.pgmcc {
			if err := x.controlled(o); err != nil {
				t.Log(err)
				continue
			}
		}
		if err := os.WriteFile(x.goldenName(".pcap"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("in no lab anything was lost")
}

// packets calls f for each packet of a capture.
func packets(t *testing.T, b []byte, f func(*pcap.Packet)) {
	t.Helper()
	r, err := pcap.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var p pcap.Packet
	for r.Read(&p) == nil {
		f(&p)
	}
}

func (x lab) counted(t *testing.T, b []byte) map[packet.Type]int {
	n := map[packet.Type]int{}
	packets(t, b, func(p *pcap.Packet) { n[packet.Type(p.Data[4]&0x0f)]++ })
	return n
}

// sink takes what the engine delivers of the one source of a golden capture.
type sink struct {
	lab
	assembler receiver.Assembler
	messages  hearing
	octets    []byte // of ZeroMQ: behind the offsets of the batches
	err       error
	end       receiver.End
	ended     bool
}

func (s *sink) Data(d receiver.Data) bool {
	apdu, ok := s.assembler.Add(d)
	switch {
	case !ok || s.err != nil:
	case s.peer == "zeromq" && len(apdu) < 2:
		s.err = fmt.Errorf("a batch of %d octets", len(apdu))
	case s.peer == "zeromq":
		s.octets = append(s.octets, apdu[2:]...)
	default:
		s.err = s.messages.take(apdu)
	}
	return true
}

func (s *sink) Lost(first, last packet.SQN) {
	s.err = fmt.Errorf("packets %d to %d are lost", first, last)
}

func (s *sink) End(reason receiver.End, _ packet.Reset) { s.end, s.ended = reason, true }

// replay has the engine of a receiver hear what the receiver of the lab heard.
func (x lab) replay(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(x.goldenName(".pcap"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{lab: x, messages: hearing{plan: x.plan}}
	sessions := 0
	r, err := receiver.New(receiver.Config{
		Dest: port, Group: netip.AddrPortFrom(x.group(), port), Rand: rand.New(rand.NewPCG(1, 1)),
		// It asks for nothing here: what it gets comes when another receiver has asked.
		Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1},
		Accept:   func(time.Time, *receiver.Session) receiver.Sink { sessions++; return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 80<<10 {
		t.Errorf("%d octets are much for a capture that is kept", len(b))
	}
	packets(t, b, func(p *pcap.Packet) {
		if p.Src.Addr() == netip.MustParseAddr(address(0, x.family)) {
			return // the receiver's own
		}
		r.HandleTimeout(p.Time)
		if err := r.HandlePacket(p.Time, p.Src, bytes.Clone(p.Data)); err != nil {
			t.Errorf("packet %d: %v", p.Number, err)
		}
	})
	if s.err != nil {
		t.Error(s.err)
	}
	if sessions != 1 || !s.ended || s.end != receiver.Finished {
		t.Errorf("%d sessions, ended: %v, %v; want one that ends with OPT_FIN", sessions, s.ended, s.end)
	}
	if x.peer == "zeromq" {
		if want := x.zeromqStream(); !bytes.Equal(s.octets, want) {
			t.Errorf("%d octets were delivered that are not the %d that were sent", len(s.octets), len(want))
		}
	} else if !s.messages.complete() || s.messages.First != 0 {
		t.Errorf("messages %d to %d were delivered, of %d", s.messages.First, s.messages.Next, x.Count)
	}
}

// zeromqStream is what a ZeroMQ PUB sends of the messages of a lab: ZMTP/1.0 frames.
func (x lab) zeromqStream() (b []byte) {
	for i := range x.Count {
		m := x.message(nil, 0, uint32(i))
		if n := len(m) + 1; n < 0xff {
			b = append(b, byte(n))
		} else {
			b = binary.BigEndian.AppendUint64(append(b, 0xff), uint64(n))
		}
		b = append(append(b, 0), m...)
	}
	return b
}

// verify judges the capture: what is found, and about whom, is in a file beside it.
func (x lab) verify(t *testing.T) {
	t.Helper()
	var lines []string
	for i := range 2 {
		h := host{netip.MustParseAddr(address(i, x.family)), i > 0, x}
		found, v, err := h.findings(x.goldenName(".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := readList(h.whose())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.compare(found, x.network()); err != nil {
			t.Errorf("%s: %v", h.whose(), err)
		}
		for _, key := range slices.Sorted(maps.Keys(found)) {
			_, clause, _ := strings.Cut(key, " ")
			lines = append(lines, fmt.Sprintf("%s %s, %d times in the capture", h.whose(), key, v.Count(clause)))
		}
	}
	got := strings.Join(append(lines, ""), "\n")
	name := x.goldenName(".verdict")
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// pgmrecv replays what is kept of OpenPGM, too.
func TestProgramReplaysGoldenCaptures(t *testing.T) {
	program := filepath.Join(t.TempDir(), "pgmrecv")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/pgmrecv").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, x := range goldens() {
		if x.peer != "openpgm" {
			continue // of ZeroMQ it prints batches
		}
		var want []byte
		for i := range x.Count {
			want = x.message(want, 0, uint32(i))
		}
		got, err := exec.Command(program, "-r", x.goldenName(".pcap"), "--stdout").Output()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, want %d; %v", x.name, len(got), len(want), err)
		}
	}
}
