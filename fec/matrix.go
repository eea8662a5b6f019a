package fec

// A group of s packets is, octet by octet, the polynomial of degree less than s that has the data packets as its values at the
// first s points; parity packet j is its value at point s+j. The generator matrix of the deployed stacks, a Vandermonde matrix made
// systematic, says the same. So a row of it needs no matrix to be inverted, and neither does the way back: both are Lagrange's
// interpolation, from the points that are there to the one that is not.

// weights are, for each point, the logarithm, modulo order, of the product of its distances from the first size points, but for itself.
type weights struct {
	size int
	of   [MaxPackets]uint8
}

func newWeights(size int) *weights {
	w := &weights{size: size}
	for r := range w.of {
		sum := 0
		for m := range size {
			if m != r {
				sum += distance(r, m)
			}
		}
		w.of[r] = uint8(sum % order)
	}
	return w
}

// appendParityRow appends the coefficients of parity packet j, one for each data packet.
func (w *weights) appendParityRow(row []byte, j int) []byte {
	at := w.size + j
	for i := range w.size {
		row = append(row, power(int(w.of[at])-distance(at, i)-int(w.of[i])))
	}
	return row
}

// solution is how the packets that a group lacks follow from parity packets, once the data packets that are there were taken out of these.
type solution struct {
	missing []int // points
	parity  []int
	weights []int // of the points of parity, over all that are there
}

// solve prepares s for a group with the weights w of which the data packets missing are not there, and the parity packets parity, as many,
// are. It costs the square of their number, where to invert a matrix would cost the cube of w.size.
func (s *solution) solve(w *weights, missing, parity []int) {
	s.missing, s.parity, s.weights = append(s.missing[:0], missing...), s.parity[:0], s.weights[:0]
	for _, j := range parity {
		s.parity = append(s.parity, w.size+j)
	}
	for _, p := range s.parity {
		s.weights = append(s.weights, s.weight(w, p))
	}
}

// weight is the logarithm, modulo order, of the product of the distances of the point p from all that are there, but for itself: from w, what is
// missing goes out, and what is there instead comes in.
func (s *solution) weight(w *weights, p int) int {
	sum := int(w.of[p])
	for _, m := range s.missing {
		if m != p {
			sum -= distance(p, m)
		}
	}
	for _, q := range s.parity {
		if q != p {
			sum += distance(p, q)
		}
	}
	return sum % order
}

// appendRow appends the coefficients of the missing data packet i, one for each parity packet.
func (s *solution) appendRow(row []byte, w *weights, i int) []byte {
	sum := s.weight(w, i)
	for n, p := range s.parity {
		row = append(row, power(sum-distance(i, p)-s.weights[n]))
	}
	return row
}
