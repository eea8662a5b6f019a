package mld

import (
	"testing"
	"time"
)

// [5.1.3], [5.1.9], RFC 3376 §4.1.1, §4.1.7.
func TestCodesReachFarInFewBits(t *testing.T) {
	for _, c := range []struct {
		mantissa    int
		code, value uint64
	}{
		{wideMantissa, 0, 0},
		{wideMantissa, 0x2710, 10000},
		{wideMantissa, 0x7fff, 32767},
		{wideMantissa, 0x8000, 32768},
		{wideMantissa, 0x8001, 32776},
		{wideMantissa, 0x9000, 65536},
		{wideMantissa, 0xffff, 8387584},
		{narrowMantissa, 0, 0},
		{narrowMantissa, 125, 125},
		{narrowMantissa, 0x7f, 127},
		{narrowMantissa, 0x80, 128},
		{narrowMantissa, 0x81, 136},
		{narrowMantissa, 0x90, 256},
		{narrowMantissa, 0xff, 31744},
	} {
		if got := decode(c.code, c.mantissa); got != c.value {
			t.Errorf("decode(%#x) with %d bits: %d, want %d", c.code, c.mantissa, got, c.value)
		}
		if got := encode(c.value, c.mantissa); got != c.code {
			t.Errorf("encode(%d) with %d bits: %#x, want %#x", c.value, c.mantissa, got, c.code)
		}
	}
}

// "The exact value if possible, or the next lower value if the requested value is not exactly representable" [9.8].
func TestValuesWithoutACodeAreRoundedDown(t *testing.T) {
	for _, m := range []int{wideMantissa, narrowMantissa} {
		most := uint64(1<<(m+4) - 1)
		for code := range most + 1 {
			v := decode(code, m)
			if got := encode(v, m); got != code {
				t.Fatalf("%d bits: encode(decode(%#x)) = %#x", m, code, got)
			}
			next := v + 1000
			if code < most {
				next = decode(code+1, m)
			}
			if next <= v {
				t.Fatalf("%d bits: %#x is %d, and %#x no more", m, code, v, code+1)
			}
			if got := encode(next-1, m); got != code {
				t.Fatalf("%d bits: encode(%d) = %#x, want %#x", m, next-1, got, code)
			}
		}
	}
}

func TestDelaysAreWhatTheQueryCanSay(t *testing.T) {
	for _, c := range []struct {
		f       Family
		v       Version
		d, want time.Duration
	}{
		{MLD, MLDv2, 10 * time.Second, 10 * time.Second},
		{MLD, MLDv2, 32779 * time.Millisecond, 32776 * time.Millisecond},
		{MLD, MLDv2, 24 * time.Hour, 8387584 * time.Millisecond},
		{MLD, MLDv1, 24 * time.Hour, 65535 * time.Millisecond},
		{IGMP, IGMPv3, 10 * time.Second, 10 * time.Second},
		{IGMP, IGMPv3, 13 * time.Second, 12800 * time.Millisecond},
		{IGMP, IGMPv2, time.Minute, 25500 * time.Millisecond},
		{IGMP, IGMPv2, -time.Second, 0},
	} {
		if got := c.f.represent(c.v, c.d); got != c.want {
			t.Errorf("%s: %v becomes %v, want %v", c.f.Name(c.v), c.d, got, c.want)
		}
	}
}
