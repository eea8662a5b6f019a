package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
)

// parityCapture is a file of 40,000 octets, in groups of 8 packets with 2 of parity, in which the third packet of each group is missing, and the
// sixth of every second one.
const parityCapture = "testdata/parity.pcapng"

// What parity repairs is restored from a capture that lacks it; without the parity the same is lost.
func TestReplayRestoresFromParity(t *testing.T) {
	want := noise(40_000)
	if script.Rewriting() {
		whole := filmFilesWith(t, pgm.Config{MTU: 600, FEC: pgm.FEC{Group: 8, Proactive: 2}}, nil, map[string][]byte{"film": want})
		kept := cutFilm(t, whole, func(_ int, p *pcap.Packet) bool {
			var h packet.Header
			var d packet.Data
			body, err := h.Parse(p.Data)
			if err != nil || !h.Type.IsData() || h.Options&packet.FlagParity != 0 || d.Parse(&h, body) != nil {
				return true
			}
			return d.SQN%8 != 2 && d.SQN%16 != 5
		})
		if err := os.MkdirAll(filepath.Dir(parityCapture), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(parityCapture, kept, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	capture, err := os.ReadFile(parityCapture)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	project(t, capture, "--check", "--dir", dir).expect(t, 0, "", "no finding", "film: complete", "digest right")
	if got, err := os.ReadFile(filepath.Join(dir, "film")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d octets, %v; want %d", len(got), err, len(want))
	}
	bare := cutFilm(t, capture, func(_ int, p *pcap.Packet) bool { return packet.Flags(p.Data[5])&packet.FlagParity == 0 })
	project(t, bare, "--dir", t.TempDir()).expect(t, 3, "", "lost")
}
