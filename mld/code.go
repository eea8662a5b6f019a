package mld

import (
	"math/bits"
	"time"
)

// A code is an integer with a large range and few bits [5.1.3], [5.1.9]: below 1<<(m+3) the value itself, above that a floating-point
// number with a mantissa of m bits and an exponent of three:
//
//	|1| exp |          mant         |      value = (mant | 1<<m) << (exp+3)
//
// m is 12 for the Maximum Response Code of MLD, 4 for the codes of one octet.
const (
	wideMantissa   = 12
	narrowMantissa = 4
)

// encode returns the code of v, or of the next lower value that has one: "it is recommended to use the exact value if possible, or
// the next lower value if the requested value is not exactly representable" [9.8].
func encode(v uint64, m int) uint64 {
	if v < 1<<(m+3) {
		return v
	}
	exp := bits.Len64(v) - m - 4
	if exp > 7 {
		return 1<<(m+4) - 1
	}
	return 1<<(m+3) | uint64(exp)<<m | v>>(exp+3)&(1<<m-1)
}

// decode returns the value of a code.
func decode(code uint64, m int) uint64 {
	if code < 1<<(m+3) {
		return code
	}
	return (code&(1<<m-1) | 1<<m) << (code>>m&7 + 3)
}

// count returns how many units of time d is, none if it is negative.
func count(d, unit time.Duration) uint64 { return uint64(max(d, 0) / unit) }

// The units of a query's times: of the maximum response delay in MLD and IGMP, and of the query interval.
const (
	delayUnit     = time.Millisecond
	igmpDelayUnit = 100 * time.Millisecond
	intervalUnit  = time.Second
)

// represent returns the delay that a query of the version carries when asked to carry d: codes are coarse.
func (f Family) represent(v Version, d time.Duration) time.Duration {
	switch {
	case f == MLD && v >= MLDv2:
		return time.Duration(decode(encode(count(d, delayUnit), wideMantissa), wideMantissa)) * delayUnit
	case f == MLD:
		return time.Duration(min(count(d, delayUnit), 0xffff)) * delayUnit
	case v >= IGMPv3:
		return time.Duration(decode(encode(count(d, igmpDelayUnit), narrowMantissa), narrowMantissa)) * igmpDelayUnit
	}
	return time.Duration(min(count(d, igmpDelayUnit), 0xff)) * igmpDelayUnit
}
