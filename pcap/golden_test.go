package pcap

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

var rewrite = flag.Bool("rewrite", false, "write the lists of packets in testdata anew; with root, the captures as well")

// contents reads a capture and says what is in it, a line for each packet, without what differs from one recording to the next.
func contents(b []byte) string {
	var out strings.Builder
	r, err := Open(bytes.NewReader(b))
	if err != nil {
		return err.Error() + "\n"
	}
	var p Packet
	for err = r.Read(&p); err == nil; err = r.Read(&p) {
		var h packet.Header
		_, fault := h.Parse(p.Data)
		fmt.Fprintf(&out, "%v > %v ttl %d %v, %d octets", p.Src, p.Dst, p.TTL, h.Type, p.Length)
		for _, mark := range []struct {
			set  bool
			name string
		}{
			{p.UDP, "in UDP"}, {p.RouterAlert, "router alert"}, {p.Fragmented, "fragmented"}, {p.Coalesced, "coalesced"}, {p.Truncated, "truncated"},
			{errors.Is(fault, packet.ErrChecksum), "wrong checksum"},
		} {
			if mark.set {
				fmt.Fprintf(&out, ", %s", mark.name)
			}
		}
		fmt.Fprintln(&out)
	}
	if err != io.EOF {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

// The captures in testdata were recorded by tcpdump and dumpcap in a network namespace, by TestCapturesOfLiveTraffic.
func TestRecordedCaptures(t *testing.T) {
	names, err := filepath.Glob("testdata/*.pcap*")
	if err != nil || len(names) == 0 {
		t.Fatal("no captures in testdata", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got := contents(b)
		golden := name + ".txt"
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%swant:\n%s", name, got, want)
		}
		for n := 0; n < len(b); n += 7 { // and cut anywhere they end in order
			if part := strings.Count(contents(b[:n]), "octets,"); part > strings.Count(got, "octets,") {
				t.Errorf("%s[:%d] holds more packets than the whole", name, n)
			}
		}
	}
}
