package ccp_test

import (
	"bytes"
	"math/rand/v2"
	"time"

	"sitebridge/ppp/ccp"
	"sitebridge/ppp/fsm"
)

// A rig is two ends of CCP with a line of 20 ms between them, in a time of its
// own. Its Machines are set up as a link does it for encryption: a request that
// is only repeated does not begin anew.
type rig struct {
	now  time.Time
	dice *rand.Rand
	loss float64
	ends [2]*fsm.Machine
	way  []inFlight
}

type inFlight struct {
	at  time.Time
	to  int
	pkt []byte
}

func newRig(seed uint64, loss float64, ends ...*ccp.Protocol) *rig {
	r := &rig{now: time.Unix(1e9, 0), dice: rand.New(rand.NewPCG(seed, 3)), loss: loss}
	for i, p := range ends {
		r.ends[i] = fsm.NewMachine(p, fsm.Config{
			Send:       func(pkt []byte) { r.send(1-i, pkt) },
			Now:        func() time.Time { return r.now },
			AckRepeats: true,
		})
	}
	for _, m := range r.ends {
		m.Open()
		m.LowerUp()
	}
	return r
}

func (r *rig) send(to int, pkt []byte) {
	if r.dice.Float64() >= r.loss {
		r.way = append(r.way, inFlight{r.now.Add(20 * time.Millisecond), to, bytes.Clone(pkt)})
	}
}

// opens lets up to a minute pass, and reports whether both ends came up.
func (r *rig) opens() bool {
	for end := r.now.Add(time.Minute); r.now.Before(end); r.now = r.now.Add(time.Millisecond) {
		for len(r.way) > 0 && !r.way[0].at.After(r.now) {
			p := r.way[0]
			r.way = r.way[1:]
			r.ends[p.to].Receive(p.pkt)
		}
		for _, m := range r.ends {
			m.Expire()
		}
		if r.ends[0].Opened() && r.ends[1].Opened() && len(r.way) == 0 {
			return true
		}
	}
	return false
}
