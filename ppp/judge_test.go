package ppp

import (
	"context"
	"strings"
	"testing"
	"time"

	"sitebridge/ppp/auth"
)

// judgedElsewhere is an answerer whose proofs somebody else judges, after a while.
func judgedElsewhere(t *testing.T, after time.Duration, r auth.Ruling, seen chan<- auth.Question) Config {
	c := answerer(t, auth.CHAP)
	c.Authenticator.Lookup = nil
	c.Authenticator.Remote = func(string, auth.Method) bool { return true }
	c.Judge = func(ctx context.Context, q auth.Question, answer func(auth.Ruling)) {
		go func() {
			select {
			case <-time.After(after):
			case <-ctx.Done():
			}
			answer(r)
			seen <- q
		}()
	}
	c.Admit = running(fakeIP(t))
	return c
}

func TestSomebodyElseJudges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		seen := make(chan auth.Question, 9)
		a := dialler(t, auth.CHAP)
		a.Admit = running(fakeIP(t))
		x, y := joined(t, a, judgedElsewhere(t, 8*time.Second, auth.Ruling{Right: true}, seen))
		x.up(t, "IPCP")
		y.up(t, "IPCP")
		if q := <-seen; q.Name != "branch" || len(q.Response) != 16 || len(q.Challenge) != 16 {
			t.Errorf("%+v", q)
		}
		if len(seen) > 0 {
			t.Error("asked twice")
		}
	})
}

// A server that is silent is no wrong proof. One that answers when the peer has lost its
// patience is not heard.
func TestNobodyJudges(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		kind  EndKind
		want  string
	}{{time.Second, AuthTimeout, "no server"}, {time.Hour, PeerTerminated, "authentication failed"}} {
		inBubble(t, func(t *testing.T) {
			seen := make(chan auth.Question, 9)
			_, y := joined(t, dialler(t, auth.CHAP), judgedElsewhere(t, c.after, auth.Ruling{NoAnswer: true, Reason: "no server"}, seen))
			if end := y.over(t, c.kind); !strings.Contains(end.Reason, c.want) {
				t.Error(end)
			}
			<-seen // its answer goes nowhere, and holds nobody up
		})
	}
}
