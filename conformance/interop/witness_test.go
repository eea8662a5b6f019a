package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// tshark sees in the captures that are kept what package pcap sees: packets of the same types, none malformed, and none with a wrong
// checksum, of this module or of a peer.
func TestTsharkReadsGoldenCaptures(t *testing.T) {
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	for _, x := range goldens() {
		name := x.goldenName(".pcap")
		cmd := exec.Command(program, "-r", name, "-n", "-d", fmt.Sprintf("udp.port==%d,pgm", port), "-T", "fields", "-E", "separator=;",
			"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-e", "pgm.hdr.type", "-e", "pgm.hdr.cksum.status",
			"-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "_ws.malformed", "-e", "ip.proto")
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", filepath.Base(name), err)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
		packets(t, b, func(p *pcap.Packet) {
			typ := packet.Type(p.Data[4] & 0x0f)
			if p.Number > len(lines) || typ == packet.TypeSPMR {
				return // tshark takes nothing for PGM that is as short as an SPMR
			}
			f := strings.Split(lines[p.Number-1], ";")
			// By this name tshark 4.0 has two fields, the second of which is the status: 1 is good.
			sum := f[1][strings.LastIndex(f[1], ",")+1:]
			if f[0] != fmt.Sprintf("0x%02x", uint8(typ)) && f[0] != fmt.Sprint(uint8(typ)) || sum != "1" || f[2] != "1" || p.UDP && f[3] != "1" || f[4] != "" {
				t.Errorf("%s, packet %d, %v: %q", filepath.Base(name), p.Number, typ, lines[p.Number-1])
			}
		})
		if len(lines) < 20 {
			t.Errorf("%s: tshark sees %d packets", filepath.Base(name), len(lines))
		}
	}
}
