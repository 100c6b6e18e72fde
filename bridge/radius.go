package bridge

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"sitebridge/bridge/config"
	"sitebridge/internal/radius"
	"sitebridge/ppp/auth"
)

// A radiusDesk asks RADIUS about callers, and tells it of their calls.
type radiusDesk struct {
	*radius.Client
	// Session identifiers begin with boot, which no other run of the daemon has.
	boot  string
	calls atomic.Uint64
}

// openRadius makes the desk; nil: RADIUS is not configured.
func (d *Daemon) openRadius() *radiusDesk {
	c := d.config().Radius
	if c == nil {
		return nil
	}
	return newRadiusDesk(radius.Config{
		Name:    cmp.Or(c.Identifier, d.config().Daemon.Name),
		Servers: c.Servers, Accounting: c.Accounting, Secret: c.Secret, Timeout: c.Timeout, Tries: c.Tries,
		Listen: listenRadius,
		Changed: func(server netip.AddrPort, trouble string) {
			if trouble == "" {
				d.log.Info("the RADIUS server answers again", "server", server)
				return
			}
			d.log.Warn("trouble with a RADIUS server", "server", server, "reason", trouble)
		},
	})
}

func newRadiusDesk(c radius.Config) *radiusDesk {
	var b [6]byte
	rand.Read(b[:])
	return &radiusDesk{Client: radius.New(c), boot: hex.EncodeToString(b[:])}
}

// listenRadius opens a socket for one request, from a port that nobody can foresee. A
// server may well be behind a tunnel, so that it goes as the kernel routes it.
func listenRadius(ctx context.Context) (net.PacketConn, error) {
	return new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
}

// call is what RADIUS is told of a call.
func (r *radiusDesk) call(o *session) radius.Call {
	return radius.Call{
		Session: fmt.Sprintf("%s%08x", r.boot, r.calls.Add(1)),
		Port:    uint32(o.call.ID()), Caller: o.path.Remote, Called: o.path.Local,
	}
}

// asksRadius reports whether a proof of name by m is for RADIUS to judge.
func (d *Daemon) asksRadius(name string, m auth.Method) bool {
	c := d.config()
	s := c.AskRadius()
	return d.radius != nil && s != nil && s.Auth.Allows(m) && c.Caller(name) == nil
}

// A grant is what RADIUS said of a name that it knows.
type grant struct {
	call   radius.Call
	answer radius.Answer
	user   *config.User
}

// judge hands a question of a call's link to RADIUS.
func (s *session) judge(ctx context.Context, q auth.Question, answer func(auth.Ruling)) {
	s.d.sessions.Go(func() { answer(s.ruling(ctx, q)) })
}

// ruling is what RADIUS says. No answer of a server, whatever it is, ends more than this
// one call.
func (s *session) ruling(ctx context.Context, q auth.Question) auth.Ruling {
	desk := s.d.radius
	if desk == nil {
		return auth.Ruling{NoAnswer: true, Reason: "RADIUS is not asked any more"}
	}
	request := radius.Request{Call: desk.call(s)}
	request.Name = q.Name
	switch proof := (&radius.CHAP{ID: q.ID, Challenge: q.Challenge, Response: q.Response}); q.Method {
	case auth.PAP:
		request.Password = &q.Password
	case auth.CHAP:
		request.CHAP = proof
	default:
		request.MSCHAPv2 = proof
	}
	got, err := desk.Ask(ctx, request)
	if err != nil {
		return auth.Ruling{NoAnswer: true, Reason: err.Error()}
	}
	return s.ruled(request.Call, q, got)
}

// ruled takes an answer, and keeps what it grants for when the caller is admitted.
func (s *session) ruled(call radius.Call, q auth.Question, got radius.Answer) auth.Ruling {
	switch got.Verdict {
	case radius.Rejected:
		return auth.Ruling{Reason: fmt.Sprintf("RADIUS server %v rejects %q%s", got.Server, escapeName(q.Name), said(got))}
	case radius.Challenged:
		return auth.Ruling{NoAnswer: true, Reason: fmt.Sprintf("RADIUS server %v asks %q for more, which %v has no room for", got.Server, escapeName(q.Name), q.Method)}
	}
	user, err := radiusUser(q.Name, got)
	if err != nil {
		return auth.Ruling{NoAnswer: true, Reason: fmt.Sprintf("what RADIUS server %v grants %q cannot be carried out: %v", got.Server, escapeName(q.Name), err)}
	}
	s.granted.Store(&grant{call, got, user})
	r := auth.Ruling{Right: true, Success: got.MSSuccess}
	if got.SendKey != nil && got.ReceiveKey != nil && q.Method != auth.PAP && q.Method != auth.CHAP {
		r.Keys = auth.NewRemoteKeys(got.ReceiveKey, got.SendKey)
	} else if q.Method != auth.PAP && q.Method != auth.CHAP {
		s.d.log.Warn("RADIUS server gives no MS-MPPE keys: nothing can be encrypted with MPPE", "server", got.Server, "caller", escapeName(q.Name))
	}
	if got.Message != "" {
		s.d.log.Info("RADIUS server says", "server", got.Server, "caller", escapeName(q.Name), "text", shownText(got.Message))
	}
	return r
}

// said is what a server says with its rejection, for a log.
func said(a radius.Answer) (words string) {
	if a.Message != "" {
		words += ": it says " + shownText(a.Message)
	}
	if a.MSError != "" {
		words += "; error " + shownText(a.MSError)
	}
	return words
}

// shownText makes a server's text fit for a log.
func shownText(text string) string {
	const shown = 200
	if len(text) > shown {
		return strconv.QuoteToASCII(text[:shown]) + "..."
	}
	return strconv.QuoteToASCII(text)
}

// grantOf is what RADIUS has said of a name that was just proved; nil: it was not asked.
func (s *session) grantOf(name string, m auth.Method) *grant {
	g := s.granted.Load()
	if g == nil || m == auth.EAPTLS || g.call.Name != name || !s.d.asksRadius(name, m) {
		return nil
	}
	return g
}
