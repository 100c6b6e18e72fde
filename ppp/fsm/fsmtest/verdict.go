package fsmtest

import (
	"slices"
	"testing"

	"sitebridge/ppp/fsm"
)

// CheckVerdict fails unless v is a lawful answer to the options (RFC 1661,
// sections 5.2 to 5.4): a Reject holds the peer's own octets, a Nak types of
// the request or those that may be appended, both in the request's order, and
// neither is empty.
func CheckVerdict(t testing.TB, peer []fsm.Option, v fsm.Verdict, mayAppend ...byte) {
	t.Helper()
	switch v.Code {
	case fsm.ConfigureAck:
		return
	case fsm.ConfigureNak, fsm.ConfigureReject:
	default:
		t.Fatalf("answered by %v", v.Code)
	}
	if len(v.Options) == 0 {
		t.Fatalf("an empty %v", v.Code)
	}
	for _, o := range v.Options {
		i := slices.IndexFunc(peer, func(p fsm.Option) bool {
			return p.Type == o.Type && (v.Code == fsm.ConfigureNak || p.Equal(o))
		})
		switch {
		case i >= 0:
			peer = peer[i+1:]
		case v.Code == fsm.ConfigureNak && slices.Contains(mayAppend, o.Type):
			peer = nil // appended ones come last
		default:
			t.Fatalf("%v of option %d % x is out of order, or was not asked", v.Code, o.Type, o.Data)
		}
	}
}
