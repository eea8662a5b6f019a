package transfer

import "time"

// meter measures the rate of something that grows, over the last seconds.
type meter struct {
	samples [16]sample // a ring
	n       int        // that were taken
}

type sample struct {
	at    time.Time
	value int64
}

// meterSpan is the time over which the rate is measured.
const meterSpan = 3 * time.Second

// add takes a sample and returns the rate, in units a second: 0 while there is nothing to tell it from.
func (m *meter) add(now time.Time, value int64) float64 {
	newest := &m.samples[(m.n+len(m.samples)-1)%len(m.samples)]
	if m.n == 0 || now.Sub(newest.at) >= meterSpan/time.Duration(len(m.samples)) {
		m.samples[m.n%len(m.samples)] = sample{now, value}
		m.n++
	}
	var oldest sample
	for i := max(0, m.n-len(m.samples)); i < m.n; i++ {
		if s := m.samples[i%len(m.samples)]; now.Sub(s.at) <= meterSpan || i == m.n-1 {
			oldest = s
			break
		}
	}
	d := now.Sub(oldest.at).Seconds()
	if d <= 0 {
		return 0
	}
	return float64(value-oldest.value) / d
}

// eta returns how long what is left takes at a rate; 0 is unknown.
func eta(left int64, rate float64) time.Duration {
	if rate <= 0 || left <= 0 {
		return 0
	}
	return time.Duration(min(float64(left)/rate, 1e9) * float64(time.Second))
}
