package console

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int{
		"490M": 490_000_000, "1.5G": 1_500_000_000, "64k": 64_000, "64K": 64_000, "9600": 9600,
		"10Gbit/s": 10_000_000_000, "1Mbps": 1_000_000, " 8 ": 8,
	} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "M", "-1M", "0", "7", "NaN", "Inf", "1e99", "10MiB", "fast", "1 000"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %d, want an error", in, got)
		}
	}
}

func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		FormatRate(125e6):                       "1.00 Gbit/s",
		FormatRate(61.25e6):                     "490.0 Mbit/s",
		FormatRate(8000):                        "64.0 kbit/s",
		FormatSize(0):                           "0 B",
		FormatSize(1023):                        "1023 B",
		FormatSize(1 << 20):                     "1.0 MiB",
		FormatSize(1<<30 - 1):                   "1.0 GiB",
		FormatSize(20 << 40):                    "20.0 TiB",
		FormatDuration(1500 * time.Millisecond): "1.50 s",
		FormatDuration(90 * time.Second):        "1m30s",
		Entries(0):                              "no file", Entries(1): "1 file", Entries(2): "2 files and directories",
		Plural(1, "file"):     "1 file",
		Plural(0, "receiver"): "0 receivers",
		Visible("a b"):        "a b",
		Visible("a\x1b[2Jb"):  `"a\x1b[2Jb"`,
		Visible("a\xff"):      `"a\xff"`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
