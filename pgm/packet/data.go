package packet

import "encoding/binary"

// DataHeaderLen is the length of ODATA and RDATA in front of options and TSDU, fixed header included.
const DataHeaderLen = HeaderLen + 8

// Data is the rest of an ODATA or RDATA packet behind the fixed header [8.2-01]:
//
//	|                  Data Packet Sequence Number                  |
//	|                      Trailing Edge                            |
//	|                      Option Extensions ...                    |
//	|                      Data ...                                 |
type Data struct {
	SQN     SQN
	Trail   SQN    // the trailing edge of the transmit window when the packet was sent
	Options []byte // the list, as Options takes it; nil when there is none
	TSDU    []byte // the application's octets
}

// Parse reads what follows the header h of a data packet. What it finds aliases body. OPT_FRAGMENT is read separately.
func (d *Data) Parse(h *Header, body []byte) error {
	if !h.Type.IsData() {
		return &Error{h.Type, "type", 4, ErrType}
	}
	if len(body) < DataHeaderLen-HeaderLen {
		return &Error{h.Type, "Data Packet Sequence Number", HeaderLen, ErrTruncated}
	}
	d.SQN = SQN(binary.BigEndian.Uint32(body))
	d.Trail = SQN(binary.BigEndian.Uint32(body[4:]))
	var err error
	d.Options, d.TSDU, err = SplitOptions(h, body[8:], DataHeaderLen)
	switch {
	case err != nil:
		return err
	case len(d.TSDU) < int(h.TSDULength):
		return &Error{h.Type, "TSDU", HeaderLen + len(body), ErrTruncated}
	case len(d.TSDU) > int(h.TSDULength):
		return &Error{h.Type, "TSDU Length", 14, ErrLength}
	case h.Options&FlagParity == 0 && d.SQN-d.Trail >= MaxWindow: // [6.1-11]
		return &Error{h.Type, "Trailing Edge", HeaderLen + 4, ErrWindow}
	}
	return nil
}

// Append appends the two fields, the options and the TSDU.
func (d Data) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(d.SQN))
	b = binary.BigEndian.AppendUint32(b, uint32(d.Trail))
	b = append(b, d.Options...)
	return append(b, d.TSDU...)
}
