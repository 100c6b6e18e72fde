package ppp

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"sitebridge/ppp/fsm"
)

// A layer is an NCP with its automaton. It stands between the two to open and
// close the gates for the NCP's data at the right moment.
type layer struct {
	NCP
	r        *run
	machine  *fsm.Machine
	out, in  bool      // which way data may pass
	reopenAt time.Time // when to try again; zero: it lives, or never
	early    []byte    // the peer's newest Configure-Request, while we wait for encryption
}

// reopenAfter is how long a layer that gave up rests until it tries again.
const reopenAfter = 30 * time.Second

// rest arranges another try for a layer that gave up, since its peer may think
// that it is open: the end that gives up says nothing (RFC 1661, section 4.4).
// What the peer does not speak at all is left alone.
func (y *layer) rest(now time.Time) {
	switch {
	case !idle(y.machine.State()):
		y.reopenAt = time.Time{}
	case y.reopenAt.IsZero() && !errors.Is(y.machine.Reason(), fsm.ErrProtocolRejected):
		y.reopenAt = now.Add(reopenAfter)
	}
}

// reopen tries again if it is time.
func (y *layer) reopen(now time.Time) {
	if passed(y.reopenAt, now) {
		y.reopenAt = time.Time{}
		y.machine.Open()
	}
}

// Up lets data out before the NCP is told, so that it can send from its Up, and
// in after that: the NCP must know what was agreed before it gets a packet.
func (y *layer) Up() error {
	y.pass(true, false)
	if err := y.NCP.Up(); err != nil {
		y.pass(false, false)
		return err
	}
	y.pass(true, true)
	return nil
}

func (y *layer) Down() {
	y.pass(false, false)
	y.NCP.Down()
}

func (y *layer) pass(out, in bool) {
	y.out, y.in = out, in
	y.r.publishView()
}

// ReceiveExtra is for NCPs that have codes of their own.
func (y *layer) ReceiveExtra(code fsm.Code, id byte, data []byte) (known bool) {
	x, ok := y.NCP.(fsm.ExtraCodes)
	return ok && x.ReceiveExtra(code, id, data)
}

// admit asks what the peer may do, and starts the network protocols.
func (r *run) admit() {
	r.authDeadline = time.Time{}
	id := r.proven()
	if r.identity.Proved && r.identity != id {
		r.end(ended(Refused, "peer proved to be %q with %v, after it was %q with %v", id.Name, id.Method, r.identity.Name, r.identity.Method))
		return
	}
	r.identity = id
	network, err := r.cfg.Admit(r.admission(id))
	r.forgetKeys()
	if err != nil {
		r.end(ended(Refused, "%v", err))
		return
	}
	r.required = network.Required
	for _, n := range network.NCPs {
		y := &layer{NCP: n, r: r}
		y.machine = fsm.NewMachine(y, r.machineConfig(n.Number()))
		r.layers = append(r.layers, y)
	}
	r.watch = newWatch(network.Echo, time.Now())
	waits := r.encrypt(network.Encryption)
	r.publishView()
	if !waits {
		r.release()
	}
}

// receiveNetwork takes what is neither LCP nor authentication, in the Network
// phase.
func (r *run) receiveNetwork(f frame) {
	protocol, pkt := f.protocol, f.Bytes()
	tunnel := r.view.Load().tunnel
	if y := r.encryption.find(protocol); y != nil {
		if y.Data() == protocol {
			r.receiveSealed(f.Buffer)
		} else {
			r.receiveCipher(y, pkt)
		}
		return
	}
	if tunnel.covers(protocol) && !f.sealed {
		r.counters.clear.Add(1)
		return
	}
	for _, y := range r.layers {
		if y.Number() == protocol {
			y.receive(pkt)
			return
		}
	}
	if f.sealed || r.encryption.waits { // nothing that came encrypted, or should have, goes back in clear
		pkt = nil
	}
	r.rejectProtocol(protocol, pkt)
}

// receive takes a packet of the layer's control protocol. One that comes before
// encryption is neither answered nor lost: a Terminate-Ack would make the peer
// wait, and some peers give up for it.
func (y *layer) receive(pkt []byte) {
	if !y.r.encryption.waits {
		y.machine.Receive(pkt)
	} else if isConfigureRequest(pkt) {
		y.early = append(y.early[:0], pkt...)
	}
}

// rejectProtocol tells the peer that we do not run a protocol (RFC 1661,
// section 5.7), with as much of the packet as the peer receives.
func (r *run) rejectProtocol(protocol uint16, pkt []byte) {
	r.counters.unknownProtocol.Add(1)
	if r.ending == nil && r.rejects.allow(time.Now()) {
		data := binary.BigEndian.AppendUint16(nil, protocol)
		r.sendLCP(codeProtocolReject, r.nextID(), append(data, pkt...))
	}
}

// receiveProtocolReject takes down what the peer does not know, and only that,
// unless the link cannot do without (RFC 1661, section 5.7).
func (r *run) receiveProtocolReject(data []byte) {
	if len(data) < 2 {
		r.counters.malformed.Add(1)
		return
	}
	if !r.lcp.Opened() {
		r.counters.beforeLCP.Add(1)
		return
	}
	r.counters.rejectedByPeer.Add(1)
	protocol := binary.BigEndian.Uint16(data)
	switch {
	case protocol == protocolLCP:
		r.end(ended(Rejected, "peer rejects LCP itself"))
	case r.asked.speaks(protocol):
		r.end(ended(Rejected, "peer rejects %v, by which it had agreed to prove itself", r.asked.method))
	case r.proving.speaks(protocol):
		r.end(ended(Rejected, "peer rejects %v, by which it had asked us to prove ourselves", r.proving.method))
	}
	for _, y := range r.layers {
		if y.Number() == protocol || slices.Contains(y.Data(), protocol) {
			y.machine.ProtocolRejected()
		}
	}
	if y := r.encryption.find(protocol); y != nil {
		y.machine.ProtocolRejected()
	}
}

// closeLayer carries out CloseLayer.
func (r *run) closeLayer(u unwanted) {
	for _, y := range r.layers {
		if y.Name() == u.name && !idle(y.machine.State()) {
			y.machine.Close(u.reason)
		}
	}
}

// checkRequired ends the link when no network protocol that it is for can live.
func (r *run) checkRequired() bool {
	if r.encryption.waits || r.ending != nil {
		return false
	}
	var dead []string
	kind := NoNetwork
	for _, y := range r.layers {
		if len(r.required) > 0 && !slices.Contains(r.required, y.Name()) {
			continue
		}
		if !idle(y.machine.State()) {
			return false
		}
		if errors.Is(y.machine.Reason(), fsm.ErrNoAnswer) {
			kind = NoAnswer // it may be the line, and not what the two want
		}
		dead = append(dead, y.why())
	}
	if dead == nil && len(r.required) == 0 {
		return false // nothing is required
	}
	if dead == nil {
		dead = r.required
	}
	if why := r.encryption.unreadable(); why != "" {
		dead = append([]string{why}, dead...) // the cause of the others: it comes first, since the peer is told no more than that
	}
	r.end(ended(kind, "no network protocol can run: %s", strings.Join(dead, "; ")))
	return true
}

// why tells why the layer is down: "IPCP: no answer to 10 Configure-Requests".
func (y *layer) why() string {
	if err := y.machine.Reason(); err != nil {
		return y.Name() + ": " + err.Error()
	}
	return y.Name()
}

// tunnel returns what the data path needs of the cipher that is up: the same as
// before, as long as it is the same cipher.
func (r *run) tunnel(y *cipherLayer) *tunnel {
	if t := r.view.Load().tunnel; t != nil && t.Coder == y.Coder() {
		return t
	}
	return newTunnel(y.Cipher)
}

// publishView tells the data path what is so from now on.
func (r *run) publishView() {
	v := &view{framing: r.framing, peerMRU: defaultMRU, network: r.phase == PhaseNetwork && r.ending == nil}
	if r.theirs.MRU != 0 {
		v.peerMRU = int(r.theirs.MRU)
	}
	for _, y := range r.layers {
		v.layers = append(v.layers, gates{ncp: y.NCP, data: y.Data(), out: y.out, in: y.in})
	}
	if y := r.encryption.active; y != nil {
		v.tunnel = r.tunnel(y)
	}
	for _, y := range r.encryption.candidates {
		v.expected = append(v.expected, y.Data())
	}
	r.view.Store(v)
}

var (
	_ fsm.ExtraCodes = (*layer)(nil)
	_ fsm.ExtraCodes = (*cipherLayer)(nil)
	_ fsm.ExtraCodes = lcpLayer{}
)
