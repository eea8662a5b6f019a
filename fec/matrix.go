package fec

// A group of s packets is, octet by octet, the polynomial of degree less than s that has the data packets as its values at the
// first s points; parity packet j is its value at point s+j. The generator matrix of the deployed stacks, a Vandermonde matrix made
// systematic, says the same. So a row of it needs no matrix to be inverted, and neither does the way back: both are Lagrange's
// interpolation, from the points that are there to the one that is not.

// weights are the logarithms, modulo order, of the products of the distances of each of the first s points from the others.
type weights []uint8

func newWeights(s int) weights {
	w := make(weights, s)
	for i := range w {
		sum := 0
		for m := range w {
			if m != i {
				sum += distance(i, m)
			}
		}
		w[i] = uint8(sum % order)
	}
	return w
}

// appendParityRow appends the coefficients of parity packet j of a group whose weights are w, one for each data packet.
func (w weights) appendParityRow(row []byte, j int) []byte {
	at := len(w) + j
	sum := 0
	for m := range w {
		sum += distance(at, m)
	}
	for i := range w {
		row = append(row, power(sum-distance(at, i)-int(w[i])))
	}
	return row
}

// solution is how the packets that a group lacks follow from those that are there.
type solution struct {
	points  []int   // of what is there: data packets in their places, parity packets in the places of missing ones
	weights []uint8 // as above, over points
}

// solve prepares s for a group whose weights are w, of which the data packets missing, ascending, are not there and the parity packets
// parity, as many, are. It costs len(w)·len(missing), where to invert a matrix would cost the cube of len(w).
func (s *solution) solve(w weights, missing, parity []int) {
	s.points, s.weights = s.points[:0], s.weights[:0]
	n := 0
	for i := range w {
		p := i
		if n < len(missing) && missing[n] == i {
			p = len(w) + parity[n]
			n++
		}
		s.points = append(s.points, p)
	}
	for i, p := range s.points {
		sum := 0
		if p == i { // what is missing goes out of the product, what is there instead comes in
			sum = int(w[i])
			for _, m := range missing {
				sum -= distance(i, m)
			}
			for _, j := range parity {
				sum += distance(i, len(w)+j)
			}
		} else {
			for _, q := range s.points {
				if q != p {
					sum += distance(p, q)
				}
			}
		}
		if sum %= order; sum < 0 {
			sum += order
		}
		s.weights = append(s.weights, uint8(sum))
	}
}

// appendRow appends the coefficients of the missing data packet i, one for each packet that is there.
func (s *solution) appendRow(row []byte, i int) []byte {
	sum := 0
	for _, p := range s.points {
		sum += distance(i, p)
	}
	for n, p := range s.points {
		row = append(row, power(sum-distance(i, p)-int(s.weights[n])))
	}
	return row
}
