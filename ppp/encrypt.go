package ppp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// agreeWithin is how long both ends have to agree on encryption.
const agreeWithin = 30 * time.Second

// resetInterval is the time between two Reset-Requests: about a round trip of a
// far line.
const resetInterval = 100 * time.Millisecond

// An encryption is the state of a link's encryption. Candidates are tried in turn;
// network protocols wait meanwhile, where the policy asks for it.
type encryption struct {
	policy     Policy
	candidates []*cipherLayer // not refused yet; none but the first is being negotiated
	active     *cipherLayer   // the one that is up
	waits      bool           // network protocols wait
	deadline   time.Time      // until when, or of the first look at what came; zero: none
	refused    []string       // why candidates were given up, in words
	silence    bool           // one of them for want of an answer
	unspoken   bool           // one of them because the peer does not speak it
	resets     limiter
}

// A cipherLayer is a Cipher with its automaton.
type cipherLayer struct {
	Cipher
	r       *run
	machine *fsm.Machine
	early   []byte // the peer's newest Configure-Request, while it is not our turn
}

// Up is the cipher agreed on.
func (y *cipherLayer) Up() error {
	e := &y.r.encryption
	if e.active != nil {
		return errors.New("encryption was up already, and its keys must not be used again")
	}
	if err := y.Cipher.Up(); err != nil {
		return err
	}
	e.active, e.candidates, e.deadline = y, nil, time.Now().Add(keysWithin)
	y.r.changed = true
	y.r.publishView()
	return nil
}

// Down is the end of the link: going on would be in clear, or with keys that were
// used. The data path keeps the cipher until the network protocols are down.
func (y *cipherLayer) Down() {
	if y.r.encryption.active == y {
		y.r.end(y.lost())
	}
	y.Cipher.Down()
}

func (y *cipherLayer) lost() *End {
	reason := y.machine.Reason()
	switch {
	case errors.Is(reason, fsm.ErrProtocolRejected):
		return ended(EncryptionLost, "encryption refused: peer rejected %s, after it was up", y.Name())
	case reason == nil:
		reason = errors.New("peer negotiates anew, which would use the same keys again")
	}
	return ended(EncryptionLost, "encryption went down: %s: %v", y.Name(), reason)
}

// ReceiveExtra is for the codes 14 and 15.
func (y *cipherLayer) ReceiveExtra(code fsm.Code, id byte, data []byte) (known bool) {
	x, ok := y.Cipher.(fsm.ExtraCodes)
	return ok && x.ReceiveExtra(code, id, data)
}

// encrypt begins what the policy asks for, and reports whether network protocols
// wait for it.
func (r *run) encrypt(want Encryption) (waits bool) {
	r.encryption = encryption{policy: want.Policy, resets: limiter{every: resetInterval, burst: 1}}
	if want.Policy == Disabled {
		return false
	}
	e := &r.encryption
	for _, c := range want.Ciphers {
		y := &cipherLayer{Cipher: c, r: r}
		cfg := r.machineConfig(c.Number())
		cfg.AckRepeats = true
		y.machine = fsm.NewMachine(y, cfg)
		if s, ok := c.(sender); ok {
			s.SetSend(cfg.Send)
		}
		e.candidates = append(e.candidates, y)
	}
	if !want.Policy.asks() {
		return false
	}
	e.waits, e.deadline = true, time.Now().Add(agreeWithin)
	e.turn()
	return true
}

// begin negotiates, from what the peer has already asked for.
func (y *cipherLayer) begin() {
	y.machine.Open()
	y.machine.LowerUp()
	if y.early != nil {
		y.machine.Receive(y.early)
		y.early = nil
	}
}

func (y *cipherLayer) begun() bool { return y.machine.State() != fsm.Initial }

// settleEncryption goes on to the next candidate, or lets the network protocols
// start, or ends the link. It reports whether something happened.
func (r *run) settleEncryption() bool {
	e := &r.encryption
	switch {
	case e.active != nil:
		return e.waits && r.release()
	case len(e.candidates) > 0 && e.candidates[0].begun() && idle(e.candidates[0].machine.State()):
		r.giveUp(e.candidates[0])
	case len(e.candidates) > 0 || !e.waits:
		return false
	case e.policy == Required:
		r.end(r.notEncrypted())
	default:
		r.cfg.Log.Warn("nothing in this link is encrypted", "reason", strings.Join(e.refused, "; "))
		return r.release()
	}
	return true
}

// release starts the network protocols, from what the peer has asked for meanwhile.
// Where that travels inside, only what comes inside counts.
func (r *run) release() bool {
	r.encryption.waits, r.changed = false, true
	for _, y := range r.layers {
		y.machine.Open()
		y.machine.LowerUp()
		if y.early != nil && !r.view.Load().tunnel.covers(y.Number()) {
			y.machine.Receive(y.early)
		}
		y.early = nil
	}
	return true
}

// giveUp drops the first candidate, and begins with the next.
func (r *run) giveUp(y *cipherLayer) {
	e := &r.encryption
	e.refuse(y)
	e.candidates = e.candidates[1:]
	r.changed = true
	r.publishView()
	e.turn()
}

// turn begins with the next candidate, unless one is negotiated: that is the first
// or, where nobody waits for encryption, one that the peer has asked for.
func (e *encryption) turn() {
	if len(e.candidates) == 0 || e.candidates[0].begun() {
		return
	}
	i := slices.IndexFunc(e.candidates, func(y *cipherLayer) bool { return e.waits || y.early != nil })
	if i < 0 {
		return
	}
	y := e.candidates[i]
	e.candidates = slices.Insert(slices.Delete(e.candidates, i, i+1), 0, y)
	y.begin()
}

// refuse notes why a candidate is none any more.
func (e *encryption) refuse(y *cipherLayer) {
	e.refused = append(e.refused, fmt.Sprintf("%s: %s", y.Method(), y.why()))
	e.silence = e.silence || errors.Is(y.machine.Reason(), fsm.ErrNoAnswer)
	e.unspoken = e.unspoken || errors.Is(y.machine.Reason(), fsm.ErrProtocolRejected)
}

// why says why a cipher was not agreed on.
func (y *cipherLayer) why() string {
	words := "no reason is known"
	if err := y.machine.Reason(); err != nil {
		words = fmt.Sprintf("%s: %v", y.Name(), err)
	}
	if dispute := y.Dispute(); dispute != "" && !strings.Contains(words, dispute) {
		words += "; " + dispute
	}
	return words
}

// notEncrypted ends a link whose policy cannot be kept. A line that failed, unlike
// a peer that said no, is worth another try soon.
func (r *run) notEncrypted() *End {
	words := strings.Join(r.encryption.refused, "; ")
	if words == "" {
		words = "nothing that this link could use is configured, or authentication left no keys"
	}
	if r.encryption.unspoken {
		words += `; its encryption.policy may be "disabled", or its methods others than ours`
	}
	kind := EncryptionFailed
	if r.encryption.silence {
		kind = NoAnswer
	}
	return ended(kind, "encryption is required, and was not agreed on: %s", words)
}

// expireEncryption gives up what took too long.
func (r *run) expireEncryption(now time.Time) {
	e := &r.encryption
	for _, y := range slices.Clone(e.layers()) {
		y.machine.Expire()
	}
	if !passed(e.deadline, now) {
		return
	}
	e.deadline = time.Time{}
	if e.active != nil {
		r.doubt(now)
	}
	if len(e.candidates) > 0 && e.active == nil {
		e.candidates[0].machine.Close(fmt.Sprintf("not agreed on in %v", agreeWithin))
		e.refuse(e.candidates[0])
		e.candidates, e.silence = nil, true
		r.publishView()
	}
}

// layers are those whose automata may run.
func (e *encryption) layers() []*cipherLayer {
	if e.active != nil {
		return []*cipherLayer{e.active}
	}
	return e.candidates
}

// unreadable says in words why nothing that the peer encrypts can be read; "": it can.
func (e *encryption) unreadable() string {
	if e.active == nil {
		return ""
	}
	return e.active.Dispute()
}

// find returns the layer of a control protocol, or of the packets that it
// encrypts; nil: there is none, or it was given up.
func (e *encryption) find(protocol uint16) *cipherLayer {
	for _, y := range e.layers() {
		if y.Number() == protocol || y.Data() == protocol {
			return y
		}
	}
	return nil
}

// receiveCipher takes a packet of a cipher's control protocol. Where nobody waits
// for encryption, the peer's request begins it.
func (r *run) receiveCipher(y *cipherLayer, pkt []byte) {
	switch {
	case y.begun():
		y.machine.Receive(pkt)
	case isConfigureRequest(pkt):
		y.early = append(y.early[:0], pkt...)
		r.encryption.turn()
	}
}

func isConfigureRequest(pkt []byte) bool {
	p, err := fsm.ParsePacket(pkt)
	return err == nil && p.Code == fsm.ConfigureRequest
}

// receiveSealed takes an encrypted packet that came before the data path knew the
// cipher: the peer was a moment ahead. What is for the link's own loop is handled;
// data will come again.
func (r *run) receiveSealed(b *packet.Buffer) {
	t := r.view.Load().tunnel
	if t == nil {
		r.counters.beforeOpen.Add(1)
		return
	}
	one := [1]*packet.Buffer{b}
	for _, b := range r.open(t, one[:]) {
		switch protocol, ok := parseFrame(b); {
		case !ok:
			r.counters.malformed.Add(1)
		case !t.covers(protocol):
			r.counters.notInside.Add(1)
		case protocol >= firstControl:
			r.receive(frame{protocol, true, b})
		default:
			r.counters.beforeOpen.Add(1)
		}
	}
}

// askReset sends a Reset-Request (RFC 1962, section 3). Each packet that comes out
// of step asks for one.
func (r *run) askReset() {
	e := &r.encryption
	if e.active == nil || !e.resets.allow(time.Now()) {
		return
	}
	r.send(e.active.Number(), fsm.AppendPacket(nil, fsm.Packet{Code: codeResetRequest, ID: r.nextID()}))
}

// codeResetRequest is CCP's and ECP's (RFC 1962, section 3; RFC 1968, section 3).
const codeResetRequest fsm.Code = 14

// stopEncryption forgets all keys, with the layer below.
func (r *run) stopEncryption() []*cipherLayer {
	layers := r.encryption.layers()
	r.encryption = encryption{}
	return layers
}
