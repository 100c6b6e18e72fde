package auth

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A badLine carries packets between two ends. It loses some, doubles some and
// delays all, and keeps their order, as the layer below PPP does (RFC 3748, section
// 3.1).
type badLine struct {
	rand         *rand.Rand
	loss, double float64
	ends         [2]lineEnd // the authenticator, the peer
	sent         time.Duration
}

type lineEnd struct {
	Exchange
	in    chan []byte
	timer *time.Timer
	last  Output
	keys  []Keys
}

const (
	lineDelay = 40 * time.Millisecond
	ncpEvery  = 3 * time.Second // how often an NCP that is not answered repeats itself
)

// run lets the two ends talk in a bubble of virtual time until both have a verdict.
// An end that has its verdict goes on to the network phase, which the other hears.
func (l *badLine) run(t *testing.T) (a, p *lineEnd) {
	began := time.Now()
	for i := range l.ends {
		l.ends[i].in, l.ends[i].timer = make(chan []byte, 1000), time.NewTimer(time.Hour)
	}
	for i := range l.ends {
		l.did(i, l.ends[i].Start())
	}
	a, p = &l.ends[0], &l.ends[1]
	ncp := time.NewTicker(ncpEvery)
	defer ncp.Stop()
	for a.last.Verdict == Pending || p.last.Verdict == Pending {
		select {
		case pkt := <-a.in:
			l.did(0, a.Receive(pkt))
		case pkt := <-p.in:
			l.did(1, p.Receive(pkt))
		case <-a.timer.C:
			l.did(0, a.Timeout())
		case <-p.timer.C:
			l.did(1, p.Timeout())
		case <-ncp.C:
			if a.last.Verdict == Success && l.arrives() {
				l.did(1, p.Exchange.(Presumer).Presume())
			}
		}
		if time.Since(began) > 3*time.Minute {
			t.Fatalf("after %v: %v and %v", time.Since(began), a.last.Verdict, p.last.Verdict)
		}
	}
	return a, p
}

func (l *badLine) arrives() bool { return l.rand.Float64() >= l.loss }

// did does what a step of an end asks for.
func (l *badLine) did(i int, out Output) {
	e := &l.ends[i]
	e.last = out
	if out.Keys != nil {
		e.keys = append(e.keys, out.Keys)
	}
	if out.Wait > 0 {
		e.timer.Reset(out.Wait)
	}
	if out.Verdict != Pending {
		e.timer.Stop()
	}
	if out.Send == nil {
		return
	}
	other, pkt := l.ends[1-i].in, bytes.Clone(out.Send)
	for copies := 0; copies == 0 || copies == 1 && l.rand.Float64() < l.double; copies++ {
		if l.arrives() {
			l.sent++ // in order, also what is sent at one time
			time.AfterFunc(lineDelay+l.sent*time.Nanosecond, func() { other <- pkt })
		}
	}
}

func TestEAPOverBadLine(t *testing.T) {
	pki() // outside of the bubbles
	for _, c := range []struct {
		name    string
		method  Method
		version uint16
	}{
		{"EAP-MSCHAPv2", EAPMSCHAPv2, 0},
		{"TLS 1.2", EAPTLS, tls.VersionTLS12},
		{"TLS 1.3", EAPTLS, tls.VersionTLS13},
	} {
		for _, line := range []struct{ loss, double float64 }{{0, 0}, {0, 1}, {0.1, 0.1}, {0.3, 0.3}} {
			t.Run(fmt.Sprintf("%s, %.0f%% lost, %.0f%% doubled", c.name, 100*line.loss, 100*line.double), func(t *testing.T) {
				const tries = 20
				proved := 0
				for seed := range uint64(tries) {
					synctest.Test(t, func(t *testing.T) {
						a, p := hqConfig(c.method), westConfig(c.method)
						a.TLS.MaxVersion = c.version
						l := &badLine{rand: rand.New(rand.NewPCG(seed, 1)), loss: line.loss, double: line.double}
						l.ends[0].Exchange, l.ends[1].Exchange = NewAuthenticator(EAP, a), NewPeer(EAP, p)
						defer l.ends[0].Close()
						defer l.ends[1].Close()
						if l.judge(t) {
							proved++
						}
					})
				}
				if proved < tries && line.loss < 0.3 || proved < tries*3/4 {
					t.Errorf("%d of %d tries proved both ends", proved, tries)
				}
			})
		}
	}
}

// judge runs the line, and reports whether both ends are proved. A line can make
// them give up, but not refuse each other, and not take each other for proved
// without the same keys, handed out once.
func (l *badLine) judge(t *testing.T) bool {
	a, p := l.run(t)
	for who, e := range map[string]*lineEnd{"authenticator": a, "peer": p} {
		if e.last.Verdict == Failure && !e.last.GaveUp {
			t.Errorf("the %s refuses: %s", who, e.last.Reason)
		}
	}
	if a.last.Verdict == Success && len(p.keys) == 0 && p.last.Verdict == Success || len(a.keys) > 1 || len(p.keys) > 1 {
		t.Errorf("keys were handed out %d and %d times", len(a.keys), len(p.keys))
	}
	if a.last.Verdict != Success || p.last.Verdict != Success {
		return false
	}
	if err := sameKeys(a.keys[0], p.keys[0]); err != nil {
		t.Error(err)
	}
	return true
}

// Wrong secrets and certificates are refused on a bad line too, never taken.
func TestEAPRefusedOverBadLine(t *testing.T) {
	pki()
	for _, m := range bothEAP {
		t.Run(m.String(), func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					p := westConfig(m)
					p.Secret = "left horse"
					p.TLS.Certificate = owning(pki().foreign)
					l := &badLine{rand: rand.New(rand.NewPCG(seed, 2)), loss: 0.2, double: 0.2}
					l.ends[0].Exchange, l.ends[1].Exchange = NewAuthenticator(EAP, hqConfig(m)), NewPeer(EAP, p)
					defer l.ends[0].Close()
					defer l.ends[1].Close()
					a, peer := l.run(t)
					if a.last.Verdict != Failure || peer.last.Verdict != Failure || a.keys != nil || peer.keys != nil {
						t.Errorf("%+v and %+v", a.last, peer.last)
					}
				})
			}
		})
	}
}
