package packet

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// GSI is a Global Source ID: six octets that name a source, the same for the life of a session [8-15].
type GSI [6]byte

// String returns the identifier as twelve hexadecimal digits.
func (g GSI) String() string { return hex.EncodeToString(g[:]) }

// HostGSI returns the GSI of a host by the rule of [8-16]: the low-order 48 bits of the MD5 of its DNS name.
func HostGSI(name string) GSI {
	sum := md5.Sum([]byte(name))
	return GSI(sum[10:16])
}

// TSI is a Transport Session Identifier: the GSI of the source and its Data-Source Port [3.1-01].
type TSI struct {
	GSI  GSI
	Port uint16
}

// String returns the TSI as tshark and OpenPGM users know it, but with the GSI in one piece: 0a1b2c3d4e5f.7500.
func (t TSI) String() string { return t.GSI.String() + "." + strconv.Itoa(int(t.Port)) }

// ParseTSI reads what String writes.
func ParseTSI(s string) (TSI, error) {
	gsi, port, ok := strings.Cut(s, ".")
	raw, err := hex.DecodeString(gsi)
	n, perr := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || perr != nil || len(raw) != len(GSI{}) {
		return TSI{}, fmt.Errorf("packet: %q is not a TSI such as 0a1b2c3d4e5f.7500", s)
	}
	return TSI{GSI: GSI(raw), Port: uint16(n)}, nil
}
