package ppp

import "fmt"

// A Phase of a link (RFC 1661, section 3.2).
type Phase uint8

// The phases, in the order in which a link goes through them.
const (
	PhaseDead         Phase = iota // nothing is sent
	PhaseEstablish                 // LCP negotiates; all else is dropped
	PhaseAuthenticate              // each side proves itself as agreed; NCPs are dropped
	PhaseNetwork                   // NCPs negotiate and data flows
	PhaseTerminate                 // LCP says goodbye
)

var phaseNames = [...]string{"dead", "establish", "authenticate", "network", "terminate"}

func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText makes the phase a word in JSON.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Phase) UnmarshalText(text []byte) error {
	for i, name := range phaseNames {
		if name == string(text) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no phase of a link", text)
}
