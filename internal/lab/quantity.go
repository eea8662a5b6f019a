//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units of a size in bytes: decimal as in "GB", binary as in "GiB". Longest
// suffix first, because "B" ends all of them.
var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1}, {"", 1},
}

// parseSize reads a size in bytes such as 1GiB, 100MB or 4096. A bare "G" is
// refused, because it could mean either.
func parseSize(s string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v > 0) || v*u.factor > math.MaxInt64/2 || v*u.factor < 1 {
			break
		}
		return int64(v * u.factor), nil
	}
	return 0, fmt.Errorf("size %q: want a number above zero with B, KB, MB, GB, KiB, MiB or GiB", s)
}

// byteSize is a size as a flag.
type byteSize int64

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return formatSize(int64(*b))
}

func (b *byteSize) Set(s string) error {
	v, err := parseSize(s)
	*b = byteSize(v)
	return err
}

// Type names the value in the usage text.
func (b *byteSize) Type() string { return "SIZE" }

// formatSize writes a size with the largest unit that divides it.
func formatSize(n int64) string {
	for _, u := range []struct {
		suffix string
		factor int64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}} {
		if n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// parseBitRate reads a rate as tc writes it (500mbit, 1gbit, 64kbit), in bits
// a second.
func parseBitRate(s string) (float64, error) {
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}} {
		number, ok := strings.CutSuffix(strings.ToLower(s), u.suffix)
		if !ok {
			continue
		}
		if v, err := strconv.ParseFloat(number, 64); err == nil && v > 0 && v*u.factor <= 1e13 {
			return v * u.factor, nil
		}
	}
	return 0, fmt.Errorf("rate %q: want a number above zero with kbit, mbit or gbit", s)
}
