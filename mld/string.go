package mld

import "strings"

// String returns the message in the RFC's words: "MLDv2 Report TO_EX ff08::1 {fd00::1}", "MLDv2 Query ff08::1 {} S delay 1s robustness 2 interval 2m5s".
func (m *Message) String() string {
	f := MLD
	if m.Group.Is4() || len(m.Records) > 0 && m.Records[0].Group.Is4() {
		f = IGMP
	}
	var b strings.Builder
	b.WriteString(f.Name(m.Version) + " " + m.Kind.String())
	switch {
	case m.Kind == Report && m.Version >= MLDv2:
		for i, r := range m.Records {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(" " + r.Type.String() + " " + r.Group.String() + " {" + join(r.Sources) + "}")
		}
		return b.String()
	case m.General():
		b.WriteString(" of all groups")
	default:
		b.WriteString(" " + m.Group.String())
	}
	if m.Kind != Query {
		return b.String()
	}
	if len(m.Sources) > 0 {
		b.WriteString(" {" + join(m.Sources) + "}")
	}
	if m.Suppress {
		b.WriteString(" S")
	}
	b.WriteString(" delay " + m.MaxDelay.String())
	if m.Version >= MLDv2 {
		b.WriteString(" robustness " + string('0'+rune(m.Robustness)) + " interval " + m.Interval.String())
	}
	return b.String()
}
