//go:build linux

package main

import (
	"slices"
	"testing"
)

// Each port draws for itself. Losses in a row are counted: 20 in every 2,000 are 1 %, and the ports do not lose the same ones for long. Without
// loss there is no hook.
func TestLossRules(t *testing.T) {
	const head = "ip daddr 239.0.0.0/8 counter numgen "
	for _, c := range []struct {
		port    int
		percent float64
		burst   int
		want    []string
	}{
		{1, 1.5, 0, []string{head + "random mod 100000 < 1500 counter drop"}},
		{2, 1.5, 0, []string{head + "random mod 100000 < 1500 counter drop"}},
		{1, 1, 20, []string{head + "inc mod 2000 >= 1980 counter drop"}},
		{2, 1, 20, []string{head + "inc mod 2007 >= 1987 counter drop"}},
		{1, 0, 0, nil},
		{1, 0, 20, nil},
	} {
		if got := lossRules(c.port, c.percent, c.burst); !slices.Equal(got, c.want) {
			t.Errorf("port %d, %v %%, %d in a row: %q, want %q", c.port, c.percent, c.burst, got, c.want)
		}
	}
}
