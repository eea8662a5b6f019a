package packet

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// unhex returns the octets that s writes as hexadecimal digits; blanks and line ends are there for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("bad hex in the test: %v", err)
	}
	return b
}

// wantError holds err to be an *Error of the given kind at the given place.
func wantError(t testing.TB, name string, err, kind error, typ Type, offset int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || e.Type != typ || e.Offset != offset {
		t.Errorf("%s: %v; want %v of %v at offset %d", name, err, kind, typ, offset)
	}
}

// types are all that the low nibble of the Type octet can say.
func types(yield func(Type) bool) {
	for n := range Type(16) {
		if !yield(n) {
			return
		}
	}
}

// wantPanic calls f, which breaks a rule for callers.
func wantPanic(t testing.TB, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	f()
}
