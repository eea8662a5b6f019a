//go:build !race

package congestion

const raceDetector = false
