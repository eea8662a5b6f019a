package member

import (
	"encoding/binary"
	"slices"
	"time"
)

// value is what a ballot decides: the view that follows the view base, and how base ends. Whoever has it and the batches up to the cut
// does the same as all others that have.
type value struct {
	group   uint64
	base    ViewID // zero: the view founds the group
	id      ViewID
	cut     []uint32 // batches of each member of base that are delivered there
	holder  []int    // for each, who is known to have them
	entries []entry  // the members, in their order; none: the group is over
	left    []Departure
}

// entry is a member of the view to come.
type entry struct {
	Peer
	joined  bool
	pending bool   // it waits for the state of the group,
	from    ID     // which this member gives it,
	since   uint64 // as it was at the beginning of the view with this counter
}

// fresh reports whether the transfer of state to e begins with the view v.
func (v *value) fresh(e *entry) bool { return e.pending && e.since == v.id.Counter }

func (v *value) find(id ID) *entry {
	for i := range v.entries {
		if v.entries[i].ID == id {
			return &v.entries[i]
		}
	}
	return nil
}

func (v *value) departure(id ID) Departure {
	i := slices.IndexFunc(v.left, func(d Departure) bool { return d.ID == id })
	if i < 0 {
		return Departure{Why: Unknown, By: v.id.Coordinator}
	}
	return v.left[i]
}

func appendViewID(b []byte, v ViewID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, v.Counter), uint64(v.Coordinator))
}

func (r *reader) viewID() ViewID { return ViewID{r.uint64(), r.id()} }

func (v *value) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, v.group)
	b = appendViewID(b, v.base)
	b = appendViewID(b, v.id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.cut)))
	for i, n := range v.cut {
		b = binary.BigEndian.AppendUint32(b, n)
		b = binary.BigEndian.AppendUint16(b, uint16(v.holder[i]))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.entries)))
	for _, e := range v.entries {
		b = binary.BigEndian.AppendUint64(b, uint64(e.ID))
		b = appendString(b, e.Name)
		b = appendBits(b, []bool{e.joined, e.pending})
		b = binary.BigEndian.AppendUint64(b, uint64(e.from))
		b = binary.BigEndian.AppendUint64(b, e.since)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.left)))
	for _, d := range v.left {
		b = binary.BigEndian.AppendUint64(b, uint64(d.ID))
		b = appendString(b, d.Name)
		b = append(b, byte(d.Why))
		b = binary.BigEndian.AppendUint64(b, uint64(d.By))
		b = binary.BigEndian.AppendUint32(b, uint32(d.Silent/time.Millisecond))
	}
	return b
}

func (r *reader) value() *value {
	v := &value{group: r.uint64(), base: r.viewID(), id: r.viewID()}
	for range r.count(6, MaxMembers) {
		v.cut = append(v.cut, r.uint32())
		v.holder = append(v.holder, r.uint16())
	}
	for range r.count(26, MaxMembers) {
		e := entry{Peer: Peer{ID: r.id(), Name: r.string()}}
		if f := r.bits(2); f != nil {
			e.joined, e.pending = f[0], f[1]
		}
		e.from, e.since = r.id(), r.uint64()
		if v.find(e.ID) != nil {
			r.bad = true
		}
		v.entries = append(v.entries, e)
	}
	for range r.count(22, MaxMembers) {
		d := Departure{Peer: Peer{ID: r.id(), Name: r.string()}, Why: Reason(r.byte()), By: r.id()}
		d.Silent = time.Duration(r.uint32()) * time.Millisecond
		v.left = append(v.left, d)
	}
	if v.group == 0 || v.id.Counter != v.base.Counter+1 {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	return v
}

// ballotID orders the attempts to agree on the successor of one view.
type ballotID struct {
	round uint64
	by    ID
}

func (b ballotID) less(o ballotID) bool {
	return b.round < o.round || b.round == o.round && b.by < o.by
}
