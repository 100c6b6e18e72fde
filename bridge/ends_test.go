package bridge

import (
	"errors"
	"fmt"
	"testing"

	"sitebridge/ppp"
)

func TestEndsAreCountedByWhatWasWrong(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Ends
	}{
		{errors.New("connection refused"), Ends{Control: 1}},
		{&ppp.End{Kind: ppp.CarrierLost}, Ends{Control: 1}},
		{&ppp.End{Kind: ppp.NothingReceived}, Ends{NoGRE: 1}},
		{&ppp.End{Kind: ppp.NotHeard}, Ends{NoGRE: 1}},
		{&ppp.End{Kind: ppp.EchoTimeout}, Ends{Silence: 1}},
		{&refusal{fmt.Errorf("link: %w", &ppp.End{Kind: ppp.AuthFailed})}, Ends{Authentication: 1}},
		{&ppp.End{Kind: ppp.EncryptionFailed}, Ends{Encryption: 1}},
		{&ppp.End{Kind: ppp.NoNetwork}, Ends{Negotiation: 1}},
		{&ppp.End{Kind: ppp.PeerTerminated}, Ends{Peer: 1}},
	} {
		var e Ends
		e.count(c.err)
		if e != c.want {
			t.Errorf("%v: %+v, want %+v", c.err, e, c.want)
		}
	}
}
