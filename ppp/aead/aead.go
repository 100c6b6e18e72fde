// Package aead protects the packets of a link with an authenticated cipher, as
// docs/aead.md specifies it: keys from the EMSK of EAP-TLS, packets with an epoch
// and a counter, an anti-replay window and rekeying. It does not negotiate: that is
// package ecp.
package aead

import (
	"fmt"
	"time"

	"sitebridge/internal/packet"
)

// A packet is the epoch, the counter, the ciphertext and the tag. The first two
// are the nonce, and are authenticated.
const (
	epochLen  = 4
	headerLen = epochLen + 8
	tagLen    = 16
	overhead  = headerLen + tagLen
	shortest  = overhead + 1 // a protocol field of one octet
)

// Limits say when the sender goes on to the next epoch.
type Limits struct {
	Age     time.Duration // of an epoch; zero: 10 minutes
	Packets uint64        // of an epoch; zero: 2^28
}

// The packets that one key may protect are those of RFC 9001, appendix B.1.1, for
// packets of at most 2^11 octets, which ours are.
const (
	defaultAge     = 10 * time.Minute
	defaultPackets = 1 << 28
)

func (l Limits) withDefaults() Limits {
	if l.Age <= 0 {
		l.Age = defaultAge
	}
	if l.Packets == 0 {
		l.Packets = defaultPackets
	}
	return l
}

// A Coder encrypts and decrypts the packets of one link. A packet for it begins
// with its PPP protocol field.
type Coder struct {
	sealer sealer
	opener opener
	count  counters
}

// New makes the keys and wipes the EMSK, so that there is one Coder for an
// exchange. authenticator says that we are that in EAP.
func New(x Exchange, authenticator bool, l Limits) *Coder {
	send, receive := x.chains()
	if authenticator {
		send, receive = receive, send
	}
	return &Coder{sealer: newSealer(send, l.withDefaults()), opener: newOpener(receive)}
}

// Overhead is how much longer Seal makes a packet, in octets.
func (*Coder) Overhead() int { return overhead }

// longest leaves room in a buffer for the tag, behind a packet that a LAN's header
// was taken off.
const longest = packet.MaxLen - 64

// MaxInner returns the longest network packet for a peer with this MRU. The MRU
// counts what is inside: a receiver takes the overhead on top of it.
func (*Coder) MaxInner(peerMRU int) int { return min(peerMRU, longest) }

// Authenticates reports that what Open returns is the peer's, and new.
func (*Coder) Authenticates() bool { return true }

// Seal encrypts packets in place. One call at a time is allowed.
func (c *Coder) Seal(pkts []*packet.Buffer) {
	now := time.Now()
	for _, b := range pkts {
		c.sealer.seal(b, now)
	}
	c.count.sealed.Add(uint64(len(pkts)))
}

// Open decrypts packets in place and returns those that are the peer's, and new, in
// their order at the front of pkts; the others are behind them. It is safe for
// concurrent use. The error is always nil: whoever is on the path can forge a
// packet, and must not end the link with it.
func (c *Coder) Open(pkts []*packet.Buffer) ([]*packet.Buffer, error) {
	c.opener.mu.Lock()
	defer c.opener.mu.Unlock()
	n := 0
	for i, b := range pkts {
		if why := c.opener.open(b); why != good {
			c.count.drops[why].Add(1)
			continue
		}
		pkts[n], pkts[i] = b, pkts[n]
		n++
	}
	c.count.opened.Add(uint64(n))
	return pkts[:n], nil
}

// Format keeps the keys out of logs, for every verb.
func (*Coder) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }
