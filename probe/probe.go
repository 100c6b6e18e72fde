// Package probe points known attacks and bad input at a PPTP server and says what it
// made of them: the control connection (RFC 2637), its GRE, and PPP as far as a
// stranger without a secret gets. It is for servers that the user names, and tries no
// password.
//
// An attack is judged from outside: by what the server answers, whether it still
// answers afterwards, and how soon. What a broken server does may be to end.
package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"sitebridge/control/gre"
)

// A Verdict is what came of an attack.
type Verdict string

// The verdicts.
const (
	Held   Verdict = "held"   // the server did what it should
	Weak   Verdict = "weak"   // it lives, and lets something through that it should not
	Broken Verdict = "BROKEN" // it stalled, ended, or did what must never be
	Unsure Verdict = "-"      // it could not be tried: the words say why
)

// A Row is one line of the table: an attack and what came of it.
type Row struct {
	Attack  string  `json:"attack"` // its number: "C1"
	Does    string  `json:"does"`   // what the attacker does
	Verdict Verdict `json:"verdict"`
	Words   string  `json:"words"` // what the server did
}

// A Config says what is probed and how.
type Config struct {
	Target netip.AddrPort // the server's TCP address
	// Carrier sends and receives GRE, and stays the caller's; nil: the rows that need a
	// tunnel are not tried.
	Carrier gre.Carrier
	// NoCarrier says why there is none.
	NoCarrier string
	// Patience is how long one answer may take; 0: 3 s.
	Patience time.Duration
	// HalfOpen is how many connections are held open at once; 0: 100.
	HalfOpen int
}

// An attack is a row before it was tried.
type attack struct {
	number, does string
	run          func(ctx context.Context, p *prober) (Verdict, string)
}

// A prober tries the attacks of one run.
type prober struct {
	cfg Config
	mux *gre.Mux // nil without a carrier
}

// Run tries every attack in turn, and tells each row when it is known. It ends early,
// with an error, when the server does not answer to begin with or not any more, or ctx
// ends.
func Run(ctx context.Context, cfg Config, tell func(Row)) error {
	if cfg.Patience == 0 {
		cfg.Patience = 3 * time.Second
	}
	if cfg.HalfOpen == 0 {
		cfg.HalfOpen = 100
	}
	p := &prober{cfg: cfg}
	if err := p.alive(ctx); err != nil {
		return fmt.Errorf("%v is no PPTP server that answers: %w", cfg.Target, err)
	}
	if cfg.Carrier != nil {
		defer p.receive(ctx)()
	}
	for _, a := range append(controlAttacks, tunnelAttacks...) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdict, words := a.run(ctx, p)
		err := p.alive(ctx)
		if err != nil && ctx.Err() == nil {
			verdict, words = Broken, fmt.Sprintf("%s; and new connections are not answered any more: %v", words, err)
		}
		tell(Row{a.number, a.does, verdict, words})
		if err != nil {
			return fmt.Errorf("the server has stopped answering: %w", err)
		}
	}
	return nil
}

// receive lets calls receive, until its result is called.
func (p *prober) receive(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	p.mux = gre.NewMux(p.cfg.Carrier, nil, nil)
	go func() {
		defer close(done)
		_ = p.mux.Run(ctx) // its end is this run's
	}()
	return func() {
		cancel()
		<-done
	}
}

// alive begins and ends a control connection as anybody would.
func (p *prober) alive(ctx context.Context) error {
	w, err := p.started(ctx)
	if err != nil {
		return err
	}
	w.Close()
	return nil
}

func (p *prober) dial(ctx context.Context) (*wire, error) {
	d := net.Dialer{Timeout: p.cfg.Patience}
	nc, err := d.DialContext(ctx, "tcp4", p.cfg.Target.String())
	if err != nil {
		return nil, err
	}
	return newWire(nc, p.cfg.Patience), nil
}
