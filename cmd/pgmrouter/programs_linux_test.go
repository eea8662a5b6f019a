package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := built(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// build builds the programs of the labs, once for all.
var (
	used  bool
	build = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "pgmrouter-test")
		if err != nil {
			return "", err
		}
		if out, err := exec.Command("go", "build", "-o", dir, "../pgmrouter", "../pgmsend", "../pgmrecv").CombinedOutput(); err != nil {
			os.RemoveAll(dir)
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return dir, nil
	})
)

// built returns where the programs are, if a lab has used them.
func built() (string, error) {
	if !used {
		return "", os.ErrNotExist
	}
	return build()
}

// linkPrograms makes the programs known in a lab's own directory.
func linkPrograms(t *testing.T, dir string) {
	t.Helper()
	used = true
	from, err := build()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pgmrouter", "pgmsend", "pgmrecv"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
