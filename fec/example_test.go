package fec_test

import (
	"fmt"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// A group of four loses a packet, and one parity packet brings it back, whichever it was.
func Example() {
	const k, first = fec.Size(4), packet.SQN(100)
	sent := []string{"to be", "or not", "to be,", "that is"}
	encoder := fec.NewEncoder(k, 1400)
	encoder.Begin(first, len(sent))
	for i, s := range sent {
		encoder.Set(i, fec.Original{TSDU: []byte(s)})
	}
	wire := encoder.Append(nil, packet.Downstream(packet.TypeRDATA, packet.TSI{Port: 1000}, 7500), first, 0)

	came := map[packet.SQN]string{100: sent[0], 101: sent[1], 103: sent[3]}
	has := func(s packet.SQN) bool { _, ok := came[s]; return ok }
	groups := fec.NewGroups(fec.GroupsConfig{Size: k, Has: has})
	fmt.Println("ask for", groups.Need(first))

	var h packet.Header
	var d packet.Data
	var parity fec.Parity
	body, _ := h.Parse(wire)
	if d.Parse(&h, body) != nil || parity.Parse(k, &h, &d) != nil {
		fmt.Println("this is no parity packet")
	}
	groups.Parity(&parity)

	decoder := fec.NewDecoder(k)
	for j := groups.Next(); j != nil; j = groups.Next() {
		err := decoder.Decode(j, func(s packet.SQN, room []byte) (fec.Original, bool) {
			return fec.Original{TSDU: room[:copy(room, came[s])]}, has(s)
		})
		for s, original := range j.Rebuilt() {
			came[s] = string(original.TSDU)
			groups.Have(s)
			fmt.Printf("%v: %s\n", s, original.TSDU)
		}
		groups.Done(j)
		fmt.Println(err)
	}
	// Output:
	// ask for 1
	// 102: to be,
	// <nil>
}
