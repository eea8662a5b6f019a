package console

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"testing"
)

// What is wrong is said in the words of those who use the programs: without packages, system calls, and what they know.
func TestExplain(t *testing.T) {
	absent := &fs.PathError{Op: "stat", Path: "image.iso", Err: fs.ErrNotExist}
	for _, row := range []struct {
		err  error
		want string
	}{
		{errors.New("pgm: transfer: a: b"), "a: b"},
		{absent, "image.iso: file does not exist"},
		{fmt.Errorf("image.iso: %w", absent), "image.iso: file does not exist"},
		{fmt.Errorf("transfer: --capture: %w", absent), "--capture: image.iso: file does not exist"},
		{&net.OpError{Op: "read", Net: "epgm", Err: errors.New("data lost beyond repair")}, "data lost beyond repair"},
		{&net.OpError{Op: "dial", Net: "epgm", Err: errors.New("no such interface")}, "dial epgm: no such interface"},
	} {
		if got := Explain(row.err); got != row.want {
			t.Errorf("%q; want %q", got, row.want)
		}
	}
}

// The name of what something is wrong with is said once, and with nothing that could disturb a terminal.
func TestAbout(t *testing.T) {
	for _, row := range []struct{ name, err, want string }{
		{"a", "no space left", "a: no space left"},
		{"sub/a", "sub/a: no space left", "sub/a: no space left"},
		{"a\nb", `name "a\nb" refused: contains a control character`, `name "a\nb" refused: contains a control character`},
		{"a\xff", `name "a\xff" refused: not UTF-8`, `name "a\xff" refused: not UTF-8`},
		{"a\xff", "no space left", `"a\xff": no space left`},
		{"a\x1b", "a\x1b: no space left", `"a\x1b: no space left"`},
	} {
		if got := About(row.name, errors.New(row.err)); got != row.want {
			t.Errorf("about %q, %q: %s; want %s", row.name, row.err, got, row.want)
		}
	}
}
