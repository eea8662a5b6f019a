package console

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Nothing is said of a rate until there is one; then that it is nothing is said, too.
func TestRateIsSaidOnceThereIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := NewDisplay("pgmsend", &out, Plain)
		for _, row := range []struct {
			rate float64
			want string
		}{
			{0, "pgmsend: sent  50 %  5 B of 10 B, 1 receiver\n"},
			{1e6, "pgmsend: sent  50 %  5 B of 10 B, 8.0 Mbit/s, 1 receiver\n"},
			{0, "pgmsend: sent  50 %  5 B of 10 B, 0.0 kbit/s, 1 receiver\n"},
		} {
			out.Reset()
			d.Progress("a", Status{Name: "sent", Done: 5, Total: 10, Rate: row.rate, Note: "1 receiver"})
			if got := out.String(); got != row.want {
				t.Errorf("at %v octets a second: %q, want %q", row.rate, got, row.want)
			}
			time.Sleep(time.Second)
		}
		out.Reset()
		if d.Progress("b", Status{Name: "sent", Total: 10}); strings.Contains(out.String(), "bit/s") {
			t.Errorf("another transfer has the rate of the first: %q", out.String())
		}
	})
}
