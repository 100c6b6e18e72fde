package auth

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

func FuzzParsePacket(f *testing.F) {
	for _, b := range controlVectors(f) {
		f.Add(b)
	}
	f.Add([]byte{1, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if ok && !bytes.HasPrefix(b, p.encode()) {
			t.Errorf("% x came back as % x", b, p.encode())
		}
	})
}

func FuzzParseBodies(f *testing.F) {
	for _, b := range controlVectors(f) {
		f.Add(b[headerLen:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := parseCHAPValue(b); ok && !bytes.Equal(v.encode(), b) {
			t.Errorf("% x came back as % x", b, v.encode())
		}
		if c, ok := parsePAPCredentials(b); ok && !bytes.HasPrefix(b, c.encode()) {
			t.Errorf("% x came back as % x", b, c.encode())
		}
		if m, ok := parsePAPMessage(b); ok && len(b) > 0 && !bytes.HasPrefix(b, appendSized(nil, m)) {
			t.Errorf("% x gave the message %q", b, m)
		}
		if got := (msCHAPv2{}).refusal(b); !printable(got) || len(got) > 500 {
			t.Errorf("% x in words: %q", b, got)
		}
	})
}

// Whatever a peer that knows no secret sends, in whatever order, it is not
// believed; and nothing that leaves or is said shows the secret or a control
// character.
func FuzzAuthenticator(f *testing.F) {
	addConversations(f)
	f.Fuzz(func(t *testing.T, method uint8, conversation []byte) {
		a := NewAuthenticator(allMethods[method%3], AuthenticatorConfig{
			Name: "hq", Rand: zeros{}, Lookup: accounts("User", unguessed, "site-a", unguessed)})
		converse(t, a, conversation, func(out Output) {
			if out.Verdict == Success || out.Name != "" || out.Keys != nil {
				t.Errorf("believed: %+v", out)
			}
		})
	})
}

// Whatever a server that does not know the secret sends, MS-CHAPv2 does not
// believe it, and a failed exchange stays failed.
func FuzzPeer(f *testing.F) {
	addConversations(f)
	f.Fuzz(func(t *testing.T, method uint8, conversation []byte) {
		m := allMethods[method%3]
		p := NewPeer(m, PeerConfig{Name: "User", Secret: unguessed, Rand: zeros{}})
		failed := false
		converse(t, p, conversation, func(out Output) {
			if m == MSCHAPv2 && (out.Verdict == Success || out.Keys != nil) {
				t.Errorf("believed: %+v", out)
			}
			if failed && (out.Verdict != Failure || out.Send != nil) {
				t.Errorf("a failed exchange went on: %+v", out)
			}
			failed = out.Verdict == Failure
		})
	})
}

const unguessed = "tk7Zq0fWm2Xv9Ls4"

// addConversations seeds with every vector, alone and after each other.
func addConversations(f *testing.F) {
	vectors := controlVectors(f)
	for m := range uint8(3) {
		for _, b := range vectors {
			one := append([]byte{byte(len(b))}, b...)
			f.Add(m, one)
			for _, next := range vectors {
				f.Add(m, append(append(bytes.Clone(one), byte(len(next))), next...))
			}
		}
	}
}

// converse hands e the packets of conversation, each behind an octet with its
// length; length 0 is a timeout.
func converse(t *testing.T, e Exchange, conversation []byte, check func(Output)) {
	step := func(out Output) {
		if out.Send != nil {
			if p, ok := parsePacket(out.Send); !ok || !bytes.Equal(p.encode(), out.Send) {
				t.Errorf("sent what is no packet: % x", out.Send)
			}
			if e.Protocol() != protocolPAP && bytes.Contains(out.Send, []byte(unguessed)) {
				t.Errorf("sent the secret: % x", out.Send)
			}
		}
		if len(out.Send) > 1500 || len(out.Notice) > 500 || !printable(out.Notice) {
			t.Errorf("sent %d octets, notice %q", len(out.Send), out.Notice)
		}
		if (out.Verdict == Failure) != (out.Reason != "") {
			t.Errorf("%v, because: %q", out.Verdict, out.Reason)
		}
		if !printable(out.Reason) || strings.Contains(out.Reason, unguessed) || len(out.Reason) > 500 {
			t.Errorf("reason %q", out.Reason)
		}
		check(out)
	}
	step(e.Start())
	for len(conversation) > 0 {
		n := min(int(conversation[0]), len(conversation)-1)
		pkt := conversation[1 : 1+n]
		conversation = conversation[1+n:]
		if n == 0 {
			step(e.Timeout())
			continue
		}
		before := bytes.Clone(pkt)
		step(e.Receive(pkt))
		if !bytes.Equal(pkt, before) {
			t.Error("the packet was changed")
		}
	}
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
