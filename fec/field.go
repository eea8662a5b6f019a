package fec

// fieldPolynomial is x^8+x^4+x^3+x^2+1, modulo which GF(2^8) is made, with the generator 2: the field of the deployed stacks, and of
// github.com/klauspost/reedsolomon.
const fieldPolynomial = 0x11d

// order is the number of powers of the generator.
const order = 255

// exp has the powers of the generator, twice over, so that the sum of two logarithms needs no modulo; log is its inverse.
// The logarithm of zero does not exist.
var exp, log = fieldTables()

func fieldTables() (exp [2 * order]byte, log [256]uint8) {
	for i, x := 0, 1; i < order; i++ {
		exp[i], exp[i+order] = byte(x), byte(x)
		log[x] = uint8(i)
		if x <<= 1; x > 0xff {
			x ^= fieldPolynomial
		}
	}
	return exp, log
}

// power returns the generator to the power n, which may be negative.
func power(n int) byte {
	if n %= order; n < 0 {
		n += order
	}
	return exp[n]
}

// points are where the polynomial of a group is evaluated for its packets: data packets first, parity packets behind them.
// RFC 3208 leaves the code open; zero first and then the powers of the generator is what OpenPGM pins it to.
var points = groupPoints()

func groupPoints() (p [MaxPackets]byte) {
	copy(p[1:], exp[:])
	return p
}

// distance returns the logarithm of the difference of two points that are not the same.
func distance(r, s int) int { return int(log[points[r]^points[s]]) }
