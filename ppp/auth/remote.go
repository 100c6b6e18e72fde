package auth

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"

	"sitebridge/internal/secret"
)

// A Question is a proof that somebody else is to judge, who knows the secrets that we do
// not: see AuthenticatorConfig.Remote.
type Question struct {
	Method Method // EAPMSCHAPv2 asks what MSCHAPv2 does
	Name   string // as the other end sent it
	// Of CHAP and MS-CHAPv2: the identifier, our challenge, and the value of the Response.
	ID                  byte
	Challenge, Response []byte
	Password            secret.Secret // of PAP
}

// A Ruling is what came of a Question.
type Ruling struct {
	Right  bool
	Reason string // why not, for our side: what is foreign in it is quoted
	// NoAnswer is set when nobody has judged. Then nothing is known of the proof, and the
	// next try may succeed.
	NoAnswer bool
	// Success is what an MS-CHAPv2 peer must be told: "S=" and 40 digits, which prove
	// that who judged knows the secret (RFC 2759, section 5).
	Success string
	Keys    Keys // nil: none
}

// An Asker is an Exchange with a Question on its way, which an Output has handed out.
type Asker interface {
	// Rule answers the Question q. One that does not stand any more is ignored.
	Rule(q *Question, r Ruling) Output
}

// elsewhere reports whether a proof of name by m is for somebody else to judge. Our own
// name never is.
func (c AuthenticatorConfig) elsewhere(name string, m Method) bool {
	return c.Remote != nil && !isOurs(c, name) && c.Remote(name, m)
}

// ruled is what a Ruling means for us: why the other end is refused; empty: it is not.
// nobody is set when the Ruling is none.
func (c AuthenticatorConfig) ruled(q *Question, r Ruling) (refusal string, nobody bool) {
	switch {
	case r.NoAnswer:
		return r.Reason, true
	case r.Right && q.Method != PAP && q.Method != CHAP && !isSuccess(r.Success):
		return fmt.Sprintf("%s was found right, and without the proof that its end expects", quote([]byte(q.Name))), true
	case !r.Right:
		refusal = cmp.Or(r.Reason, fmt.Sprintf("the proof of %s was found wrong", quote([]byte(q.Name))))
	}
	c.judged(q.Name, r.Right)
	return refusal, false
}

// abandoned counts a proof as wrong whose judge is not waited for: who hangs up before
// the verdict would guess for nothing, at the cost of who judges. q may be nil.
func (c AuthenticatorConfig) abandoned(q *Question) {
	if q != nil {
		c.judged(q.Name, false)
	}
}

// proofLen is the length of "S=" and its digits.
const proofLen = 42

func isSuccess(text string) bool {
	digits, ok := strings.CutPrefix(text, "S=")
	if !ok || len(text) < proofLen {
		return false
	}
	_, err := hex.DecodeString(digits[:proofLen-2])
	return err == nil
}

// successOf is the text of the Success for a Ruling. What a server adds is not told.
func successOf(q *Question, r Ruling) string {
	if q.Method == CHAP {
		return "Access granted"
	}
	return r.Success[:proofLen] + " M=Access granted"
}

// RemoteKeys are what who judged a proof for us gives to us for encryption: the Master
// Session Key as it stands in MS-MPPE-Recv-Key and MS-MPPE-Send-Key (RFC 2548, section
// 2.4; RFC 3079, section 4). They cannot be printed.
type RemoteKeys struct{ msk [64]byte }

// NewRemoteKeys takes the keys by which we, the authenticator, receive and send: of each
// at least 16 octets, of which no more than 32 count.
func NewRemoteKeys(receive, send []byte) *RemoteKeys {
	k := new(RemoteKeys)
	copy(k.msk[:32], receive)
	copy(k.msk[32:], send)
	return k
}

// MSK is the Master Session Key: MPPE starts from it.
func (k *RemoteKeys) MSK() [64]byte { return k.msk }

// Authenticator implements [Keys]: who asks somebody else to judge is one.
func (k *RemoteKeys) Authenticator() bool { return true }

// Wipe implements [Keys].
func (k *RemoteKeys) Wipe() { k.msk = [64]byte{} }

// Format keeps the keys out of logs, for every verb, as that of MasterKeys does.
func (RemoteKeys) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (RemoteKeys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
