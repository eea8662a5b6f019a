package packet

import (
	"slices"
	"testing"
)

// §4: "SPMs, NCFs, and RDATA MUST be transmitted with the IP Router Alert Option"; so must POLLs (§14.4), and nothing else.
func TestRouterAlertOfEveryType(t *testing.T) { // [4-01], [4-02], [14.4-06]
	alerted := []Type{TypeSPM, TypePOLL, TypeRDATA, TypeNCF}
	for typ := range Type(0x10) {
		if got, want := typ.RouterAlert(), slices.Contains(alerted, typ); got != want {
			t.Errorf("%v: %v, want %v", typ, got, want)
		}
	}
}

// What bears the option travels apart from what does not, even where the packets are of one size. Unicast bears none, and neither does UDP.
func TestBatchKeepsAlertedPacketsApart(t *testing.T) {
	packetOf := func(typ Type) []byte {
		p := Downstream(typ, TSI{Port: 1}, 7500).Append(nil)
		Seal(p)
		return p
	}
	for _, raw := range []bool{true, false} {
		b := NewBatch(1 << 16)
		b.RouterAlert = raw
		for _, typ := range []Type{TypeNCF, TypeSPM, TypeODATA, TypeODATA, TypeRDATA, TypeRDATA, TypeODATA} {
			b.Append(group, 0, packetOf(typ))
		}
		b.Append(other, 0, packetOf(TypeNCF))
		type message struct {
			packets int
			alert   bool
		}
		var got []message
		for _, m := range b.Messages {
			got = append(got, message{m.Packets(), m.Alert})
		}
		want := []message{{2, true}, {2, false}, {2, true}, {1, false}, {1, false}}
		if !raw {
			want = []message{{7, false}, {1, false}}
		}
		if !slices.Equal(got, want) {
			t.Errorf("over IP itself %v: %v, want %v", raw, got, want)
		}
	}
}
