package transfer

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm/packet"
)

// plan is the layout of a session that is to be sent.
type plan struct {
	layout
	session SessionID
	block   int
	records []*Manifest
	objects []Object // of all records
	bases   []int    // of each record, the number of its first object
	total   int64
}

// arrange lays out the objects in packets of block octets, from first on.
func arrange(objects []Object, total int64, block int, session SessionID, first packet.SQN) (*plan, error) {
	block = min(block, MaxBlock)
	if block < MinBlock {
		return nil, fmt.Errorf("transfer: packets of %d octets are too small: %d is the least", block, MinBlock)
	}
	p := &plan{layout: layout{first: first}, session: session, block: block, objects: objects, total: total}
	for at := 0; at < len(objects); {
		m := &Manifest{Session: session, Index: uint32(len(p.records)), Block: block, Count: uint32(len(objects)), Total: uint64(total)}
		n, size := 0, recordHeader
		for at+n < len(objects) && n < MaxRecordObjects {
			if size += objects[at+n].entryLen(); size > MaxRecord {
				break
			}
			n++
		}
		m.Objects = objects[at : at+n : at+n]
		p.records = append(p.records, m)
		p.bases = append(p.bases, at)
		at += n
	}
	var at int64
	take := func(n int64) (sqn packet.SQN, err error) {
		sqn = first + packet.SQN(at)
		if at += n; at > packet.MaxWindow {
			return 0, fmt.Errorf("transfer: more than 2^31-1 packets of %d octets: send the files in several sessions", block)
		}
		return sqn, nil
	}
	var err error
	for i, m := range p.records {
		if i == 0 {
			if m.First, err = take(int64(m.packets())); err != nil {
				return nil, err
			}
		}
		m.Last = i == len(p.records)-1
		if !m.Last {
			next := p.records[i+1]
			if next.First, err = take(int64(next.packets())); err != nil {
				return nil, err
			}
			m.Next = next.First
		}
		m.Data = first + packet.SQN(at)
		n, err := m.place()
		if err != nil {
			return nil, fmt.Errorf("transfer: more than 2^31-1 packets of %d octets: send the files in several sessions", block)
		}
		if _, err := take(n); err != nil {
			return nil, err
		}
		if m.Last {
			m.Next = first + packet.SQN(at)
		}
		if err := p.add(m); err != nil {
			return nil, err
		}
	}
	return p, nil
}
