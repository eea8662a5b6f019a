package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"lukechampine.com/blake3"

	"github.com/gopgm/gopgm/pgm/packet"
)

// IsTransfer reports whether the stream r, from the beginning of a session on, is that of a file transfer. It reads nothing, but waits until
// there is enough to tell.
func IsTransfer(r *bufio.Reader) bool {
	b, _ := r.Peek(len(recordMagic))
	return isRecord(b)
}

// DecodeStream reads a session that is delivered in order, from its beginning on, and writes the content of its files to w, one after the
// other. Each is compared with its digest once it is written: ErrDigest says that what came last to w is wrong. A stream that ends before
// the session does is an io.ErrUnexpectedEOF, or the error of r.
func DecodeStream(r io.Reader, w io.Writer) error {
	d := &streamDecoder{r: r, w: w, buf: make([]byte, hashPiece), sum: blake3.New(32, nil)}
	return d.run()
}

// streamDecoder reads records and objects in the order of their packets.
type streamDecoder struct {
	r    io.Reader
	w    io.Writer
	buf  []byte
	sum  *blake3.Hasher
	at   packet.SQN  // of the packet that comes next
	wait []*Manifest // records that are known, whose objects have not come
	next packet.SQN  // of the record that comes next
	last bool        // the last record is known
	n    uint32      // records
	base uint32      // number of the next object
}

func (d *streamDecoder) run() error {
	for !d.last || len(d.wait) > 0 {
		var err error
		switch {
		case !d.last && (d.n == 0 || d.at == d.next):
			err = d.record()
		case len(d.wait) > 0 && (d.wait[0].Data == d.at || len(d.wait[0].Objects) == 0):
			err = d.objects(d.wait[0])
			d.wait = d.wait[1:]
		default:
			err = manifestError("records and objects do not follow each other")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *streamDecoder) read(b []byte) error {
	_, err := io.ReadFull(d.r, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *streamDecoder) record() error {
	b := make([]byte, recordHeader)
	if err := d.read(b); err != nil {
		return err
	}
	if !isRecord(b) {
		return ErrNotTransfer
	}
	n, err := recordLength(b)
	if err != nil {
		return err
	}
	b = append(b, make([]byte, n-recordHeader)...)
	if err := d.read(b[recordHeader:]); err != nil {
		return err
	}
	m := new(Manifest)
	if err := m.Parse(b); err != nil {
		return err
	}
	if d.n == 0 {
		d.at = m.First
	}
	if m.Index != d.n || m.First != d.at || len(d.wait) == maxEarly {
		return fmt.Errorf("%w: record %d out of its place", ErrManifest, m.Index)
	}
	d.n++
	d.at += packet.SQN(m.packets())
	d.next, d.last = m.Next, m.Last
	d.wait = append(d.wait, m)
	return nil
}

func (d *streamDecoder) objects(m *Manifest) error {
	for i := range m.Objects {
		o := &m.Objects[i]
		d.base++
		if o.Dir {
			continue
		}
		d.sum.Reset()
		for left := o.Size; left > 0; {
			b := d.buf[:min(left, int64(len(d.buf)))]
			if err := d.read(b); err != nil {
				return err
			}
			if _, err := d.w.Write(b); err != nil {
				return err
			}
			d.sum.Write(b)
			left -= int64(len(b))
		}
		b := d.buf[:digestLen]
		if err := d.read(b); err != nil {
			return err
		}
		want, err := parseDigest(b, d.base-1, o.Size)
		if err != nil {
			return err
		}
		if [32]byte(d.sum.Sum(nil)) != want {
			return fmt.Errorf("%s: %w", quoteName(o.Name), ErrDigest)
		}
		d.at += packet.SQN(o.packets(m.Block))
	}
	return nil
}
