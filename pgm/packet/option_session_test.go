package packet

import (
	"errors"
	"testing"
)

func TestJoinOfEveryLength(t *testing.T) { // [9.4.3-01]
	body := make([]byte, 256)
	body[3] = 42
	for length := 4; length < 256; length++ {
		got, err := ParseJoin(Option{Type: OptJoin, Body: body[:length-4]})
		if length == 8 && (err != nil || got != 42) || length != 8 && !errors.Is(err, ErrOption) {
			t.Errorf("length %d: %v, %v", length, got, err)
		}
	}
	_, err := ParseJoin(Option{Type: OptJoin})
	if want := "packet: OPT_JOIN length at offset 1: malformed option list"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestResetRoundTrip(t *testing.T) { // [9.8.4-01]
	for code := range uint8(64) {
		for _, noRepair := range []bool{false, true} {
			want := Reset{noRepair, code}
			b := want.AppendTo(nil)
			if got := ParseReset(Option{Type: OptRst, Flags: b[3]}); got != want || b[3]&0x80 != 0 {
				t.Errorf("%+v becomes %x and that %+v", want, b, got)
			}
		}
	}
	if b := (Reset{Code: 0xff}).AppendTo(nil); b[3] != 0x3f {
		t.Errorf("a code of more than six bits: %x", b)
	}
}
