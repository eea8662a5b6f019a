//go:build race

package congestion

const raceDetector = true
