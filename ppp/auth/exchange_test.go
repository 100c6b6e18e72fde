package auth

import (
	"bytes"
	"cmp"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/secret"
)

// allMethods are those without EAP, guarded those by a secret.
var (
	allMethods = []Method{PAP, CHAP, MSCHAPv2}
	guarded    = []Method{PAP, CHAP, MSCHAPv2, EAPMSCHAPv2}
)

// accounts is a Lookup.
func accounts(pairs ...string) func(string) (secret.Secret, bool) {
	return func(name string) (secret.Secret, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return secret.Secret(pairs[i+1]), true
			}
		}
		return "", false
	}
}

// carry hands packets to and fro until both ends are silent, and returns how
// each stands, with what each step added.
func carry(t *testing.T, authenticator, peer Exchange) (a, p Output) {
	t.Helper()
	a, p = authenticator.Start(), peer.Start()
	toPeer, toAuth := bytes.Clone(a.Send), bytes.Clone(p.Send)
	for range 10 {
		switch {
		case toPeer != nil:
			p = merge(p, peer.Receive(toPeer))
			toPeer, toAuth = nil, bytes.Clone(p.Send)
		case toAuth != nil:
			a = merge(a, authenticator.Receive(toAuth))
			toAuth, toPeer = nil, bytes.Clone(a.Send)
		default:
			return a, p
		}
	}
	t.Fatal("the two ends never fall silent")
	return a, p
}

func merge(before, after Output) Output {
	after.Keys = cmp.Or(after.Keys, before.Keys)
	after.Name = cmp.Or(after.Name, before.Name)
	return after
}

func TestExchange(t *testing.T) {
	for _, m := range guarded {
		for _, c := range []struct {
			name, peerName, secret string
			verdict                Verdict
			reason                 string // of the authenticator
		}{
			{"right", "branch1", "right horse", Success, ""},
			{"right, with a domain", `SITES\branch2`, "other horse", Success, ""},
			{"wrong secret", "branch1", "left horse", Failure, `wrong secret for name "branch1"`},
			{"other's secret", "branch1", "other horse", Failure, `wrong secret for name "branch1"`},
			{"unknown name", "branch9", "right horse", Failure, `no such name: "branch9"`},
			{"no name", "", "right horse", Failure, `no such name: ""`},
			{"name with control characters", "a\nb\x1b[2J", "x", Failure, `no such name: "a\nb\x1b[2J"`},
			{"long name", strings.Repeat("n", 253), "x", Failure, `no such name: "` + strings.Repeat("n", 64) + `"...`},
			{"name without a secret", "empty", "", Failure, `no such name: "empty"`},
			{"the decoy for an unknown name", "branch9", decoy.Reveal(), Failure, `no such name: "branch9"`},
			{"our own name", "hq", "hq horse", Failure, `peer answered with our own name "hq"`},
			{"our own name elsewhere", `X\hq-there`, "there horse", Failure, `peer answered with our own name "X\\hq-there"`},
		} {
			t.Run(m.String()+"/"+c.name, func(t *testing.T) {
				authenticator := NewAuthenticator(m, AuthenticatorConfig{
					Name: "hq", OwnNames: []string{"hq-there"},
					Lookup: accounts("branch1", "right horse", `SITES\branch2`, "other horse", "empty", "",
						"hq", "hq horse", `X\hq-there`, "there horse"),
				})
				peer := NewPeer(m, PeerConfig{Name: c.peerName, Secret: secret.Secret(c.secret)})
				a, p := carry(t, authenticator, peer)
				if a.Verdict != c.verdict || p.Verdict != c.verdict {
					t.Fatalf("authenticator: %v (%s), peer: %v (%s), want %v", a.Verdict, a.Reason, p.Verdict, p.Reason, c.verdict)
				}
				if a.Reason != c.reason {
					t.Errorf("reason %s, want %s", a.Reason, c.reason)
				}
				if c.verdict == Success && (a.Name != c.peerName || a.Method != m || p.Method != m) {
					t.Errorf("proved %q by %v and %v, want %q by %v", a.Name, a.Method, p.Method, c.peerName, m)
				}
				if c.verdict == Failure && (a.Name != "" || a.Method != 0 || a.Keys != nil || p.Keys != nil || a.GaveUp || p.GaveUp) {
					t.Error("a failure proved something, made keys, or is no verdict")
				}
			})
		}
	}
}

func TestRefusalInWords(t *testing.T) {
	for _, c := range []struct {
		method Method
		want   string
	}{
		{PAP, `peer refused us as "branch1": it said "Authentication failure"`},
		{CHAP, `peer refused us as "branch1": it said "Authentication failure"`},
		{MSCHAPv2, `peer refused us as "branch1": unknown name or wrong password (error 691), it said "Authentication failure"`},
	} {
		_, p := carry(t, NewAuthenticator(c.method, AuthenticatorConfig{Lookup: accounts()}), NewPeer(c.method, PeerConfig{Name: "branch1", Secret: "x"}))
		if p.Reason != c.want {
			t.Errorf("%v: %s, want %s", c.method, p.Reason, c.want)
		}
	}
}

func TestKeysAgree(t *testing.T) {
	for _, m := range guarded {
		a, p := carry(t,
			NewAuthenticator(m, AuthenticatorConfig{Lookup: accounts("n", "s")}),
			NewPeer(m, PeerConfig{Name: "n", Secret: "s"}))
		if m != MSCHAPv2 && m != EAPMSCHAPv2 {
			if a.Keys != nil || p.Keys != nil {
				t.Errorf("%v made keys", m)
			}
			continue
		}
		if err := sameKeys(a.Keys, p.Keys); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
}

// A lost answer makes the other end say it again; it must get the same answer,
// without a second judgement (RFC 1994, section 4.2; RFC 1334, section 2.2.1).
func TestRepeatsAnsweredFromCache(t *testing.T) {
	for _, m := range allMethods {
		for _, password := range []string{"right", "wrong"} {
			t.Run(m.String()+"/"+password, func(t *testing.T) {
				lookups := 0
				authenticator := NewAuthenticator(m, AuthenticatorConfig{Lookup: func(string) (secret.Secret, bool) {
					lookups++
					return "right", true
				}})
				peer := NewPeer(m, PeerConfig{Name: "n", Secret: secret.Secret(password)})
				asked := bytes.Clone(peer.Start().Send)
				if challenge := authenticator.Start().Send; challenge != nil {
					asked = bytes.Clone(peer.Receive(challenge).Send)
				}
				first := authenticator.Receive(asked)
				first.Send = bytes.Clone(first.Send)
				for range 5 {
					again := authenticator.Receive(asked)
					if !bytes.Equal(again.Send, first.Send) || again.Verdict != first.Verdict || again.Name != first.Name || again.Keys != nil {
						t.Fatalf("answered %+v, at first %+v", again, first)
					}
				}
				if lookups != 1 {
					t.Errorf("judged %d times", lookups)
				}
				if p := peer.Receive(first.Send); p.Verdict != first.Verdict {
					t.Errorf("peer: %v (%s), want %v", p.Verdict, p.Reason, first.Verdict)
				}
				if p := peer.Receive(first.Send); p.Verdict != first.Verdict || p.Drop != DropUnexpectedCode || p.Send != nil || p.Keys != nil {
					t.Errorf("a repeated verdict did %+v", p)
				}
			})
		}
	}
}

// After a Failure no other guess counts.
func TestNoSecondGuess(t *testing.T) {
	for _, m := range allMethods {
		authenticator := NewAuthenticator(m, AuthenticatorConfig{Lookup: accounts("n", "right")})
		guess := func(challenge []byte, s secret.Secret) []byte {
			peer := NewPeer(m, PeerConfig{Name: "n", Secret: s})
			if out := peer.Start(); out.Send != nil {
				return bytes.Clone(out.Send)
			}
			return bytes.Clone(peer.Receive(challenge).Send)
		}
		challenge := bytes.Clone(authenticator.Start().Send)
		authenticator.Receive(guess(challenge, "wrong"))
		if out := authenticator.Receive(guess(challenge, "right")); out.Verdict != Failure || m == PAP && out.Send[0] != papNak || m != PAP && out.Send[0] != chapFailure {
			t.Errorf("%v: a second guess made %+v", m, out)
		}
	}
}

// The same Challenge gets the same Response; a new one, at any time, a new one.
func TestChallengeAgain(t *testing.T) {
	for _, m := range []Method{CHAP, MSCHAPv2} {
		t.Run(m.String(), func(t *testing.T) {
			authenticator := NewAuthenticator(m, AuthenticatorConfig{Lookup: accounts("n", "s")})
			peer := NewPeer(m, PeerConfig{Name: "n", Secret: "s"})
			peer.Start()
			challenge := bytes.Clone(authenticator.Start().Send)
			response := bytes.Clone(peer.Receive(challenge).Send)
			if repeated := authenticator.Timeout().Send; !bytes.Equal(repeated, challenge) {
				t.Errorf("the challenge was repeated as % x, at first % x", repeated, challenge)
			}
			if again := peer.Receive(challenge).Send; !bytes.Equal(again, response) {
				t.Errorf("answered % x, at first % x", again, response)
			}
			peer.Receive(authenticator.Receive(response).Send)

			second := bytes.Clone(authenticator.Start().Send)
			if second[1] == challenge[1] || bytes.Equal(second[5:21], challenge[5:21]) {
				t.Error("the second challenge is not new")
			}
			p := peer.Receive(second)
			if p.Verdict != Success || p.Wait != 0 {
				t.Errorf("challenged again, the peer stands at %v and waits %v", p.Verdict, p.Wait)
			}
			if out := authenticator.Receive(response); out.Drop != DropWrongIdentifier || out.Verdict != Pending {
				t.Errorf("the old response was taken: %+v", out)
			}
			a := authenticator.Receive(p.Send)
			if a.Verdict != Success || a.Keys != nil || a.Name != "n" {
				t.Errorf("the second exchange made %+v", a)
			}
			if p := peer.Receive(a.Send); p.Verdict != Success || p.Keys != nil {
				t.Errorf("the second exchange made %+v of the peer", p)
			}
		})
	}
}

func TestPeerRefusedLater(t *testing.T) {
	peer := NewPeer(CHAP, PeerConfig{Name: "n", Secret: "s"})
	peer.Start()
	peer.Receive(unhex(t, "0107001b1000112233445566778899aabbccddeeff736974652d62"))
	if out := peer.Receive(packet{chapSuccess, 7, nil}.encode()); out.Verdict != Success {
		t.Fatalf("%+v", out)
	}
	if out := peer.Receive(packet{chapFailure, 7, nil}.encode()); out.Verdict != Success || out.Drop != DropUnexpectedCode {
		t.Errorf("a Failure without a challenge made %+v", out)
	}
	peer.Receive(unhex(t, "0108001b1000112233445566778899aabbccddeeff736974652d62"))
	const want = `peer refused us as "n": it gave no reason`
	if out := peer.Receive(packet{chapFailure, 8, nil}.encode()); out.Verdict != Failure || out.Reason != want {
		t.Errorf("%+v, want %s", out, want)
	}
}

// Nobody answers: each end gives up with the reason, after the time it says.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name     string
		exchange Exchange
		sends    int
		after    time.Duration
		reason   string
	}{
		{"PAP authenticator", NewAuthenticator(PAP, AuthenticatorConfig{}), 0, 30 * time.Second, "peer sent no PAP request in 30s"},
		{"PAP peer", NewPeer(PAP, PeerConfig{}), 10, 30 * time.Second, "peer did not answer 10 PAP requests"},
		{"CHAP authenticator", NewAuthenticator(CHAP, AuthenticatorConfig{}), 10, 30 * time.Second, "peer did not answer 10 CHAP challenges"},
		{"CHAP peer", NewPeer(CHAP, PeerConfig{}), 0, 30 * time.Second, "peer sent no CHAP challenge in 30s"},
		{"MS-CHAPv2 authenticator", NewAuthenticator(MSCHAPv2, AuthenticatorConfig{}), 10, 30 * time.Second, "peer did not answer 10 MS-CHAPv2 challenges"},
		{"MS-CHAPv2 peer", NewPeer(MSCHAPv2, PeerConfig{}), 0, 30 * time.Second, "peer sent no MS-CHAPv2 challenge in 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sends int
			var after time.Duration
			out := c.exchange.Start()
			for out.Verdict == Pending {
				if out.Send != nil {
					sends++
				}
				if out.Wait <= 0 {
					t.Fatal("a step that waits for nothing")
				}
				after += out.Wait
				out = c.exchange.Timeout()
			}
			if out.Verdict != Failure || !out.GaveUp || out.Reason != c.reason || sends != c.sends || after != c.after {
				t.Errorf("%v after %v and %d packets: %s", out.Verdict, after, sends, out.Reason)
			}
			if again := c.exchange.Timeout(); again.Verdict != Failure || again.Send != nil {
				t.Errorf("a late timeout made %+v", again)
			}
		})
	}
}

func TestSilenceAfterResponse(t *testing.T) {
	peer := NewPeer(CHAP, PeerConfig{Name: "n", Secret: "s"})
	peer.Start()
	if out := peer.Receive(unhex(t, "0107001b1000112233445566778899aabbccddeeff736974652d62")); out.Wait != patience {
		t.Errorf("waits %v", out.Wait)
	}
	const want = "peer said nothing to our CHAP response in 30s"
	if out := peer.Timeout(); out.Verdict != Failure || out.Reason != want {
		t.Errorf("%+v, want %s", out, want)
	}
}

func TestLateAckOfFirstRequest(t *testing.T) {
	peer := NewPeer(PAP, PeerConfig{Name: "n", Secret: "s", Rand: bytes.NewReader([]byte{0xff})})
	if first := peer.Start().Send[1]; first != 0xff {
		t.Fatalf("first identifier %d", first)
	}
	if second := peer.Timeout().Send[1]; second != 0 {
		t.Fatalf("second identifier %d", second)
	}
	for _, id := range []byte{1, 0xfe} {
		if out := peer.Receive([]byte{papAck, id, 0, 4}); out.Drop != DropWrongIdentifier || out.Verdict != Pending {
			t.Errorf("an Ack of request %d made %+v", id, out)
		}
	}
	if out := peer.Receive([]byte{papAck, 0xff, 0, 4}); out.Verdict != Success {
		t.Errorf("a late Ack made %+v", out)
	}
}

func TestPAPTooLong(t *testing.T) {
	peer := NewPeer(PAP, PeerConfig{Name: strings.Repeat("n", 256), Secret: "s"})
	if out := peer.Start(); out.Verdict != Failure || out.Send != nil {
		t.Errorf("%+v", out)
	}
}

// A source that fails must fail the exchange, never yield a challenge of zeros.
func TestNoRandomness(t *testing.T) {
	dry := bytes.NewReader(nil)
	for _, m := range []Method{CHAP, MSCHAPv2} {
		if out := NewAuthenticator(m, AuthenticatorConfig{Rand: dry}).Start(); out.Verdict != Failure || out.Send != nil {
			t.Errorf("%v authenticator: %+v", m, out)
		}
	}
	peer := NewPeer(MSCHAPv2, PeerConfig{Name: "n", Secret: "s", Rand: dry})
	if out := peer.Receive(unhex(t, "01010015105b5d7c7d7b3f2f3e3c2c602132262628")); out.Verdict != Failure || out.Send != nil {
		t.Errorf("MS-CHAPv2 peer: %+v", out)
	}
	if out := NewPeer(PAP, PeerConfig{Rand: dry}).Start(); out.Verdict != Failure || out.Send != nil {
		t.Errorf("PAP peer: %+v", out)
	}
}

// An unknown name must cost the work that a wrong password costs.
func TestUnknownNameCostsTheSame(t *testing.T) {
	for _, name := range []string{"known", "unknown"} {
		alg := &countingAlgorithm{}
		a := newCHAPAuthenticator(alg, AuthenticatorConfig{Rand: bytes.NewReader(make([]byte, 99)), Lookup: accounts("known", "s")})
		a.Start()
		a.Receive(packet{chapResponse, 0, chapValue{make([]byte, 16), []byte(name)}.encode()}.encode())
		if alg.judged != 1 || alg.empty {
			t.Errorf("%s: judged %d times, with an empty secret: %v", name, alg.judged, alg.empty)
		}
	}
}

type countingAlgorithm struct {
	md5CHAP
	judged int
	empty  bool
}

func (c *countingAlgorithm) judge(q question, value []byte) verdict {
	c.judged++
	c.empty = q.secret == ""
	return c.md5CHAP.judge(q, value)
}

func TestStrayPackets(t *testing.T) {
	challenge := "0107001b1000112233445566778899aabbccddeeff736974652d62"
	for _, c := range []struct {
		name     string
		exchange Exchange
		pkt      string
		drop     Drop
	}{
		{"short", NewPeer(CHAP, PeerConfig{}), "010700", DropMalformed},
		{"length below the header", NewPeer(CHAP, PeerConfig{}), "01070003", DropMalformed},
		{"length beyond the packet", NewPeer(CHAP, PeerConfig{}), "0107001b10", DropMalformed},
		{"challenge without a size", NewPeer(CHAP, PeerConfig{}), "01070004", DropMalformed},
		{"size beyond the packet", NewPeer(CHAP, PeerConfig{}), "01070006ff00", DropMalformed},
		{"response to a peer", NewPeer(CHAP, PeerConfig{}), "0207000500", DropUnexpectedCode},
		{"success before a response", NewPeer(MSCHAPv2, PeerConfig{}), "03070004", DropUnexpectedCode},
		{"failure before a response", NewPeer(MSCHAPv2, PeerConfig{}), "04070004", DropUnexpectedCode},
		{"challenge to an authenticator", started(NewAuthenticator(CHAP, AuthenticatorConfig{Rand: zeros{}})), challenge, DropUnexpectedCode},
		{"change of password", started(NewAuthenticator(MSCHAPv2, AuthenticatorConfig{Rand: zeros{}})), "0700000500", DropUnexpectedCode},
		{"response to another challenge", started(NewAuthenticator(CHAP, AuthenticatorConfig{Rand: zeros{}})), "0201000500", DropWrongIdentifier},
		{"response before a challenge", NewAuthenticator(CHAP, AuthenticatorConfig{}), "0200000500", DropWrongIdentifier},
		{"response without a size", started(NewAuthenticator(CHAP, AuthenticatorConfig{Rand: zeros{}})), "02000004", DropMalformed},
		{"PAP ack to an authenticator", NewAuthenticator(PAP, AuthenticatorConfig{}), "02000004", DropUnexpectedCode},
		{"PAP request without a name", NewAuthenticator(PAP, AuthenticatorConfig{}), "01000004", DropMalformed},
		{"PAP request without a password", NewAuthenticator(PAP, AuthenticatorConfig{}), "010000060141", DropMalformed},
		{"PAP name beyond the packet", NewAuthenticator(PAP, AuthenticatorConfig{}), "01000006ff41", DropMalformed},
		{"PAP message beyond the packet", started(NewPeer(PAP, PeerConfig{Rand: zeros{}})), "02000005ff", DropMalformed},
		{"PAP request to a peer", started(NewPeer(PAP, PeerConfig{Rand: zeros{}})), "010000060000", DropUnexpectedCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.exchange.Receive(unhex(t, c.pkt))
			if out.Drop != c.drop || out.Send != nil || out.Wait != 0 || out.Verdict != Pending {
				t.Errorf("%+v, want a drop as %s", out, c.drop)
			}
		})
	}
	long := chapValue{make([]byte, 16), bytes.Repeat([]byte("n"), maxName+1)}
	if out := NewPeer(CHAP, PeerConfig{}).Receive(packet{chapChallenge, 1, long.encode()}.encode()); out.Drop != DropMalformed {
		t.Errorf("a name of 257 octets made %+v", out)
	}
}

func started(e Exchange) Exchange {
	e.Start()
	return e
}

// zeros is a source of identifier 0 and of challenges of zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
