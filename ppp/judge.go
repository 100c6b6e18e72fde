package ppp

import (
	"context"

	"sitebridge/ppp/auth"
)

// A ruled is an answer to a question of an exchange, for Run.
type ruled struct {
	by *proof
	q  *auth.Question
	r  auth.Ruling
}

// ask hands a question to Config.Judge. One at a time is out: what was asked before means
// nothing any more. Its answer comes back through the queue of Run,
// at any time and from any goroutine; once Run is over, or another run of LCP has begun
// a new exchange, it means nothing.
func (r *run) ask(p *proof, q *auth.Question) {
	r.unask()
	ctx, cancel := context.WithCancel(r.ctx)
	r.unask = cancel
	r.cfg.Judge(ctx, *q, func(answer auth.Ruling) {
		select {
		case r.rulings <- ruled{p, q, answer}:
		case <-ctx.Done():
		}
	})
}

// rule goes on with the exchange that has asked, if it is there still.
func (r *run) rule(v ruled) {
	if x, ok := v.by.Exchange.(auth.Asker); ok && v.by == r.asked {
		r.judged(v.by, x.Rule(v.q, v.r))
		return
	}
	if v.r.Keys != nil {
		v.r.Keys.Wipe()
	}
}

// nobodyJudges is Config.Judge where there is none.
func nobodyJudges(_ context.Context, _ auth.Question, answer func(auth.Ruling)) {
	go answer(auth.Ruling{NoAnswer: true, Reason: "nobody is there to judge the proof"})
}
