package gre

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
)

// ErrNotConnected is returned by Send before Connect.
var ErrNotConnected = errors.New("gre: channel not connected")

// A ChannelConfig says how a channel behaves. The zero value has the defaults.
type ChannelConfig struct {
	ReorderPackets int           // packets held back to restore order; 0: 32, below 0: none
	ReorderTime    time.Duration // how long each is held back; 0: 30 ms
	Window         uint16        // what we announced to the peer; 0: 64
	Pacing         bool          // never have more unacknowledged than the peer's window
	Unpaced        bool          // the peer does not pace: what it sends waits for no acknowledgement
	FirstSequence  uint32        // number of the first packet sent (RFC 2637 wants 0)
	Tap            *tap.Tap      // where packets can be looked at; nil: nowhere
	Device         int           // interface by which packets leave; 0: as the kernel routes them
	Log            *slog.Logger
}

const (
	defaultReorderPackets = 32
	maxReorderPackets     = 1024
	defaultReorderTime    = 30 * time.Millisecond
)

func (cfg ChannelConfig) withDefaults() ChannelConfig {
	if cfg.ReorderPackets == 0 {
		cfg.ReorderPackets = defaultReorderPackets
	}
	cfg.ReorderPackets = min(max(cfg.ReorderPackets, 0), maxReorderPackets)
	if cfg.ReorderTime == 0 {
		cfg.ReorderTime = defaultReorderTime
	}
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// A Channel is the data channel of one call. It receives from Open on, so that
// what the peer sends before its call reply is read is not lost, and sends from
// Connect on.
type Channel struct {
	mux  *Mux
	id   uint16
	peer netip.Addr
	dev  int
	log  *slog.Logger
	tap  *tap.Tap
	// expects is what Expect was given; Mux.probes guards it.
	expects expectation

	flow flow
	rx   receiver
	tx   sender

	counters counters
}

func newChannel(m *Mux, id uint16, peer netip.Addr, cfg ChannelConfig) *Channel {
	cfg = cfg.withDefaults()
	c := &Channel{mux: m, id: id, peer: peer, dev: cfg.Device, log: cfg.Log, tap: cfg.Tap}
	c.flow.init(cfg.Window, cfg.FirstSequence)
	if cfg.Unpaced {
		c.flow.eager = eagerUnpaced
	}
	c.rx.window.init(cfg.ReorderPackets, cfg.ReorderTime)
	c.rx.alarm.init(c.rxAlarm)
	c.tx.pacing = cfg.Pacing
	c.tx.path = Path{Remote: peer, Device: cfg.Device}
	c.tx.alarm.init(c.txAlarm)
	return c
}

// ID returns the call ID that we assigned: the peer puts it in the packets it
// sends us.
func (c *Channel) ID() uint16 { return c.id }

// Peer returns the address of the other side.
func (c *Channel) Peer() netip.Addr { return c.peer }

// Connect tells the channel what the peer answered: the call ID it assigned (any
// number, 0 is one) and its receive window. Packets leave from local, or from
// where the kernel chooses when local is not valid. Connect is called once.
//
// From now on Send works and receive gets PPP frames in order, at most
// packet.BatchLen at a time, lent until it returns, called by one goroutine at a
// time; frames that came early are delivered before Connect returns. receive may
// call Send; it must not call Connect or Close, nor wait for someone who does.
func (c *Channel) Connect(local netip.Addr, peerID, peerWindow uint16, receive func(frames []*packet.Buffer)) {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	c.settle()
	if c.rx.via > 0 && c.rx.asker != 0 {
		peerID = c.rx.askerID // a NAT that helps PPTP has changed what the control connection said
	}
	c.flow.connect(peerWindow)
	c.tx.connect(local.Unmap(), peerID)
	c.rx.deliverTo = receive
	c.deliverEarly()
	c.afterReceive(time.Now())
}

// SetReorder changes ChannelConfig's ReorderPackets and ReorderTime: whoever
// answers a call learns only from the authentication which site it is from. What
// is held back at that moment is delivered. Not to be called from receive.
func (c *Channel) SetReorder(packets int, patience time.Duration) {
	cfg := ChannelConfig{ReorderPackets: packets, ReorderTime: patience}.withDefaults()
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if c.rx.closed {
		return
	}
	c.rx.window.flush()
	c.afterReceive(time.Now())
	c.rx.window.init(cfg.ReorderPackets, cfg.ReorderTime)
}

// Close ends the channel. receive is not called any more once Close has
// returned. The call ID is not used again for two minutes.
func (c *Channel) Close() error {
	c.mux.remove(c)
	c.mux.forget(c)
	c.tx.close()
	c.closeReceiver()
	return nil
}

// An alarm is a timer that is only ever moved forward in time: it may go off
// when nothing is due any more, which costs less than stopping it for every
// packet. Its owner's lock guards it.
type alarm struct {
	timer *time.Timer
	ring  func()
	at    time.Time // zero: not set
}

func (a *alarm) init(ring func()) { a.ring = ring }

// set makes the alarm go off at the given time or before.
func (a *alarm) set(at, now time.Time) {
	switch {
	case !a.at.IsZero() && !at.Before(a.at):
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(at.Sub(now), a.ring)
	default:
		a.timer.Reset(at.Sub(now))
	}
	a.at = at
}

// rang says that ring is running.
func (a *alarm) rang() { a.at = time.Time{} }

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
