package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// streamOf returns a session as it is delivered in order, and the content of its files.
func streamOf(t *testing.T, block int, path string) (stream, content []byte) {
	t.Helper()
	st := newTestStore(t, 1, 0xffff_fffa, block, path)
	st.open()
	s := newSlab(1)
	for at := st.Trail(); at != st.end(); {
		dst := s.reset()
		dst[0].Data = dst[0].Data[:block]
		n, err := st.Load(at, dst)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			stream = append(stream, dst[0].Data...)
			at++
		}
	}
	for i := range st.objects {
		if !st.objects[i].Dir {
			b, err := os.ReadFile(st.scan.path(i))
			if err != nil {
				t.Fatal(err)
			}
			content = append(content, b...)
		}
	}
	return stream, content
}

func TestStreamIsTheContentOfTheFiles(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]int{"t/a": 100_000, "t/b/": 0, "t/c": 0, "t/d": 1})
	stream, want := streamOf(t, 1000, filepath.Join(dir, "t"))
	var got bytes.Buffer
	r := bufio.NewReader(bytes.NewReader(stream))
	if !IsTransfer(r) {
		t.Error("not taken for a transfer")
	}
	if err := DecodeStream(r, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d octets, want %d: %v", got.Len(), len(want), err)
	}
	for n := 0; n < len(stream); n += 1 + n/100 {
		if err := DecodeStream(bytes.NewReader(stream[:n]), io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d octets: %v", n, len(stream), err)
		}
	}
}

func TestStreamOfSeveralRecords(t *testing.T) {
	dir := memoryDir(t)
	sizes := make(map[string]int)
	for i := range 2*MaxRecordObjects + 10 {
		sizes["t/"+strings.Repeat("x", i%7+1)+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))] = i % 5
	}
	writeTree(t, dir, sizes)
	stream, want := streamOf(t, 1000, filepath.Join(dir, "t"))
	var got bytes.Buffer
	if err := DecodeStream(bytes.NewReader(stream), &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d octets, want %d: %v", got.Len(), len(want), err)
	}
}

func TestStreamThatIsDamagedIsFoundOut(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]int{"f": 100_000})
	stream, _ := streamOf(t, 1000, filepath.Join(dir, "f"))
	stream[len(stream)/2] ^= 1
	if err := DecodeStream(bytes.NewReader(stream), io.Discard); !errors.Is(err, ErrDigest) {
		t.Error(err)
	}
	r := bufio.NewReader(strings.NewReader("a line of text\n"))
	if IsTransfer(r) {
		t.Error("text is taken for a transfer")
	}
	if err := DecodeStream(strings.NewReader(strings.Repeat("a line of text\n", 9)), io.Discard); !errors.Is(err, ErrNotTransfer) {
		t.Error(err)
	}
}

func FuzzStream(f *testing.F) {
	m := sampleManifest()
	f.Add(m.Append(nil))
	f.Add(append((&Manifest{Block: 128, Last: true, Data: 1, Next: 1}).Append(nil), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := DecodeStream(bytes.NewReader(b), io.Discard)
		if err == nil && len(b) < recordHeader {
			t.Fatal("a session out of nothing")
		}
	})
}
