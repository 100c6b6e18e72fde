package ppp

import "fmt"

// An End is why a link is over. Every Run that was not asked to stop by its
// context returns one.
type End struct {
	Kind   EndKind `json:"kind"`
	Reason string  `json:"reason"` // for the operator; what came from the peer is escaped in it
}

func (e *End) Error() string { return e.Reason }

// ended makes an End; what follows is as for fmt.Sprintf.
func ended(kind EndKind, format string, args ...any) *End {
	return &End{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// goodbye is what the peer is told: nothing of what it must not know, such as
// which names exist and whom we admit.
func (e *End) goodbye() string {
	switch e.Kind {
	case AuthFailed, AuthTimeout, PeerNotProved:
		return "authentication failed"
	case Refused:
		return "not admitted"
	}
	return e.Reason
}

// An EndKind is what a caller branches on: which ends are worth another try.
type EndKind uint8

// The kinds of End.
const (
	Closed           EndKind = iota + 1 // Close was called
	CarrierLost                         // HangUp was called
	PeerTerminated                      // the peer said goodbye
	NothingReceived                     // not one frame came: the carrier does not reach us
	NotHeard                            // frames came, but the peer seems not to get ours
	NoAnswer                            // frames came, but no answer to LCP or to any network protocol
	NotAgreed                           // the two sides' options do not meet
	LoopedBack                          // we talk to ourselves
	AuthFailed                          // the peer refused our proof
	AuthTimeout                         // authentication did not finish
	PeerNotProved                       // the peer did not prove who it is
	Refused                             // Config.Admit refused the peer
	Rejected                            // the peer does not know a protocol that the link needs
	EchoTimeout                         // the peer fell silent
	NoNetwork                           // no network protocol that is required can live
	EncryptionFailed                    // encryption is required, and the two ends do not agree on one
	EncryptionLost                      // encryption was up, and is not any more
)

var endKinds = [...]string{
	Closed:          "closed",
	CarrierLost:     "carrier_lost",
	PeerTerminated:  "peer_terminated",
	NothingReceived: "nothing_received",
	NotHeard:        "not_heard",
	NoAnswer:        "no_answer",
	NotAgreed:       "not_agreed",
	LoopedBack:      "looped_back",
	AuthFailed:      "auth_failed",
	AuthTimeout:     "auth_timeout",
	PeerNotProved:   "peer_not_proved",
	Refused:         "refused",
	Rejected:        "rejected",
	EchoTimeout:     "echo_timeout",
	NoNetwork:       "no_network",

	EncryptionFailed: "encryption_failed",
	EncryptionLost:   "encryption_lost",
}

// String returns the kind as one word, stable for status and metrics.
func (k EndKind) String() string {
	if int(k) < len(endKinds) && endKinds[k] != "" {
		return endKinds[k]
	}
	return fmt.Sprintf("end(%d)", uint8(k))
}

// MarshalText makes the kind a word in JSON.
func (k EndKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *EndKind) UnmarshalText(text []byte) error {
	for i, name := range endKinds {
		if name != "" && name == string(text) {
			*k = EndKind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no end of a link", text)
}
