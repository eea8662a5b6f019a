//go:build linux

package main

import "testing"

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "4096": 4096, "7B": 7, "1KiB": 1024, "2kB": 2000, "2KB": 2000, "1.5MiB": 3 << 19,
		"100MB": 100e6, "1GiB": 1 << 30, "20GB": 20e9, "1TB": 1e12, "1TiB": 1 << 40,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "G", "1G", "1 GiB", "GiB", "NaNB", "InfGB", "1e30", "0.1B", "99999999TiB"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("%q: got %d, want an error", in, got)
		}
	}
}

func TestFormatSizeIsReadBack(t *testing.T) {
	for _, n := range []int64{1, 1000, 1024, 1500, 100e6, 1 << 30, 20e9, 3<<30 + 1} {
		text := formatSize(n)
		if got, err := parseSize(text); err != nil || got != n {
			t.Errorf("%d became %q, which is %d, %v", n, text, got, err)
		}
	}
}

func TestParseBitRate(t *testing.T) {
	for in, want := range map[string]float64{"500mbit": 500e6, "1gbit": 1e9, "64kbit": 64e3, "2.5Gbit": 2.5e9} {
		if got, err := parseBitRate(in); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "500", "500M", "mbit", "-1mbit", "0mbit", "1e300gbit", "500mbit burst 1"} {
		if got, err := parseBitRate(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.v); got != tt.want {
			t.Errorf("median of %v: got %v, want %v", tt.v, got, tt.want)
		}
	}
}
