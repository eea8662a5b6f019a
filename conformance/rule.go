package conformance

import (
	"slices"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Rule is something that a capture can show to be broken.
type Rule struct {
	Name    string   // as the ledger and the folders of testdata call it
	Clauses []string // those that its findings name, or that it holds together with others
	Fires   string   // on what

	types []packet.Type // of the packets that it is shown; nil: all
	raw   bool          // it is shown packets that a receiver drops, too, before their session is known
	see   func(p *sight)
	end   func(s *session) // when the session is over: what never came

	parity bool // it is shown packets with OPT_PARITY, too
}

// Rules returns all rules, noun by noun.
func Rules() []*Rule { return slices.Clone(rules) }

var rules = slices.Concat(
	headerRules, optionRules, fragmentRules, sessionRules,
	spmRules, heartbeatRules, windowRules, odataRules, rdataRules,
	nakRules, ncfRules, requestRules, pollRules, backOffRules, endingRules, rateRules,
	parityOfferRules, parityRules, parityRequestRules,
)

// shown holds the rules by the type of the packets that they are shown.
type shown [16][]*Rule

var rawRules, sessionRulesOf, endRules = sortRules(rules)

func sortRules(all []*Rule) (raw, followed *shown, end []*Rule) {
	raw, followed = new(shown), new(shown)
	for _, r := range all {
		if r.end != nil {
			end = append(end, r)
		}
		if r.see == nil {
			continue
		}
		for t := range followed {
			if r.types != nil && !slices.Contains(r.types, packet.Type(t)) {
				continue
			}
			if r.raw {
				raw[t] = append(raw[t], r)
			} else {
				followed[t] = append(followed[t], r)
			}
		}
	}
	return raw, followed, end
}

var (
	onSPM   = []packet.Type{packet.TypeSPM}
	onODATA = []packet.Type{packet.TypeODATA}
	onRDATA = []packet.Type{packet.TypeRDATA}
	onData  = []packet.Type{packet.TypeODATA, packet.TypeRDATA}
	onNAK   = []packet.Type{packet.TypeNAK}
	onNCF   = []packet.Type{packet.TypeNCF}
	onSPMR  = []packet.Type{packet.TypeSPMR}
)
