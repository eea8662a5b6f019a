package transfer

import (
	"errors"
	"strings"
	"testing"
)

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	long := strings.Repeat("a", 255)
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"a", true},
		{"a/b/c.txt", true},
		{"...", true},
		{"..a/b..", true},
		{"ümläut/日本語", true},
		{"12:30.log", true},
		{"a:b", false},
		{"aux.c", true},
		{" space ", true},
		{"-rf", true},
		{long, true},
		{strings.Repeat("a/", 2047) + "bb", true}, // 4096 octets
		{"", false},
		{"/", false},
		{"/etc/passwd", false},
		{"//host/share", false},
		{"..", false},
		{".", false},
		{"./a", false},
		{"a/.", false},
		{"a/..", false},
		{"../a", false},
		{"a/../../b", false},
		{"a//b", false},
		{"a/", false},
		{`..\a`, false},
		{`a\b`, false},
		{`\\host\share`, false},
		{"C:", false},
		{"c:/windows", false},
		{`C:\windows`, false},
		{"a\x00b", false},
		{"a\nb", false},
		{"a\x1b[2Jb", false},
		{"a\x7f", false},
		{"a\u0085b", false}, // a control character of two octets
		{"a\xffb", false},
		{"\xc3", false},
		{long + "a", false},
		{"x/" + long + "a/y", false},
		{strings.Repeat("a/", 2047) + "bbb", false},
		{".file.0123456789abcdef.part", false},
		{"d/.file.0123456789abcdef.part-state", false},
		{"file.part", true},
	} {
		err := CheckName(c.name)
		if (err == nil) != c.ok {
			t.Errorf("%.60q: %v; accepted should be %v", c.name, err, c.ok)
		}
		if err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%.60q: %v is no ErrName", c.name, err)
		}
	}
}

func TestNamesThatWindowsReservesAreRefusedThere(t *testing.T) {
	for name, ok := range map[string]bool{
		"nul": false, "NUL.txt": false, "d/con": false, "aux.c": false, "com1": false, "LPT9.x": false, "com¹": false,
		"CONIN$": false, "a:b": false, "a?": false, "a.": false, "a ": false, "d./a": false, "nul .txt": false,
		"com": true, "com10": true, "console": true, "a.b": true, "lpt": true,
	} {
		if err := checkName(name, true); (err == nil) != ok {
			t.Errorf("%q: %v; accepted should be %v", name, err, ok)
		}
	}
}

func TestRefusalOfANameIsFitForATerminal(t *testing.T) {
	msg := CheckName("\x1b[2J" + strings.Repeat("x\n", 3000)).Error()
	if strings.ContainsAny(msg, "\x1b\n") || len(msg) > 400 {
		t.Errorf("%q", msg)
	}
}

func TestSecondOfOneNameIsRefused(t *testing.T) {
	n := newNames(false)
	for _, c := range []struct {
		name string
		ok   bool
	}{{"a/b", true}, {"a/B", true}, {"a/b", false}, {"a/bc", true}} {
		if err := n.take(c.name); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	n = newNames(true)
	for _, c := range []struct {
		name string
		ok   bool
	}{{"Straße", true}, {"STRAßE", false}, {"σ", true}, {"ς", false}, {"K", true}, {"\u212a", false}, {"k2", true}} {
		if err := n.take(c.name); (err == nil) != c.ok {
			t.Errorf("folded: %q: %v", c.name, err)
		}
	}
}

// What became of an object is told with its name, once.
func TestFailureNamesTheObjectOnce(t *testing.T) {
	for _, p := range []Problem{{"a\xff", CheckName("a\xff")}, {"a", ErrDigest}} {
		err := failure(p)
		if !errors.Is(err, ErrFailed) || !errors.Is(err, p.Err) || strings.Count(err.Error(), quoteName(p.Name)) != 1 {
			t.Errorf("%v", err)
		}
	}
}
