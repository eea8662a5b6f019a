package leg

import (
	"encoding/binary"
	"net/netip"
)

// MaxGroups is how many groups a hello names at most. What is wanted beyond that is not asked for.
const MaxGroups = 64

// MaxHops is how many legs lie between a router and the listeners that it knows of, at most. A ring of legs in which nobody listens any more
// counts up to it, and is then silent.
const MaxHops = 16

// Interest says that a side wants what is sent to a group.
type Interest struct {
	Group netip.AddrPort
	Hops  uint8 // legs from there to the nearest who listens, 1 to MaxHops: 1, if somebody listens on a link of the side's own
}

// greeting is what a hello says.
//
//	|     'P'       |      'L'      |Version|   1   |       0       |
//	|        Cookie of the other side, 0 while it is not known      |
//	|                                                               |
//	|                      Cookie of the sender                     |
//	|                                                               |
//	|    Groups     |                    reserved                   |
//
// and for each group that the sender wants
//
//	|    Family     |     Hops      |          Group's port         |
//	|                     Group (4 or 16 octets)                    |
type greeting struct {
	cookie    uint64 // the sender's
	interests []Interest
}

// greetingLen is the length of a greeting without groups.
const greetingLen = 8 + 4

// appendHello appends g with the cookie of the other side.
func (g *greeting) appendHello(b []byte, cookie uint64) []byte {
	b = appendHeader(b, hello, 0, cookie)
	b = binary.BigEndian.AppendUint64(b, g.cookie)
	b = append(b, byte(len(g.interests)), 0, 0, 0)
	for _, i := range g.interests {
		b = appendGroup(b, i.Group, i.Hops)
	}
	return b
}

// parse reads what follows the header of a hello, into the memory that g has. What follows the groups is ignored: it is of a later version
// that has more to say.
func (g *greeting) parse(b []byte) error {
	g.interests = g.interests[:0]
	if len(b) < greetingLen {
		return ErrTruncated
	}
	g.cookie = binary.BigEndian.Uint64(b)
	n := int(b[8])
	if g.cookie == 0 || n > MaxGroups {
		return ErrField
	}
	b = b[greetingLen:]
	for range n {
		group, hops, rest, err := parseGroup(b)
		switch {
		case err != nil:
			return err
		case hops < 1 || hops > MaxHops:
			return ErrField
		}
		g.interests = append(g.interests, Interest{group, hops})
		b = rest
	}
	return nil
}
