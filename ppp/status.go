package ppp

import (
	"slices"
	"strings"
	"time"

	"sitebridge/ppp/fsm"
)

// A Status is how a link stands, for people and programs that watch it.
type Status struct {
	Phase Phase  `json:"phase"`
	End   *End   `json:"end,omitempty"` // why it ends or ended
	LCP   string `json:"lcp"`           // the state of its automaton
	// LCPStats counts the packets of LCP's automaton, and what it dropped.
	LCPStats fsm.Stats  `json:"lcp_stats"`
	Ours     OptionSet  `json:"ours"`  // what we asked for, zero until agreed
	Peers    OptionSet  `json:"peers"` // what the peer did
	Peer     PeerStatus `json:"peer"`
	// Method is how the ends have proved themselves; empty: not yet, or not at all.
	Method string `json:"method,omitempty"`
	// Encryption is how packets are protected.
	Encryption EncryptionStatus `json:"encryption"`
	NCPs       []NCPState       `json:"ncps"`

	RoundTrip time.Duration `json:"round_trip_ns"` // of the last Echo-Reply, 0: none yet
	LastHeard time.Time     `json:"last_heard"`    // zero: never
	Stats     Stats         `json:"stats"`
}

// An OptionSet is what one side of a link asked for in LCP, in words.
type OptionSet struct {
	MRU   int    `json:"mru"`
	Auth  string `json:"auth,omitempty"` // how the other side must prove itself
	Magic uint32 `json:"magic,omitempty"`
	PFC   bool   `json:"pfc"`
	ACFC  bool   `json:"acfc"`
}

func (o options) set() OptionSet {
	s := OptionSet{MRU: int(o.MRU), Magic: o.Magic, PFC: o.PFC, ACFC: o.ACFC}
	if o.Auth != 0 {
		s.Auth = o.Auth.String()
	}
	return s
}

// A PeerStatus is what is known of the peer.
type PeerStatus struct {
	Proved bool   `json:"proved"`
	Name   string `json:"name,omitempty"`   // that it proved, escaped
	Method string `json:"method,omitempty"` // how
	// Said is what it calls itself (RFC 1570), escaped. Windows says its version
	// and its host's name.
	Said []string `json:"identification,omitempty"`
}

// An NCPState is how a network control protocol stands.
type NCPState struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Opened bool   `json:"opened"`
	Reason string `json:"reason,omitempty"` // why it is not up
	// Stats counts its control packets, and what was dropped of them.
	Stats fsm.Stats `json:"stats"`
}

// A published is a Status without what changes all the time, and where that is
// to be had.
type published struct {
	Status
	lcp      *fsm.Machine
	machines []*fsm.Machine // of NCPs, in their order
	coder    Coder          // nil: none is up
}

// Status may be called at any time.
func (l *Link) Status() Status {
	p := l.status.Load()
	s := p.Status
	if p.lcp != nil {
		s.LCPStats = p.lcp.Stats()
	}
	if p.coder != nil {
		s.Encryption.Packets = p.coder.Counters()
		if e, ok := p.coder.(eventer); ok {
			s.Encryption.Events = e.Events()
		}
	}
	s.NCPs = slices.Clone(s.NCPs)
	for i, m := range p.machines {
		s.NCPs[i].Stats = m.Stats()
	}
	s.RoundTrip = time.Duration(l.rtt.Load())
	if l.heard.Load() != 0 {
		s.LastHeard = l.lastHeard()
	}
	s.Stats = l.Stats()
	return s
}

// publish makes a new Status when there is something new, and tells of it.
func (r *run) publish() {
	ncps, machines := r.states()
	old := r.status.Load()
	if !r.changed && old.LCP == r.lcp.State().String() && slices.Equal(ncps, old.NCPs) {
		return
	}
	r.changed = false
	p := &published{
		Status: Status{
			Phase:      r.phase,
			End:        r.ending,
			LCP:        r.lcp.State().String(),
			Ours:       r.ours.set(),
			Peers:      r.theirs.set(),
			Peer:       r.peer(),
			Encryption: r.encryption.status(),
			NCPs:       ncps,
		},
		lcp:      r.lcp,
		machines: machines,
	}
	if m := r.used(); m != 0 {
		p.Method = m.String()
	}
	if y := r.encryption.active; y != nil {
		p.coder = y.Coder()
	}
	r.status.Store(p)
	r.cfg.Changed()
}

// An EncryptionStatus is how a link's packets are protected.
type EncryptionStatus struct {
	Policy string `json:"policy"`
	// Method is the word of the configuration; "none" while nothing is encrypted.
	Method string `json:"method"`
	Agreed string `json:"agreed,omitempty"` // what it is, in words
	// Strength is what that is worth: "strong" or "weak", a colon, and why.
	Strength string `json:"strength,omitempty"`
	// Waiting says that network protocols wait for it.
	Waiting bool `json:"waiting,omitempty"`
	// Reason says in words which methods were not agreed on, and why.
	Reason string `json:"reason,omitempty"`
	// Packets counts those sealed and opened, and drops by reason.
	Packets map[string]uint64 `json:"packets,omitempty"`
	// Events counts what else befell the cipher. None of them is a drop.
	Events map[string]uint64 `json:"events,omitempty"`
}

func (e *encryption) status() EncryptionStatus {
	s := EncryptionStatus{Policy: e.policy.String(), Method: "none", Waiting: e.waits, Reason: strings.Join(e.refused, "; ")}
	if e.active != nil {
		s.Method, s.Agreed, s.Strength = e.active.Method(), e.active.Agreed(), e.active.Strength()
	}
	return s
}

func (r *run) peer() PeerStatus {
	s := PeerStatus{Proved: r.identity.Proved, Said: r.said}
	if s.Proved {
		s.Name, s.Method = escape([]byte(r.identity.Name)), r.identity.Method.String()
	}
	return s
}

func (r *run) states() (all []NCPState, machines []*fsm.Machine) {
	for _, y := range r.layers {
		s := NCPState{Name: y.Name(), State: y.machine.State().String(), Opened: y.machine.Opened()}
		if err := y.machine.Reason(); err != nil && !s.Opened {
			s.Reason = err.Error()
		}
		all, machines = append(all, s), append(machines, y.machine)
	}
	return all, machines
}
