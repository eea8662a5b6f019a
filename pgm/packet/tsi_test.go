package packet

import (
	"crypto/md5"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHostGSIIsTheLowOrderHalfOfTheMD5(t *testing.T) { // [8-16]
	for name, want := range map[string]string{
		"":                   "e9800998ecf8427e"[4:], // of d41d8cd98f00b204e9800998ecf8427e
		"source.example.net": fmt.Sprintf("%x", md5.Sum([]byte("source.example.net")))[20:],
	} {
		if got := HostGSI(name).String(); got != want {
			t.Errorf("HostGSI(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestParseTSIReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want TSI
		copy(want.GSI[:], rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "GSI"))
		want.Port = rapid.Uint16().Draw(t, "port")
		if got, err := ParseTSI(want.String()); err != nil || got != want {
			t.Fatalf("ParseTSI(%q) = %v, %v", want, got, err)
		}
	})
}

func TestParseTSIRefuses(t *testing.T) {
	for _, s := range []string{
		"", ".", "7500", "0a1b2c3d4e5f", "0a1b2c3d4e5f.", "0a1b2c3d4e5f.65536", "0a1b2c3d4e5f.-1", "0a1b2c3d4e5f.+1",
		"0a1b2c3d4e.7500", "0a1b2c3d4e5f60.7500", "0a1b2c3d4e5.7500", "0a1b2c3d4e5g.7500", "0a.1b.2c.3d.4e.5f.7500",
		" 0a1b2c3d4e5f.7500", "0a1b2c3d4e5f.7500 ",
	} {
		got, err := ParseTSI(s)
		if err == nil {
			t.Errorf("ParseTSI(%q) = %v, want an error", s, got)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) {
			t.Errorf("ParseTSI(%q): %v: the error does not say of what", s, err)
		}
	}
}

func ExampleTSI() {
	fmt.Println(TSI{GSI: GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 7500})
	// Output: 0a1b2c3d4e5f.7500
}
