//go:build linux

package main

import (
	"net/netip"
	"testing"
)

// wait4's maximum begins with the memory of the lab that forked the process.
func TestPeakIsTheProgramsOwn(t *testing.T) {
	const lab = 20 << 20
	for _, tt := range []struct {
		name                  string
		maxRSS, sampled, want int64
	}{
		{"above the lab's: exact", 30 << 20, 29 << 20, 30 << 20},
		{"the lab's: the sample", lab, 8 << 20, 8 << 20},
		{"too short for a sample: an upper bound", lab, 0, lab},
	} {
		if got := peakOf(tt.maxRSS, lab, tt.sampled); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestMemoryLines(t *testing.T) {
	if got := parsePeakMemory("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 5 kB\n"); got != 1234<<10 {
		t.Errorf("VmHWM: got %d", got)
	}
	if got := parseAvailable("MemTotal: 9 kB\nMemAvailable:   77 kB\n"); got != 77<<10 {
		t.Errorf("MemAvailable: got %d", got)
	}
	if got := parsePeakMemory("Name:\tkthread\n"); got != 0 {
		t.Errorf("no VmHWM: got %d", got)
	}
}

func TestGroupIsFoundInProcNetIGMP(t *testing.T) {
	// As a little-endian host prints it; a big-endian one has it the other way.
	const igmp = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" +
		"2\te0        :     2      V3\n\t\t\t\t474DC0EF     1 0:00000000\t\t0\n\t\t\t\tEFC04D47     1 0:00000000\t\t0\n"
	if !hasGroup(igmp, netip.MustParseAddr("239.192.77.71")) {
		t.Error("a joined group is not found")
	}
	if hasGroup(igmp, netip.MustParseAddr("239.192.77.72")) {
		t.Error("a group is found that is not joined")
	}
}
