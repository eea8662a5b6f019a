package pcap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// tool returns the path of a program that the test asks as a witness.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian package %s)", name, name)
	}
	return path
}

// tshark prints the given fields of each packet of a capture, one line each.
func tshark(t *testing.T, b []byte, fields ...string) []string {
	t.Helper()
	program := tool(t, "tshark")
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", name, "-n", "-d", "udp.port==7500,pgm", "-T", "fields", "-E", "separator=;",
		"-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "HOME="+t.TempDir(), "TZ=UTC")
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// tshark finds nothing wrong with what is written: no malformed packet, no bad checksum, and the type that it is.
func TestTsharkReadsWhatIsWritten(t *testing.T) {
	all := written()
	lines := tshark(t, write(t, all), "frame.time_epoch", "frame.protocols", "ip.checksum.status", "udp.checksum.status",
		"pgm.hdr.cksum.status", "pgm.hdr.type", "pgm.hdr.tsdulen", "_ws.malformed", "_ws.expert.message")
	if len(lines) != len(all) {
		t.Fatalf("%d lines for %d packets", len(lines), len(all))
	}
	const good = "1"
	for i, line := range lines {
		p, f := all[i], strings.Split(line, ";")
		typ := packet.Type(p.Data[4])
		want := fmt.Sprintf("%d.%09d", p.Time.Unix(), p.Time.Nanosecond())
		if f[0] != want || f[7] != "" || p.Src.Addr().Is4() && f[2] != good || p.UDP && f[3] != good {
			t.Errorf("packet %d, %v: %s", p.Number, typ, line)
		}
		if typ == packet.TypeSPMR && len(p.Data) == packet.HeaderLen {
			continue // tshark takes nothing for PGM that is shorter than the shortest packet that it knows
		}
		// By this name tshark 4.0 has two fields, the second of which is the status.
		if sum := f[4][strings.LastIndex(f[4], ",")+1:]; !strings.Contains(f[1], ":pgm") || sum != good || f[5] != fmt.Sprintf("0x%02x", uint8(typ)) && f[5] != fmt.Sprint(uint8(typ)) {
			t.Errorf("packet %d, %v: %s", p.Number, typ, line)
		}
	}
}

// tcpdump reads the files, too: it names every packet and sees Router Alert. Of NAKs, NNAKs and NCFs it
// (4.99) gets no further than the first address, because it looks for the second one's
// family in the wrong place; the type of ACKs it does not know.
func TestTcpdumpReadsWhatIsWritten(t *testing.T) {
	program := tool(t, "tcpdump")
	all := written()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, write(t, all), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "-r", name, "-n", "-vv", "--nano", "-tt", "-T", "pgm").Output()
	if err != nil {
		t.Fatalf("tcpdump: %v", err)
	}
	var lines []string // one for each packet, with its continuation
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ") {
			lines[len(lines)-1] += line
		} else {
			lines = append(lines, line)
		}
	}
	if len(lines) != len(all) {
		t.Fatalf("tcpdump sees %d packets, want %d", len(lines), len(all))
	}
	for i, p := range all {
		typ := packet.Type(p.Data[4])
		name := " " + typ.String() + " "
		broken := false
		switch typ {
		case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
			broken = true
		case packet.TypeSPMR:
			name = " SPMR"
		case TypeACK:
			broken = true
		}
		line := lines[i]
		if !strings.Contains(line, name) && !broken || !broken && (strings.Contains(line, "bad") || strings.Contains(line, "[|")) ||
			p.Src.Addr().Is4() && p.RouterAlert != strings.Contains(line, "options (RA)") {
			t.Errorf("packet %d, %v: %s", p.Number, typ, line)
		}
	}
}
