package auth

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sitebridge/internal/secret"
)

// remoteHQ has all proofs judged elsewhere.
func remoteHQ(g Guard) AuthenticatorConfig {
	c := hqConfig()
	c.Lookup, c.Guard = nil, g
	c.Remote = func(string, Method) bool { return true }
	return c
}

// ruling is what a server that knows the secret of west says, with the keys as RADIUS
// has them.
func ruling(q *Question, s secret.Secret) Ruling {
	switch q.Method {
	case PAP:
		return Ruling{Right: q.Password == s, Reason: "no"}
	case CHAP:
		v := md5CHAP{}.judge(question{id: q.ID, challenge: q.Challenge, name: q.Name, secret: s}, q.Response)
		return Ruling{Right: v.right, Reason: "no"}
	}
	v := msCHAPv2{}.judge(question{id: q.ID, challenge: q.Challenge, name: q.Name, secret: s}, q.Response)
	return Ruling{Right: v.right, Reason: "no", Success: v.text, Keys: v.keys}
}

// askedBy takes an exchange to its question. It returns the proof as well.
func askedBy(t *testing.T, a Exchange, m Method, pc PeerConfig) (q *Question, proof []byte, p Exchange) {
	t.Helper()
	p = NewPeer(m, pc)
	proof = proofTo(a, p)
	out := a.Receive(proof)
	if out.Ask == nil || out.Verdict != Pending || out.Send != nil {
		t.Fatalf("%+v", out)
	}
	return out.Ask, proof, p
}

func TestRemoteJudge(t *testing.T) {
	for _, m := range guarded {
		for _, right := range []bool{true, false} {
			t.Run(fmt.Sprint(m, "/", right), func(t *testing.T) {
				g := new(testGuard)
				a := NewAuthenticator(m, remoteHQ(g))
				pc := westConfig()
				s := pc.Secret
				if !right {
					s = "another"
				}
				q, proof, p := askedBy(t, a, m, pc)
				if out := a.Receive(proof); out.Drop != DropWaiting || out.Ask != nil {
					t.Errorf("a repeat: %+v", out)
				}
				if out := a.Timeout(); !reflect.DeepEqual(out, Output{}) {
					t.Errorf("a timer: %+v", out)
				}
				if out := a.(Asker).Rule(new(Question), Ruling{Right: true}); out.Verdict != Pending {
					t.Errorf("the answer to another question: %+v", out)
				}
				out := a.(Asker).Rule(q, ruling(q, s))
				for out.Send != nil && out.Verdict == Pending { // EAP has more to say
					out = a.Receive(bytes.Clone(p.Receive(bytes.Clone(out.Send)).Send))
				}
				if (out.Verdict == Success) != right || right && (out.Name != "west" || out.Method != m) || !right && out.Reason != "no" {
					t.Errorf("%+v", out)
				}
				if (out.Keys != nil) != (right && m >= MSCHAPv2) {
					t.Errorf("keys: %v", out.Keys)
				}
				if theirs := p.Receive(bytes.Clone(out.Send)); right && theirs.Verdict != Success {
					t.Errorf("the peer thinks: %+v", theirs)
				}
				if want := []string{fmt.Sprint("west ", right)}; !reflect.DeepEqual(g.heard, want) {
					t.Errorf("the guard heard %q", g.heard)
				}
				if again := a.(Asker).Rule(q, Ruling{Right: !right, Success: "S=" + strings.Repeat("0", 40)}); again.Verdict != out.Verdict || again.Send != nil {
					t.Errorf("a second answer: %+v", again)
				}
			})
		}
	}
}

// A verdict without a reason is a verdict.
func TestRemoteJudgeGivesNoReason(t *testing.T) {
	for _, m := range guarded {
		a := NewAuthenticator(m, remoteHQ(nil))
		q, _, _ := askedBy(t, a, m, westConfig())
		out := a.(Asker).Rule(q, Ruling{Success: "S=" + strings.Repeat("0", 40), Keys: new(RemoteKeys)})
		if m == EAPMSCHAPv2 {
			out = a.Receive([]byte{eapResponse, out.Send[1], 0, 6, byte(typeMSCHAPv2), chapFailure})
		}
		if out.Verdict != Failure || out.GaveUp || out.Keys != nil || !strings.Contains(out.Reason, "found wrong") {
			t.Errorf("%v: %+v", m, out)
		}
	}
}

// Nobody judges: that is no wrong proof, and the peer may try again soon.
func TestRemoteJudgeIsSilent(t *testing.T) {
	for _, m := range guarded {
		for _, r := range []Ruling{{NoAnswer: true, Reason: "no server"}, {Right: true, Success: "S=12", Reason: "?"}, {Right: true, Success: "S=" + strings.Repeat("g", 40)}} {
			if !r.NoAnswer && (m == PAP || m == CHAP) {
				continue
			}
			g := new(testGuard)
			a := NewAuthenticator(m, remoteHQ(g))
			q, _, _ := askedBy(t, a, m, westConfig())
			if out := a.(Asker).Rule(q, r); out.Verdict != Failure || !out.GaveUp || out.Reason == "" || len(g.heard) > 0 {
				t.Errorf("%v: %+v, %q", m, out, g.heard)
			}
		}
	}
}

// Who goes away before the verdict has guessed.
func TestAttackA16RemoteJudgeIsAbandoned(t *testing.T) {
	for _, m := range guarded {
		g := new(testGuard)
		a := NewAuthenticator(m, remoteHQ(g))
		q, _, _ := askedBy(t, a, m, westConfig())
		a.Close()
		a.Close()
		out := a.(Asker).Rule(q, Ruling{Right: true, Success: "S=" + strings.Repeat("0", 40)})
		if want := []string{"west false"}; !reflect.DeepEqual(g.heard, want) || out.Verdict == Success || out.Send != nil {
			t.Errorf("%v: %q, %+v", m, g.heard, out)
		}
	}
}

// Who sends our own name back is not asked about.
func TestRemoteJudgeIsNotAskedAboutUs(t *testing.T) {
	for _, m := range guarded {
		a := NewAuthenticator(m, remoteHQ(nil))
		pc := westConfig()
		pc.Name = "hq"
		if out := a.Receive(proofTo(a, NewPeer(m, pc))); out.Ask != nil {
			t.Errorf("%v: %+v", m, out)
		}
	}
}
