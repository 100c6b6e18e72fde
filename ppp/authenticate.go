package ppp

import (
	"time"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// lastWord is how long a peer that failed to prove itself has for hearing so,
// and for asking again, before the link goes down.
const lastWord = time.Second

// A proof is one direction of authentication. The nil proof is one that was not
// agreed on.
type proof struct {
	auth.Exchange
	method   auth.Method
	verdict  auth.Verdict
	name     string    // that the peer proved
	keys     auth.Keys // for encryption; nil: none
	deadline time.Time // of the Exchange's timer
	last     []byte    // what we sent last

	// waits is set until the peer has proved itself; early is the last packet
	// for us that came before that.
	waits bool
	early []byte
}

func (p *proof) due() time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.deadline
}

// done reports whether nothing is left to prove.
func (p *proof) done() bool { return p == nil || p.verdict == auth.Success }

// speaks reports whether p was agreed on, with protocol.
func (p *proof) speaks(protocol uint16) bool { return p != nil && p.Protocol() == protocol }

// authenticate starts the directions that were agreed on. They run side by side
// (RFC 1661, section 3.5), and live as long as LCP is open: a verdict that was
// lost is repeated, and the peer may challenge us again. Only an answerer does
// not prove itself before its caller has: anyone may call, and PAP would tell
// him our secret, CHAP give him an answer to any challenge he likes.
func (r *run) authenticate() {
	r.authDeadline = time.Now().Add(r.cfg.AuthTimeout)
	if m := r.ours.Auth; m != 0 {
		c := r.cfg.Authenticator
		c.EAP = ofEAP(r.cfg.Ask)
		r.asked = &proof{Exchange: auth.NewAuthenticator(m, c), method: m}
	}
	if m := r.theirs.Auth; m != 0 {
		c := r.cfg.Peer
		c.EAP = ofEAP(r.cfg.Prove)
		if r.asked != nil {
			c.Outstanding = auth.Outstanding(r.asked.Exchange)
		}
		r.proving = &proof{Exchange: auth.NewPeer(m, c), method: m, waits: r.asked != nil && !r.cfg.MustProve}
	}
	for _, p := range []*proof{r.asked, r.proving} {
		if p != nil && !p.waits {
			r.judged(p, p.Start())
		}
	}
}

// proveNow starts our own proof, if it waited for the peer's.
func (r *run) proveNow() {
	p := r.proving
	if p == nil || !p.waits {
		return
	}
	p.waits = false
	r.judged(p, p.Start())
	if p.early != nil {
		r.judged(p, p.Receive(p.early))
		p.early = nil
	}
}

func (r *run) stopAuth() {
	r.unask()
	for _, p := range []*proof{r.asked, r.proving} {
		if p != nil {
			p.Close()
		}
	}
	r.asked, r.proving, r.authDeadline = nil, nil, time.Time{}
}

// receiveAuth hands a packet to the direction that it belongs to. A protocol
// that was not agreed on is dropped whole.
func (r *run) receiveAuth(protocol uint16, pkt []byte) {
	p := r.proving
	if !p.speaks(protocol) || r.asked.speaks(protocol) && auth.ToAuthenticator(protocol, pkt) {
		p = r.asked
	}
	if !p.speaks(protocol) {
		r.counters.authNotAgreed.Add(1)
		return
	}
	if p.waits {
		p.early = append(p.early[:0], pkt...)
		return
	}
	r.judged(p, p.Receive(pkt))
}

func (r *run) expireAuth(now time.Time) {
	for _, p := range []*proof{r.asked, r.proving} {
		if passed(p.due(), now) {
			p.deadline = time.Time{}
			r.judged(p, p.Timeout())
		}
	}
	if passed(r.authDeadline, now) {
		r.authDeadline = time.Time{}
		r.end(r.authTooLong())
	}
}

func (r *run) authTooLong() *End {
	if !r.asked.done() {
		return ended(AuthTimeout, "peer did not finish to prove itself with %v in %v", r.asked.method, r.cfg.AuthTimeout)
	}
	return ended(AuthTimeout, "peer did not finish to judge our proof with %v in %v", r.proving.method, r.cfg.AuthTimeout)
}

// judged does what a step of p asks for.
func (r *run) judged(p *proof, out auth.Output) {
	if out.Send != nil {
		p.last = append(p.last[:0], out.Send...)
		r.send(p.Protocol(), out.Send)
	}
	if out.Drop != "" {
		r.counters.authIgnored.Add(1)
	}
	if out.Notice != "" {
		r.cfg.Log.Info("peer notifies", "text", out.Notice)
	}
	if out.Wait > 0 {
		p.deadline = time.Now().Add(out.Wait)
	}
	if out.Ask != nil {
		r.ask(p, out.Ask)
	}
	p.verdict = out.Verdict
	switch out.Verdict {
	case auth.Success:
		p.deadline = time.Time{}
		p.name = out.Name
		if out.Method != 0 {
			p.method = out.Method
		}
		if out.Keys != nil {
			p.keys = out.Keys
		}
		if p == r.asked {
			r.proveNow()
		}
	case auth.Failure:
		p.deadline = time.Time{}
		r.failed(p, out)
	}
}

// remind says our last word again when the peer has gone on to the network phase
// while we wait for its verdict on us: that was lost, CHAP repeats it only for a
// repeated Response (RFC 1994, section 4.2), and the peer would take our silence
// for a dead line.
func (r *run) remind() {
	if p := r.proving; p != nil && p.verdict == auth.Pending && p.last != nil && r.reminders.allow(time.Now()) {
		r.send(p.Protocol(), p.last)
	}
}

// presume tells an exchange that waits for its last word that the peer has gone on
// without it, and reports whether that is enough.
func (r *run) presume() bool {
	p := r.proving
	if p == nil || p.verdict != auth.Pending {
		return false
	}
	x, ok := p.Exchange.(auth.Presumer)
	if !ok {
		return false
	}
	r.judged(p, x.Presume())
	return p.verdict == auth.Success
}

// failed ends the link. A peer that was refused hears it before that. Giving up is
// no verdict: the line may have failed, and the next try may well succeed.
func (r *run) failed(p *proof, out auth.Output) {
	if out.GaveUp {
		r.end(ended(AuthTimeout, "authentication with %v: %s", p.method, out.Reason))
		return
	}
	if p == r.asked && r.ending == nil {
		r.linger = time.Now().Add(lastWord)
	}
	r.end(r.refusal(p, out.Reason))
}

// refusal is the end that a link comes to when an exchange has failed.
func (r *run) refusal(p *proof, reason string) *End {
	if p == r.proving {
		return ended(AuthFailed, "authentication with %v failed: %s", p.method, reason)
	}
	return ended(PeerNotProved, "peer did not prove itself with %v: %s", p.method, reason)
}

// proved reports whether the phase is over.
func (r *run) proved() bool { return r.asked.done() && r.proving.done() }

// proven returns whom the peer proved to be. An authenticator proves its name too,
// where the method has certificates.
func (r *run) proven() Identity {
	for _, p := range []*proof{r.asked, r.proving} {
		if p != nil && (p == r.asked || p.name != "") {
			return Identity{Name: p.name, Method: p.method, Proved: true}
		}
	}
	return Identity{}
}

// used returns the method by which the peer has proved itself or, if we have not
// asked, we have; 0: none.
func (r *run) used() auth.Method {
	for _, p := range []*proof{r.asked, r.proving} {
		if p != nil && p.verdict == auth.Success {
			return p.method
		}
	}
	return 0
}

// forgetKeys wipes what authentication has left: those who need keys have made their
// own of them by now, which can be exchanged for later ones and not be computed from.
func (r *run) forgetKeys() {
	for _, p := range []*proof{r.asked, r.proving} {
		if p != nil && p.keys != nil {
			p.keys.Wipe()
			p.keys = nil
		}
	}
}

// admission is what Config.Admit is told. With two directions that leave keys the
// two ends could take different ones: then there are none.
func (r *run) admission(id Identity) Admission {
	a := Admission{Identity: id, Used: r.used(), OurLCP: fsm.AppendOptions(nil, r.ours.list()), PeerLCP: r.options.peerRequest}
	for _, p := range []*proof{r.asked, r.proving} {
		switch {
		case p == nil || p.keys == nil:
		case a.Keys != nil:
			a.Keys = nil
			return a
		default:
			a.Keys = p.keys
		}
	}
	return a
}
