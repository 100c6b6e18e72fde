package bridge

import (
	"errors"
	"fmt"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// The IPX of a demand site: it stays attached to the router while there is no call, so
// that what is behind it stays known, and packets for it can ask for a call.

// idleIPX is the link as the router sees it.
type idleIPX struct{ w *dormant }

func (i idleIPX) Send(_ ipx.Node, pkts []*packet.Buffer) error {
	return i.w.Send(protocolIPX, pkts, false)
}

// attachIdle joins a demand site with the router, without a call.
func (s *site) attachIdle() error {
	a, err := s.d.ipx.router.Attach(s.attachment(agreement{network: s.cfg.IPX.Network}, ipx.MaxLen, idleIPX{s.demand.ipx}))
	if err != nil {
		return fmt.Errorf("IPX network of the link: %w", err)
	}
	s.idle.Store(a)
	a.SetIdle(true)
	s.watchdog.Idle(time.Now())
	return nil
}

// detachIdle takes it out: the site is stopped, or no more.
func (s *site) detachIdle() {
	if a := s.idle.Swap(nil); a != nil {
		s.demand.ipx.disconnect()
		a.Detach()
	}
}

// wakeIPX gives the router's attachment what a call has agreed on.
func (s *site) wakeIPX(got agreement) (*router.Attached, error) {
	a := s.idle.Load()
	if a == nil {
		return nil, errors.New("the site was stopped by its operator")
	}
	if err := a.SetNetwork(got.network); err != nil {
		return nil, err
	}
	a.SetNode(got.local)
	if n := s.ticks.last(); n > 0 {
		a.SetTicks(n)
	}
	a.SetIdle(false)
	s.watchdog.Found()
	return a, nil
}

// connectIPX gives what waited to the call, whose answers find their way by now.
func (s *site) connectIPX(l *ipxLink) {
	if s.demand != nil {
		s.demand.ipx.connect(func(_ uint16, pkts []*packet.Buffer, _ bool) error { return l.send(pkts) })
	}
}

// sleepIPX takes the call out of the router's hands.
func (s *site) sleepIPX(a *router.Attached) {
	s.demand.ipx.disconnect()
	a.SetIdle(true)
	s.watchdog.Idle(time.Now())
}

// enableIPX is whether what is behind the site is known at all.
func (s *site) enableIPX(yes bool) {
	switch {
	case !yes:
		s.detachIdle()
	case s.idle.Load() == nil:
		if err := s.attachIdle(); err != nil {
			s.log.Warn("IPX not started", "error", err)
		}
	}
}

// input hands what came from the peer to the router. Two calls of a demand site, one
// of which ends, have one attachment, which takes packets of one at a time.
func (s *site) input(a *router.Attached, pkts []*packet.Buffer) {
	if s.demand == nil {
		a.InputPackets(pkts)
		return
	}
	s.demand.ipx.note(pkts)
	s.inputs.Lock()
	defer s.inputs.Unlock()
	a.InputPackets(pkts)
}
