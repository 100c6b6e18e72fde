package ppp

import (
	"context"
	"errors"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// A run is the part of a Link that belongs to the goroutine of Run: the
// automata, the timers, the phase. Nothing here needs a lock.
type run struct {
	*Link
	ctx     context.Context // ends with Run
	unask   func()          // ends the question that is out
	phase   Phase
	options *lcp
	lcp     *fsm.Machine
	ours    options // as agreed, while LCP is open
	theirs  options
	framing framing

	authDeadline time.Time // of the whole phase
	asked        *proof    // the peer proves itself to us
	proving      *proof    // we prove ourselves
	identity     Identity  // of the peer, once proved

	encryption encryption

	layers   []*layer
	required []string
	watch    watch
	echo     probe
	sized    map[byte]*sized // echoes of a size that are out

	id          byte     // of the last LCP packet of ours that no automaton sends
	echoReplies limiter  // against being made an amplifier
	rejects     limiter  // Protocol-Rejects
	reminders   limiter  // see remind
	said        []string // the peer's Identifications, escaped

	goodbye  bool      // the peer sent a Terminate-Request
	farewell string    // what it said with it
	foreseen *End      // what it was about
	timedOut bool      // LCP gave up waiting
	deaf     bool      // for a peer that talks, but not to us
	ending   *End      // why the link ends, once it does
	linger   time.Time // when to terminate: the peer shall get our last word first

	changed bool // since publish
	one     [1]*packet.Buffer
}

// Run brings the link up, keeps it and ends it. It returns nil when ctx ended,
// after an orderly goodbye that takes a few seconds at most, and else an *End.
// It may be called once.
func (l *Link) Run(ctx context.Context) error {
	r := newRun(l)
	over, end := context.WithCancel(ctx)
	defer end()
	r.ctx = over
	defer r.stopAuth()
	r.begin()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	closing, broken, stop := l.closing.given, l.broken.given, ctx.Done()
	for r.settle(); r.phase != PhaseDead; r.settle() {
		if at := r.deadline(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
		select {
		case f := <-l.queue:
			r.receive(f)
			packet.Put(f.Buffer)
		case <-l.outOfStep:
			r.askReset()
		case u := <-l.unwanted:
			r.closeLayer(u)
		case s := <-l.sizes:
			r.sendSized(s)
		case v := <-l.rulings:
			r.rule(v)
		case <-broken:
			broken = nil
			r.endNow(&End{EncryptionLost, l.broken.reason})
		case <-timer.C:
			r.expire(time.Now())
		case <-closing:
			closing = nil
			r.endNow(&End{Closed, l.closing.reason})
		case <-l.hungUp.given:
			r.endNow(r.lost())
			r.lcp.LowerDown()
		case <-stop:
			stop = nil
			r.endNow(&End{Closed, "link closed by administrator"})
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return r.ending
}

func newRun(l *Link) *run {
	r := &run{
		Link:        l,
		options:     newLCP(l.cfg),
		echoReplies: limiter{every: 50 * time.Millisecond, burst: 20},
		rejects:     limiter{every: time.Second, burst: 8},
		reminders:   limiter{every: time.Second, burst: 1},
		sized:       map[byte]*sized{},
		unask:       func() {},
	}
	r.lcp = fsm.NewMachine(lcpLayer{r.options, r}, r.machineConfig(protocolLCP))
	return r
}

// begin starts LCP. The carrier is there, so the layer below it is up.
func (r *run) begin() {
	r.lcp.Open()
	r.lcp.LowerUp()
	r.enter(PhaseEstablish)
}

// machineConfig is what the automaton of a protocol gets from the link.
func (r *run) machineConfig(protocol uint16) fsm.Config {
	return fsm.Config{
		Send:   func(pkt []byte) { r.send(protocol, pkt) },
		MaxLen: r.PeerMRU,
		Log:    r.cfg.Log,
	}
}

// receive takes a packet from the queue, and drops what comes in a phase in
// which it is not due. That is done silently: a peer that is one phase ahead
// will say it again, and a Protocol-Reject would stop it from doing so.
func (r *run) receive(f frame) {
	protocol, pkt := f.protocol, f.Bytes()
	r.counters.controlIn.Add(1)
	r.showReceived(f)
	if protocol == protocolLCP {
		r.receiveLCP(pkt)
		return
	}
	r.hear(time.Now())
	switch {
	case r.phase == PhaseEstablish || r.phase == PhaseTerminate:
		r.counters.beforeLCP.Add(1)
	case isAuthentication(protocol):
		r.receiveAuth(protocol, pkt)
	case r.phase == PhaseAuthenticate:
		if r.presume() {
			r.settle()
		}
		if r.phase == PhaseNetwork {
			r.receiveNetwork(f)
			return
		}
		r.counters.beforeAuth.Add(1)
		r.remind()
	default:
		r.receiveNetwork(f)
	}
}

// deadline returns when expire has something to do, zero for never.
func (r *run) deadline() time.Time {
	first := r.lcp.Deadline()
	for _, t := range []time.Time{r.linger, r.authDeadline, r.asked.due(), r.proving.due(), r.watch.deadline, r.encryption.deadline} {
		first = earlier(first, t)
	}
	for _, y := range r.encryption.layers() {
		first = earlier(first, y.machine.Deadline())
	}
	for _, y := range r.layers {
		first = earlier(first, earlier(y.machine.Deadline(), y.reopenAt))
	}
	return first
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// expire does all that is due at now.
func (r *run) expire(now time.Time) {
	if passed(r.lcp.Deadline(), now) {
		r.deaf = r.unheard()
		r.lcp.Expire()
		r.timedOut = idle(r.lcp.State())
	}
	r.expireAuth(now)
	if passed(r.watch.deadline, now) {
		r.supervise(now)
	}
	r.expireEncryption(now)
	for _, y := range r.layers {
		y.machine.Expire() // does nothing when it is early
		y.reopen(now)
	}
}

// settle takes the phase as far as the automata allow, and tells of it.
func (r *run) settle() {
	for r.advance() {
	}
	for _, y := range r.layers {
		if !r.encryption.waits {
			y.rest(time.Now())
		}
	}
	r.publish()
}

// advance takes the phase one step on, and reports whether it did.
func (r *run) advance() bool {
	state := r.lcp.State()
	if r.ending == nil && leaving(state) {
		r.end(r.why())
	}
	switch {
	case r.phase == PhaseDead:
		return false
	case idle(state):
		r.enter(PhaseDead)
	case r.ending != nil:
		return r.terminate(time.Now())
	case r.phase == PhaseEstablish && r.lcp.Opened():
		r.enter(PhaseAuthenticate)
		r.authenticate()
	case r.phase == PhaseAuthenticate && r.proved():
		r.enter(PhaseNetwork)
		r.admit()
	case r.phase == PhaseNetwork:
		return r.settleEncryption() || r.checkRequired()
	default:
		return false
	}
	return true
}

// idle reports whether an automaton will not come up by itself.
func idle(s fsm.State) bool { return s <= fsm.Stopped }

// leaving reports whether an automaton is on its way down, or there.
func leaving(s fsm.State) bool { return s <= fsm.Stopping }

func (r *run) enter(p Phase) {
	r.cfg.Log.Debug("phase", "from", r.phase, "to", p)
	r.phase, r.changed = p, true
}

// end says why the link ends. The first reason counts: the others follow from it.
func (r *run) end(e *End) {
	if r.ending == nil {
		r.ending, r.changed = e, true
	}
}

// endNow ends the link without waiting for anything.
func (r *run) endNow(e *End) {
	r.end(e)
	r.linger = time.Time{}
}

// terminate says goodbye, when it is time to.
func (r *run) terminate(now time.Time) bool {
	if r.phase == PhaseTerminate || !r.linger.IsZero() && now.Before(r.linger) {
		return false
	}
	r.linger = time.Time{}
	r.lcp.Close(r.ending.goodbye()) // takes all down that is up
	r.lowerDown()
	r.enter(PhaseTerminate)
	return true
}

// lost tells why the carrier is gone. A peer that will not agree may end the
// call before LCP has run out of tries.
func (r *run) lost() *End {
	switch d := r.options.dispute(); {
	case r.unheard():
		return ended(NotHeard, "%s; before that, its requests reached us and ours were not answered", r.hungUp.reason)
	case d == "":
		return r.foresee(CarrierLost, r.hungUp.reason)
	case r.goodbye:
		return ended(NotAgreed, "peer ended the link%s%s", r.farewell, d)
	default:
		return ended(NotAgreed, "%s%s", r.hungUp.reason, d)
	}
}

// deafAfter is how long a peer that talks may leave our requests unanswered until it
// looks as if they did not reach it.
const deafAfter = 3 * time.Second

// unheard reports whether the peer talks to us as if it did not hear us.
func (r *run) unheard() bool {
	return r.lcp.State() == fsm.AckSent && time.Since(r.began) > deafAfter
}

// why tells why LCP ended by itself.
func (r *run) why() *End {
	reason := r.lcp.Reason()
	var end *End
	switch {
	case errors.As(reason, &end):
		return end
	case r.goodbye && r.options.dispute() == "" && r.foreseen != nil:
		return r.foreseen
	case r.goodbye:
		return ended(PeerTerminated, "peer ended the link%s%s", r.farewell, r.options.dispute())
	case r.timedOut && r.heard.Load() == 0:
		return ended(NothingReceived, "nothing received from the peer: its frames do not reach us")
	case r.timedOut && r.deaf:
		return ended(NotHeard, "LCP: %v", reason)
	case r.timedOut:
		return ended(NoAnswer, "LCP: %v%s", reason, r.options.dispute())
	}
	return ended(NotAgreed, "LCP: %v%s", reason, r.options.dispute())
}

// send hands one control packet to the carrier.
func (r *run) send(protocol uint16, pkt []byte) {
	b := packet.Get()
	defer packet.Put(b)
	if !b.Set(pkt) {
		r.counters.sendFailed.Add(1)
		return
	}
	r.one[0] = b
	if _, err := r.flush(r.view.Load(), protocol, r.one[:], false); err != nil {
		r.counters.sendFailed.Add(1)
		return
	}
	r.counters.controlOut.Add(1)
}
