package poll

import "math"

// recent is how many polls the estimate is the average of.
const recent = 4

// Estimate is the number of children, from the polls of late: each tells M / P, for M replies and the probability P of a reply, and
// their average is what is believed [14.3.1-07]. The zero Estimate has heard of none.
type Estimate struct {
	polls [recent]measurement // the first n, oldest first
	n     int
}

type measurement struct {
	population float64 // M / P
	variance   float64
}

// unheard is the part of the replies that is taken to be lost by chance.
const unheard = 0.05

// Add takes the replies to a poll whose mask had so many bits: P is 1/2^bits. A result that chance does not explain, three standard
// deviations off, is a change of the population: the polls before it are forgotten.
func (e *Estimate) Add(replies, bits int) {
	scale := math.Ldexp(1, bits)
	m := measurement{
		population: float64(replies) * scale,
		variance:   float64(max(replies, 1)) * scale * scale * (1 - 1/scale + unheard),
	}
	if e.n > 0 {
		average, variance := e.average()
		if math.Abs(m.population-average) > 3*math.Sqrt(m.variance+variance) {
			e.n = 0
		}
	}
	if e.n == recent {
		copy(e.polls[:], e.polls[1:])
		e.n--
	}
	e.polls[e.n] = m
	e.n++
}

// Population returns how many children there are; ok is false while no poll is known of.
func (e *Estimate) Population() (n int, ok bool) {
	if e.n == 0 {
		return 0, false
	}
	average, _ := e.average()
	return int(math.Round(average)), true
}

func (e *Estimate) average() (population, variance float64) {
	for _, m := range e.polls[:e.n] {
		population += m.population
		variance += m.variance
	}
	n := float64(e.n)
	return population / n, variance / (n * n)
}
