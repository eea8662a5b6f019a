//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCopyIsVerified(t *testing.T) {
	dir := t.TempDir()
	const size = 3*chunk + 17
	p, err := newPayload(t.Context(), filepath.Join(dir, "payload.bin"), size, false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.path)
	if err != nil || len(text) != size {
		t.Fatalf("%d bytes, %v; want %d", len(text), err, size)
	}
	for _, tt := range []struct {
		name, want string
		change     func([]byte) []byte
	}{
		{"right", "", func(b []byte) []byte { return b }},
		{"short", "of", func(b []byte) []byte { return b[:len(b)-1] }},
		{"one bit", "wrong digest", func(b []byte) []byte { b[size/2] ^= 1; return b }},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, tt.change(append([]byte(nil), text...)), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := p.verify(t.Context(), path)
		if err != nil || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	if got, err := p.verify(t.Context(), filepath.Join(dir, "none")); got != "no file" || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, "no file")
	}
}

func TestSparseFileTakesNoSpace(t *testing.T) {
	const size = 2*sparseStep + 5
	p, err := newPayload(t.Context(), filepath.Join(t.TempDir(), "sparse.bin"), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(p.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeSparse(f, zeroReader{}, size); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		t.Fatalf("got %d bytes, %v; want %d", info.Size(), err, size)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 8*sparseBlock {
		t.Errorf("takes %d bytes", used)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }
