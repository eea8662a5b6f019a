// Package script plays procedure scripts: text files in which the commands of a story alternate with what the code under test did, so
// that a reviewer reads a procedure as it happens. Only tests import it.
//
//	# A comment. Commands follow, in words of the test's own.
//	lost 7
//	advance 20ms
//	----
//	0s send NAK 7
//
//	advance 5ms
//	----
//	20ms send NAK 7
//
// A line "----" ends the commands of a section; what follows, up to an empty line, is what happened. Output has no empty lines.
package script

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what is in testdata anew with what the code does")

// Rewriting reports whether the test was run with -rewrite: files of expectations are to be written, not compared.
func Rewriting() bool { return *rewrite }

// Stage is what a script is played on.
type Stage interface {
	// Run does what one line says. Comments and empty lines are not handed to it.
	Run(line string)
	// Output returns what happened since it was called last.
	Output() string
}

// Play plays each of the scripts that pattern matches, on a stage of its own, as a test by the name of its file. With -rewrite, what
// happens is written to the scripts; otherwise a script that says something else fails.
func Play(t *testing.T, pattern string, open func(t *testing.T) Stage) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts in %s (%v)", pattern, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := perform(string(want), open(t))
			switch {
			case got == string(want):
			case *rewrite:
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s does not say what happens (go test -rewrite, and read the difference); got:\n%s", name, got)
			}
		})
	}
}

// perform returns the script with its outputs replaced by what happens on the stage.
func perform(script string, stage Stage) string {
	var b bytes.Buffer
	output := false
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case output && line != "":
			continue // what happened when it was written
		case output:
			b.WriteString(stage.Output())
			output = false
		case line == "----":
			output = true
		case line != "" && !strings.HasPrefix(line, "#"):
			stage.Run(line)
		}
		b.WriteString(line + "\n")
	}
	if output {
		b.WriteString(stage.Output())
	}
	return b.String()
}
