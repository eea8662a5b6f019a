package pcap

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fragments cuts an IP packet into fragments of so many octets of payload each; id tells them from others.
func fragments(ip []byte, id uint32, size int) (all [][]byte) {
	v6 := ip[0]>>4 == 6
	header := 20
	if v6 {
		header = 40
	}
	for payload, at := ip[header:], 0; at < len(payload); at += size {
		part := payload[at:min(at+size, len(payload))]
		more := at+size < len(payload)
		f := bytes.Clone(ip[:header])
		field := uint16(at)
		if v6 {
			if more {
				field |= 1
			}
			f = be.AppendUint32(be.AppendUint16(append(f, f[6], 0), field), id)
			f[6] = protoFragment
			be.PutUint16(f[4:], uint16(len(part)+8))
		} else {
			field /= 8
			if more {
				field |= 0x2000
			}
			be.PutUint16(f[2:], uint16(20+len(part)))
			be.PutUint16(f[4:], uint16(id))
			be.PutUint16(f[6:], field)
		}
		all = append(all, append(f, part...))
	}
	return all
}

func TestFragmentsAreReassembled(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := odata(1, 4000)
	for name, ip := range map[string][]byte{
		"IPv4":                  udp4(t, data),
		"IPv6":                  network(t, Packet{Src: source6, Dst: group6, UDP: true, Data: data}),
		"IPv6, options behind":  insert6(network(t, Packet{Src: source6, Dst: group6, UDP: true, Data: data}), 60, []byte{17, 0, 1, 4, 0, 0, 0, 0}),
		"IPv4, protocol 113":    network(t, Packet{Src: source4, Dst: group4, Data: data}),
		"IPv4, the longest one": network(t, Packet{Src: source4, Dst: group4, Data: odata(1, 65535-20-24)}),
	} {
		parts := fragments(ip, 99, 1480)
		other := fragments(udp4(t, odata(2, 3000)), 98, 800)
		orders := map[string][][]byte{
			"in order":        parts,
			"backwards":       backwards(parts),
			"repeated":        append(slices.Clone(parts[:2]), parts...),
			"between another": append(append(append([][]byte{}, other[0], parts[0]), other[1:]...), parts[1:]...),
		}
		shuffled := slices.Clone(parts)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		orders["shuffled"] = shuffled
		for order, frames := range orders {
			all, stats := readFrames(t, Config{}, frames...)
			if len(all) == 0 {
				t.Errorf("%s, %s: no packets; %+v", name, order, stats)
				continue
			}
			p := all[len(all)-1]
			want := data
			if len(ip) > 60000 {
				want = odata(1, 65535-20-24)
			}
			if !p.Fragmented || p.Number != len(frames) || !bytes.Equal(p.Data, want) || p.Truncated {
				t.Errorf("%s, %s: got %d octets in frame %d, fragmented %v", name, order, len(p.Data), p.Number, p.Fragmented)
			}
		}
	}
}

func TestFragmentsThatContradictEachOther(t *testing.T) {
	parts := fragments(udp4(t, odata(1, 3000)), 99, 1480)
	change := func(b []byte, f func(b []byte)) []byte { b = bytes.Clone(b); f(b); return b }
	tests := map[string][][]byte{
		"other octets at a place": {parts[0], change(parts[0], func(b []byte) { b[100]++ }), parts[1], parts[2]},
		"half over another":       {parts[0], change(parts[1], func(b []byte) { b[7] -= 8 }), parts[1], parts[2]},
		"behind the end":          {parts[2], change(parts[1], func(b []byte) { b[7]++; b[6] |= 0x10 }), parts[0], parts[1]},
		"two ends":                {parts[2], change(parts[1], func(b []byte) { b[6] = 0 }), parts[0], parts[1]},
		"beyond 64 KiB":           {change(parts[1], func(b []byte) { b[6], b[7] = 0x3f, 0xff }), parts[0], parts[1][:40]},
		"a part of odd length":    {change(parts[0][:len(parts[0])-3], func(b []byte) { b[3] -= 3 }), parts[1], parts[2]},
	}
	for name, frames := range tests {
		if all, stats := readFrames(t, Config{}, frames...); len(all) != 0 || stats.Incomplete == 0 {
			t.Errorf("%s: %d packets, %+v", name, len(all), stats)
		}
	}
}

// A fragment that the snap length cut leaves a packet up to where octets are missing.
func TestFragmentsThatWereCut(t *testing.T) {
	data := odata(1, 3000)
	parts := fragments(udp4(t, data), 99, 1480)
	all, _ := readRecords(t, Config{Ports: []uint16{7500}},
		record{start, parts[2], 0}, record{start, parts[1][:20+100], len(parts[1])}, record{start, parts[0], 0})
	if len(all) != 1 || !all[0].Truncated || all[0].Length != len(data) || !bytes.Equal(all[0].Data, data[:1480-8+100]) {
		t.Errorf("got %d packets, %d octets", len(all), len(all[0].Data))
	}
}

// However many datagrams are begun, the reassembly holds no more than its bound.
func TestReassemblyIsBounded(t *testing.T) {
	var r reassembly
	parts := fragments(udp4(t, odata(1, 60000)), 0, 1480)
	var d datagram
	for id := range 10 * maxFragmented {
		for _, f := range parts[1:] { // the first never comes
			f = bytes.Clone(f)
			be.PutUint16(f[4:], uint16(id))
			if d.parse(f, len(f)); r.add(start, &d) {
				t.Fatal("complete without the first fragment")
			}
		}
	}
	if r.waiting() != maxFragmented || len(r.parts) != maxFragmented || len(r.spare) > 2 || r.lost != 9*maxFragmented {
		t.Errorf("%d waiting, %d known, %d spare, %d lost", r.waiting(), len(r.parts), len(r.spare), r.lost)
	}
	// And those that wait too long make room.
	d.parse(parts[0], len(parts[0]))
	r.add(start.Add(fragmentLife+time.Second), &d)
	if r.waiting() != 1 {
		t.Errorf("%d waiting after their time, want the new one", r.waiting())
	}
}

// Fragments of one size that come in a hostile order cost no more than those that come in order.
func TestReassemblyOfTheSmallestFragments(t *testing.T) {
	parts := fragments(network(t, Packet{Src: source4, Dst: group4, Data: odata(1, 60000)}), 7, 8)
	slices.Reverse(parts)
	all, stats := readFrames(t, Config{}, parts...)
	if len(all) != 1 || len(all[0].Data) != 60024 {
		t.Errorf("%d packets; %+v", len(all), stats)
	}
}

func backwards(frames [][]byte) [][]byte {
	frames = slices.Clone(frames)
	slices.Reverse(frames)
	return frames
}
