package sim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gopgm/gopgm/internal/script"
)

// golden holds a table that was measured against the one in testdata: a change of either is looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	t.Logf("%s:\n%s", name, got)
	file := filepath.Join("testdata", name)
	if script.Rewriting() {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is measured now (go test -rewrite, and read the difference):\n%s", file, got)
	}
}

// needsAllSeeds skips the test where there is no time to measure.
func needsAllSeeds(t *testing.T) {
	t.Helper()
	if raceDetector || testing.Short() {
		t.Skip("a table is measured without the race detector and -short only")
	}
	if *seed != 0 {
		t.Skip("a table is measured with all its seeds")
	}
}
