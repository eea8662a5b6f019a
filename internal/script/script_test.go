package script

import (
	"fmt"
	"strings"
	"testing"
)

// echo writes down the lines that it is told.
type echo struct{ out strings.Builder }

func (e *echo) Run(line string) { fmt.Fprintf(&e.out, "did %s\n", line) }

func (e *echo) Output() string {
	defer e.out.Reset()
	return e.out.String()
}

// What happened replaces what stands there; comments, commands and empty lines stay as they are.
func TestPerform(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"one section", "# why\na\nb\n----\nold\n", "# why\na\nb\n----\ndid a\ndid b\n"},
		{"nothing was written yet", "a\n----\n", "a\n----\ndid a\n"},
		{"sections", "a\n----\nold\nolder\n\n# why\nb\n----\n", "a\n----\ndid a\n\n# why\nb\n----\ndid b\n"},
		{"an empty line between commands", "a\n\nb\n----\n", "a\n\nb\n----\ndid a\ndid b\n"},
		{"nothing happens", "# why\n----\nold\n\na\n----\n", "# why\n----\n\na\n----\ndid a\n"},
		{"commands at the end", "a\n----\n\nb\n", "a\n----\ndid a\n\nb\n"},
		{"no line end at the end", "a\n----\nold", "a\n----\ndid a\n"},
		{"a comment in what happened", "a\n----\n# old\n", "a\n----\ndid a\n"},
	} {
		got := perform(tt.script, &echo{})
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if again := perform(got, &echo{}); again != got {
			t.Errorf("%s: played again: %q", tt.name, again)
		}
	}
}
