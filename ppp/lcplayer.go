package ppp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sitebridge/ppp/fsm"
)

// An lcpLayer joins the options of LCP to the link: what its coming up and going
// down mean for the phase, and its codes beyond those of all protocols.
type lcpLayer struct {
	*lcp
	r *run
}

// Up takes what was agreed. A link that would leave somebody unproved who must
// be proved does not come up.
func (y lcpLayer) Up() error {
	switch c := &y.r.cfg; {
	case c.MustProve && y.theirs.Auth == 0:
		return ended(PeerNotProved, "peer did not ask us to prove ourselves with %s, and so it did not prove itself%s", words(c.Prove), y.gaveUp())
	case len(c.Ask) > 0 && y.ours.Auth == 0:
		return ended(PeerNotProved, "peer did not agree to prove itself with %s", words(c.Ask))
	}
	y.r.lowerUp(y.ours, y.theirs)
	return nil
}

// Down: LCP is negotiated again, or it is over. All above begins anew, but not on a
// link that was encrypted: the next one might not be, if somebody is in the way.
func (y lcpLayer) Down() {
	if y.r.encryption.active != nil && !leaving(y.r.lcp.State()) {
		y.r.end(ended(EncryptionLost, "encryption went down: peer negotiates LCP anew"))
	}
	y.r.lowerDown()
}

// lowerUp is LCP opened.
func (r *run) lowerUp(ours, theirs options) {
	r.ours, r.theirs = ours, theirs
	r.framing = framing{acfc: theirs.ACFC, pfc: theirs.PFC}
	r.goodbye = false
	r.changed = true
	r.publishView()
}

// lowerDown takes down all that stands on LCP.
func (r *run) lowerDown() {
	layers, ciphers := r.layers, r.stopEncryption()
	r.layers, r.required = nil, nil
	r.watch = watch{}
	r.stopAuth()
	r.ours, r.theirs, r.framing = options{}, options{}, framing{}
	r.phase, r.changed = PhaseEstablish, true
	r.publishView() // first: no packet passes a layer that is going down
	for _, y := range layers {
		y.machine.LowerDown()
	}
	for _, y := range ciphers {
		y.machine.LowerDown()
	}
}

// The codes that only LCP has (RFC 1661, section 5; RFC 1570, section 2).
const (
	codeProtocolReject fsm.Code = 8
	codeEchoRequest    fsm.Code = 9
	codeEchoReply      fsm.Code = 10
	codeDiscardRequest fsm.Code = 11
	codeIdentification fsm.Code = 12
	codeTimeRemaining  fsm.Code = 13
)

// magicLen is the length of the magic number that begins most of them.
const magicLen = 4

// receiveLCP takes an LCP packet in any phase.
func (r *run) receiveLCP(pkt []byte) {
	p, err := fsm.ParsePacket(pkt)
	if err == nil && p.Code != codeEchoReply {
		r.hear(time.Now()) // a reply must first show that it is not our own
	}
	if err == nil && p.Code == fsm.TerminateRequest {
		r.farewell, r.goodbye = farewell(p.Data), true
		if why := r.encryption.unreadable(); why != "" { // the peer may not know it
			r.farewell += "; " + why
		}
		r.foreseen = r.foresee(PeerTerminated, "peer ended the link"+r.farewell) // now: LCP takes down what knows it
	}
	r.lcp.Receive(pkt)
}

// windowsFarewell follows the magic number in the Terminate-Request of Windows;
// then comes the number of the error that it shows to its user.
const windowsFarewell = 0x003ccd74

// farewell tells what the data of a Terminate-Request says, with a colon in
// front. It may be any octets (RFC 1661, section 5.5).
func farewell(data []byte) string {
	switch {
	case len(data) == 0:
		return ""
	case len(data) == 12 && binary.BigEndian.Uint32(data[4:]) == windowsFarewell:
		return fmt.Sprintf(": Windows error %d", binary.BigEndian.Uint32(data[8:]))
	}
	return fmt.Sprintf(": %q", data[:min(len(data), maxText)])
}

// ReceiveExtra takes the packets that only LCP has.
func (y lcpLayer) ReceiveExtra(code fsm.Code, id byte, data []byte) (known bool) {
	r := y.r
	switch code {
	case codeProtocolReject:
		r.receiveProtocolReject(data)
	case codeEchoRequest:
		r.receiveEchoRequest(id, data)
	case codeEchoReply:
		r.receiveEchoReply(id, data)
	case codeDiscardRequest:
		r.counters.discarded.Add(1)
	case codeIdentification:
		r.receiveIdentification(data)
	case codeTimeRemaining:
		r.receiveTimeRemaining(data)
	default:
		return false
	}
	return true
}

// sendLCP sends a packet that no automaton sends, cut to the peer's MRU.
func (r *run) sendLCP(code fsm.Code, id byte, data []byte) {
	data = data[:min(len(data), r.PeerMRU()-fsm.HeaderLen)]
	r.send(protocolLCP, fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: id, Data: data}))
}

func (r *run) nextID() byte {
	r.id++
	return r.id
}

const (
	maxText  = 128 // octets of a peer's words that are kept
	maxTexts = 4   // Identifications that are kept: Windows sends two
)

// receiveIdentification keeps what the peer says it is (RFC 1570, section 2.1).
func (r *run) receiveIdentification(data []byte) {
	if len(data) < magicLen {
		r.counters.malformed.Add(1)
		return
	}
	text := data[magicLen:]
	said := escape(text[:min(len(text), maxText)])
	if len(r.said) < maxTexts && !slices.Contains(r.said, said) {
		r.said, r.changed = append(slices.Clip(r.said), said), true
	}
}

// receiveTimeRemaining (RFC 1570, section 2.2) changes nothing: the peer will
// say when the time is over.
func (r *run) receiveTimeRemaining(data []byte) {
	if len(data) < magicLen+4 {
		r.counters.malformed.Add(1)
		return
	}
	seconds := binary.BigEndian.Uint32(data[magicLen:])
	r.cfg.Log.Debug("peer limits the link's time", "seconds", seconds)
}

// escape makes text from a peer fit for a log or a terminal.
func escape(text []byte) string {
	q := strconv.QuoteToASCII(string(text))
	return q[1 : len(q)-1]
}
