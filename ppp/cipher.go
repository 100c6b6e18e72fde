package ppp

import (
	"fmt"
	"slices"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// A Policy says whether a link may carry packets in clear. The zero Policy is
// Disabled.
type Policy uint8

// The policies.
const (
	Disabled  Policy = iota // no encryption is spoken: its protocols are rejected
	Permitted               // we do not ask, and take it when the peer asks
	Preferred               // we ask, and go on in clear when the peer refuses
	Required                // nothing passes in clear, ever
)

var policyNames = [...]string{"disabled", "permitted", "preferred", "required"}

// String returns the word of the configuration.
func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// asks reports whether network protocols wait for encryption.
func (p Policy) asks() bool { return p >= Preferred }

// An Encryption says how the packets of a link must be protected. Whatever the
// Policy: what has once been encrypted never goes on in clear. When an encryption
// that was up goes down, the link ends, since going on would start the keys anew
// and repeat keystream.
type Encryption struct {
	Policy Policy
	// Ciphers may agree on the encryption, tried in turn until one has. Each is
	// for one link.
	Ciphers []Cipher
}

// A Cipher is an encryption control protocol (CCP, RFC 1962; ECP, RFC 1968) with
// the cipher that it agrees on. Its Up makes the Coder.
type Cipher interface {
	fsm.Protocol
	// Data is the protocol number of encrypted packets: 0x00FD.
	Data() uint16
	// Method is the word of the configuration: "mppe-128".
	Method() string
	// Inside reports whether packets of a protocol travel encrypted, and in no
	// other way, once the cipher is up.
	Inside(protocol uint16) bool
	// Coder does the work on packets. It is valid once Up has returned nil.
	Coder() Coder
	// Agreed says in words what was agreed on, once it is up.
	Agreed() string
	// Strength says in words what that is worth, once it is up.
	Strength() string
	// Dispute says in words what we asked for, what the peer offered and which
	// rule stands between; once the cipher is up, what is wrong with the packets
	// that come. Empty: nothing is known.
	Dispute() string
}

// A Coder encrypts and decrypts packets in place. A packet for it begins with its
// PPP protocol field, of one octet or two, and has no address and control fields.
type Coder interface {
	// Overhead is how much longer Seal makes a packet, in octets.
	Overhead() int
	// MaxInner is the longest network packet that may be sent to a peer with an
	// MRU of so many octets.
	MaxInner(peerMRU int) int
	// Seal encrypts packets in their order. Only one call runs at a time.
	Seal(pkts []*packet.Buffer)
	// Open decrypts packets, and returns those that may go on, in the memory of
	// pkts. The others are counted. It is safe for concurrent use. An error is
	// the end of the link.
	Open(pkts []*packet.Buffer) ([]*packet.Buffer, error)
	// Counters are the packets sealed and opened, and those dropped by reason.
	// It is safe for concurrent use.
	Counters() map[string]uint64
}

// A stepper is a Coder that falls out of step when packets are lost, and is put
// right by a Reset-Request (RFC 1962, section 3).
type stepper interface{ OutOfStep() bool }

// An eventer is a Coder that also counts what is no packet: resynchronisations,
// say. Its Events are safe for concurrent use.
type eventer interface{ Events() map[string]uint64 }

// An authenticator is a Coder whose Open lets nothing through that the peer has not
// sealed, and each packet once.
type authenticator interface{ Authenticates() bool }

func authenticates(c Coder) bool {
	a, ok := c.(authenticator)
	return ok && a.Authenticates()
}

// A sender is a Cipher that has packets of its own to send: Reset-Acks.
type sender interface{ SetSend(func(pkt []byte)) }

// A tunnel is what the data path knows of the cipher that is up.
type tunnel struct {
	Coder
	data   uint16
	inside func(protocol uint16) bool
	step   stepper // nil: it never falls out of step
	// authentic says that what is opened is the peer's.
	authentic bool
}

func newTunnel(c Cipher) *tunnel {
	t := &tunnel{Coder: c.Coder(), data: c.Data(), inside: c.Inside}
	t.step, _ = t.Coder.(stepper)
	t.authentic = authenticates(t.Coder)
	return t
}

// covers reports whether packets of a protocol travel inside: never the cipher's own.
// Nil covers nothing.
func (t *tunnel) covers(protocol uint16) bool {
	return t != nil && protocol != t.data && t.inside(protocol)
}

// open decrypts pkts and returns the good ones.
func (l *Link) open(t *tunnel, pkts []*packet.Buffer) []*packet.Buffer {
	opened, err := t.Open(pkts)
	if err != nil {
		l.broken.give(err.Error())
		return nil
	}
	if t.step != nil && t.step.OutOfStep() {
		select {
		case l.outOfStep <- struct{}{}:
		default: // Run knows
		}
	}
	return opened
}

// seal encrypts packets of a protocol and hands them to the carrier. The lock is
// the link's own: what is sealed first must leave first, since the peer takes a
// packet that comes after a later one for an old one.
func (l *Link) seal(v *view, protocol uint16, pkts []*packet.Buffer, df bool) (sum uint64, err error) {
	l.sealing.Lock()
	defer l.sealing.Unlock()
	for _, b := range pkts {
		v.framing.putProtocol(b, protocol)
	}
	v.tunnel.Seal(pkts)
	for _, b := range pkts {
		v.framing.put(b, v.tunnel.data)
	}
	sum = octets(pkts)
	return sum, l.cfg.Send(pkts, df)
}

// Overhead is what a packet grows by on its way into a frame, in octets: the
// header, as short as the peer allows (RFC 1661, sections 6.5 and 6.6), and
// encryption.
func (l *Link) Overhead() int {
	v := l.view.Load()
	n := v.framing.header()
	if v.tunnel != nil {
		n += v.tunnel.Overhead() + v.framing.protocolField()
	}
	return n
}

// MaxPacket returns the longest packet of a network protocol, in octets, that the
// peer accepts.
func (l *Link) MaxPacket() int { return l.view.Load().maxPacket() }

// expects reports whether protocol carries the packets of a cipher that is still
// being agreed on. The peer may be a moment ahead of us.
func (v *view) expects(protocol uint16) bool { return slices.Contains(v.expected, protocol) }
