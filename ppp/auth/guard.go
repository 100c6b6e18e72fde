package auth

import "time"

// A Guard slows down who guesses secrets. The authenticators of PAP, CHAP,
// MS-CHAPv2 and EAP-MSCHAPv2 ask it before they judge a proof: with Delay above
// 0 the step asks to Wait that long, and the proof is judged when that time has
// passed. Until then nothing else that the peer says is looked at. A certificate
// cannot be guessed: EAP-TLS does not ask.
type Guard interface {
	// Delay tells how long a proof of name must wait. What waited before in the
	// same exchange is void.
	Delay(name string) time.Duration
	// Judged tells how a proof came out. It is called once for each, unless the
	// exchange ends before that.
	Judged(name string, right bool)
}

func (c AuthenticatorConfig) delay(name string) time.Duration {
	if c.Guard == nil {
		return 0
	}
	return c.Guard.Delay(name)
}

func (c AuthenticatorConfig) judged(name string, right bool) {
	if c.Guard != nil {
		c.Guard.Judged(name, right)
	}
}
