//go:build linux

package main

import "slices"

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}

// medianCount is the median of the counts that are known; nil if none is.
func medianCount(runs []result, f func(result) *int64) *int64 {
	var v []float64
	for _, r := range runs {
		if n := f(r); n != nil {
			v = append(v, float64(*n))
		}
	}
	if len(v) == 0 {
		return nil
	}
	m := int64(median(v))
	return &m
}

// mean is the sum over the count; 0 of none.
func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// mapped is f of each run.
func mapped(runs []result, f func(result) float64) []float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = f(r)
	}
	return v
}
