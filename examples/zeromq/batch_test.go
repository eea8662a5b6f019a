package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func batches(e *encoder) (all [][]byte) {
	for b := e.next(); b != nil; b = e.next() {
		all = append(all, b)
	}
	return all
}

// What libzmq 4.3.4 sends for these messages, held against a capture of it.
func TestBatchesAreZeroMQs(t *testing.T) {
	long := strings.Repeat("x", 254)
	for _, x := range []struct {
		name     string
		messages []string
		max      int
		want     []string
	}{
		{"one message", []string{"abc"}, 100, []string{"0000 04 00 616263"}},
		{"an empty message", []string{""}, 100, []string{"0000 01 00"}},
		{"two messages in one batch", []string{"a", "b"}, 100, []string{"0000 0200 61 0200 62"}},
		{"a message in two batches, the next starts in the second", []string{"abcdef", "g"}, 8,
			[]string{"0000 0700 61626364", "0002 6566 0200 67"}},
		{"a message that fills three batches", []string{"abcdefghijkl"}, 7,
			[]string{"0000 0d00 616263", "ffff 6465666768", "ffff 696a6b6c"}},
		{"a long frame", []string{long}, 1000, []string{"0000 ff 00000000000000ff 00 " + hex.EncodeToString([]byte(long))}},
	} {
		e := encoder{max: x.max}
		for _, m := range x.messages {
			e.add([]byte(m))
		}
		var got []string
		for _, b := range batches(&e) {
			got = append(got, hex.EncodeToString(b))
		}
		for i := range x.want {
			x.want[i] = strings.ReplaceAll(x.want[i], " ", "")
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
		}
	}
}

// However messages are cut, they come out as they went in.
func TestMessagesSurviveBatches(t *testing.T) {
	for size := offsetLen + 1; size < 40; size++ {
		e := encoder{max: size}
		var want []string
		for i := range 30 {
			m := strings.Repeat("m", i*i) + fmt.Sprint(i)
			want = append(want, m)
			e.add([]byte(m))
		}
		var d decoder
		var got []string
		for _, b := range batches(&e) {
			if err := d.add(b, func(frames [][]byte) { got = append(got, string(bytes.Join(frames, nil))) }); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("batches of %d: got %q", size, got)
		}
	}
}

func TestFramesOfOneMessageStayTogether(t *testing.T) {
	var d decoder
	var got []string
	for _, b := range []string{"0000 0201 61", "ffff 0201 62", "0003 0200 63 0200 64"} {
		batch, _ := hex.DecodeString(strings.ReplaceAll(b, " ", ""))
		if err := d.add(batch, func(frames [][]byte) { got = append(got, string(bytes.Join(frames, []byte(" ")))) }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a b c", "d"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whichever batch is missing, what comes is messages that were sent, in order, and the last one.
func TestLossCostsOnlyWhatItTouches(t *testing.T) {
	e := encoder{max: 20}
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("message %02d%s", i, strings.Repeat(".", i*i%37)))
		e.add([]byte(want[i]))
	}
	all := batches(&e)
	for lost := range len(all) - 4 {
		var d decoder
		var got []string
		for i, b := range all {
			if i != lost {
				d.add(b, func(frames [][]byte) { got = append(got, string(frames[0])) })
			}
		}
		for i := 1; i < len(got); i++ {
			if slices.Index(want, got[i]) <= slices.Index(want, got[i-1]) {
				t.Fatalf("without batch %d: %q after %q", lost, got[i], got[i-1])
			}
		}
		if len(got) < len(want)-3 || !slices.Contains(want, got[0]) || got[len(got)-1] != want[len(want)-1] {
			t.Fatalf("without batch %d: %q", lost, got)
		}
	}
}

func TestOctetsThatAreNotZeroMQs(t *testing.T) {
	for _, text := range []string{"", "00", "0005 0200", "0000 00", "0000 ff ffffffffffffffff 00"} {
		b, _ := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		var d decoder
		if err := d.add(b, func([][]byte) { t.Errorf("%q has a message", text) }); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	e := encoder{max: 10}
	e.add([]byte("a message"))
	e.add([]byte("another"))
	for _, b := range batches(&e) {
		f.Add(b, 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var d decoder
		n := 0
		for range 2 {
			d.add(b, func(frames [][]byte) { n += len(frames) })
		}
		if n > len(b) || len(d.held) > 2*len(b)+binary.MaxVarintLen64 {
			t.Errorf("%d frames, %d octets held, of %d", n, len(d.held), len(b))
		}
	})
}
