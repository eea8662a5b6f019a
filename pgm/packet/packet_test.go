package packet

import (
	"encoding/hex"
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
