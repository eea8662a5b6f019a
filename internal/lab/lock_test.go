//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestTwoLabsNeverRunAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := acquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = acquireLock(path)
	if !errors.Is(err, errBusy) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("second lab: got %v, want one that names process %d", err, os.Getpid())
	}
	first.release()
	second, err := acquireLock(path)
	if err != nil {
		t.Fatalf("after the first: %v", err)
	}
	second.release()
}

func TestOnlyNamesOfDeadLabsAreLeftovers(t *testing.T) {
	const noProcess = 1 << 30 // above the largest process id
	for name, want := range map[string]bool{
		labName(noProcess):                true,
		labName(os.Getpid()):              false,
		"gopgm-lab-x":                     false,
		"gopgm-lab-":                      false,
		"other-" + labName(noProcess):     false,
		"pbh" + strconv.Itoa(noProcess):   false,
		"gopgm-lab-" + "-1" + "-receiver": false,
	} {
		if got := leftover(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
