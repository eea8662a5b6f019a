// Package console is what the programs share at the terminal: how quantities are read and written, progress on a terminal, and
// reports for machines.
package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseRate reads a rate in bits a second, with an optional factor k, M, G or T (decimal) and an optional unit "bit/s" or "bps":
// "490M", "1.5Gbit/s", "64k", "9600".
func ParseRate(s string) (int, error) {
	text := strings.TrimSpace(s)
	for _, unit := range []string{"bit/s", "bps", "bit"} {
		if cut, ok := strings.CutSuffix(text, unit); ok {
			text = cut
			break
		}
	}
	factor := 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kMGT", text[n-1]); i >= 0 {
			factor = math.Pow10(3 * (i + 1))
			text = text[:n-1]
		} else if text[n-1] == 'K' {
			factor = 1000
			text = text[:n-1]
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || v <= 0 || v*factor > 1e15 {
		return 0, fmt.Errorf("%q is not a rate: want bits a second, such as 490M, 1.5G or 64k", s)
	}
	if v*factor < 8 {
		return 0, fmt.Errorf("a rate of %q is less than an octet a second", s)
	}
	return int(v * factor), nil
}

// FormatRate writes a rate given in octets a second as people say it: in bits.
func FormatRate(octets float64) string {
	bits := octets * 8
	switch {
	case bits >= 999.5e6:
		return fmt.Sprintf("%.2f Gbit/s", bits/1e9)
	case bits >= 999.5e3:
		return fmt.Sprintf("%.1f Mbit/s", bits/1e6)
	}
	return fmt.Sprintf("%.1f kbit/s", bits/1e3)
}

// FormatSize writes a number of octets with a binary unit.
func FormatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n), -1
	for ; v >= 1023.95 && i < 4; i++ {
		v /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[i])
}

// FormatDuration writes a duration with as much precision as a person wants.
func FormatDuration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Plural returns "1 file", "2 files".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Entries says how many files and directories there are.
func Entries(n int) string {
	switch n {
	case 0:
		return "no file"
	case 1:
		return "1 file"
	}
	return strconv.Itoa(n) + " files and directories"
}

// Visible returns s with what could disturb a terminal made harmless: names come from elsewhere.
func Visible(s string) string {
	plain := utf8.ValidString(s)
	for _, r := range s {
		if !strconv.IsPrint(r) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}
