package auth

import (
	"bytes"
	"testing"
)

func FuzzParseEAP(f *testing.F) {
	for _, b := range eapVectors(f) {
		f.Add(b)
	}
	f.Add(eapPacket(eapResponse, 1, typeExpanded, unhex(f, "00000000000003fe0000000000001afe0001370000000d")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if !ok {
			return
		}
		m, ok := parseEAPMessage(p)
		if !ok {
			return
		}
		if !bytes.HasPrefix(b, m.encode()) {
			t.Errorf("% x came back as % x", b, m.encode())
		}
		wanted, nak := m.nak()
		if words := listed(wanted); !printable(words) || len(words) > 200 || nak && m.kind != typeNak && m.kind != typeExpanded {
			t.Errorf("% x in words: %q", b, words)
		}
		if ms, ok := parseMSMessage(m.data); ok && len(m.data) > 1 {
			again, ok := parseMSMessage(ms.encode())
			if !ok || again.op != ms.op || again.id != ms.id || !bytes.Equal(again.body, ms.body) {
				t.Errorf("% x came back as % x", m.data, ms.encode())
			}
		}
	})
}

// Whatever a peer that knows no secret and has no certificate sends, in whatever
// order, it is not believed.
func FuzzEAPAuthenticator(f *testing.F) {
	addEAPConversations(f)
	f.Fuzz(func(t *testing.T, methods uint8, conversation []byte) {
		c := hqConfig(bothEAP[:1+methods%2]...)
		if methods%3 == 0 {
			c.EAP = []Method{EAPMSCHAPv2}
		}
		c.Rand, c.Lookup = zeros{}, accounts("User", unguessed, "west", unguessed)
		a := NewAuthenticator(EAP, c)
		defer a.Close()
		converse(t, a, conversation, func(out Output) {
			if out.Verdict == Success || out.Name != "" || out.Keys != nil || out.Send != nil && out.Send[0] != eapRequest && out.Send[0] != eapFailure {
				t.Errorf("believed: %+v", out)
			}
		})
	})
}

// Whatever a server that knows no secret and has no certificate sends, it is not
// believed, and a failed exchange stays failed.
func FuzzEAPPeer(f *testing.F) {
	addEAPConversations(f)
	f.Fuzz(func(t *testing.T, methods uint8, conversation []byte) {
		c := westConfig(bothEAP[:methods%3]...)
		c.Secret, c.Rand = unguessed, zeros{}
		p := NewPeer(EAP, c)
		defer p.Close()
		failed := false
		converse(t, p, conversation, func(out Output) {
			if out.Verdict == Success || out.Keys != nil || out.Send != nil && out.Send[0] != eapResponse {
				t.Errorf("believed: %+v", out)
			}
			if failed && (out.Verdict != Failure || out.Send != nil) {
				t.Errorf("a failed exchange went on: %+v", out)
			}
			failed = out.Verdict == Failure
			if presumed := p.(Presumer).Presume(); presumed.Verdict == Success {
				t.Errorf("presumed: %+v", presumed)
			}
		})
	})
}

// addEAPConversations seeds with the vectors, alone and in order, and with the
// packets of whole exchanges.
func addEAPConversations(f *testing.F) {
	vectors := eapVectors(f)
	var all []byte
	for m := range uint8(6) {
		for _, b := range vectors {
			one := append([]byte{byte(len(b))}, b...)
			f.Add(m, one)
			all = append(all, one...)
		}
		f.Add(m, all)
		f.Add(m, append([]byte{0, 0, 0}, all...))
	}
	for _, c := range []struct{ m, code byte }{{byte(EAPTLS), eapRequest}, {byte(EAPTLS), eapResponse}, {byte(EAPMSCHAPv2), eapRequest}, {byte(EAPMSCHAPv2), eapResponse}} {
		a := hqConfig(Method(c.m))
		a.Rand = zeros{}
		d := newDialog(f, NewAuthenticator(EAP, a), NewPeer(EAP, westConfig(Method(c.m)))).run(f)
		var one []byte
		for _, pkt := range d.wire {
			if pkt[0] == c.code && len(pkt) < 256 {
				one = append(append(one, byte(len(pkt))), pkt...)
			}
		}
		for m := range uint8(6) {
			f.Add(m, one)
		}
	}
}

// Two right ends with somebody between them who may lose, repeat, change and forge
// packets: neither takes the other for proved without its method's own result, and
// where both do, they have the same keys.
func FuzzEAPBetween(f *testing.F) {
	quiet := bytes.Repeat([]byte{0, 1}, 20)
	for m := range uint8(2) {
		f.Add(m, quiet)
		f.Add(m, bytes.Repeat([]byte{0, 0, 1, 1}, 20))
		f.Add(m, bytes.Repeat([]byte{0, 4, 1, 5, 0, 6, 1, 7}, 10))
		f.Add(m, append(quiet[:8:8], 0, 2, 17, 1, 3, 30, 0, 1, 0, 1, 10, 4, 6))
		f.Add(m, bytes.Repeat([]byte{0, 8, 1, 9, 3}, 15))
	}
	f.Fuzz(func(t *testing.T, method uint8, script []byte) {
		m := bothEAP[method%2]
		b := &between{t: t}
		b.a, b.p = NewAuthenticator(EAP, hqConfig(m)), NewPeer(EAP, westConfig(m))
		defer b.a.Close()
		defer b.p.Close()
		b.fromA(b.a.Start())
		b.p.Start()
		for i := 0; i < len(script) && i < 400; i++ {
			var next byte
			if i+1 < len(script) {
				next = script[i+1]
			}
			b.act(script[i]%12, next)
		}
	})
}

// A between is the one between the two ends.
type between struct {
	t            *testing.T
	a, p         Exchange
	toP, toA     []byte // the last packet of each end
	aKeys, pKeys Keys
	aWon, pWon   bool
}

func (b *between) act(what, where byte) {
	switch what {
	case 0:
		b.toPeer(b.toP)
	case 1:
		b.toAuthenticator(b.toA)
	case 2:
		b.toPeer(changed(b.toP, where))
	case 3:
		b.toAuthenticator(changed(b.toA, where))
	case 4:
		b.forge(eapSuccess)
	case 5:
		b.forge(eapFailure)
	case 6:
		b.fromA(b.a.Timeout())
	case 7:
		b.toPeer(eapPacket(eapRequest, where, typeNotification))
	case 8:
		b.toAuthenticator(eapPacket(eapResponse, where, typeNak, 26))
	case 9:
		b.fromP(b.p.(Presumer).Presume())
	case 10:
		b.toPeer(eapPacket(eapRequest, where, typeMSCHAPv2, chapSuccess))
	case 11:
		b.toAuthenticator(eapPacket(eapResponse, where, typeTLS, 0))
	}
}

// changed flips a bit.
func changed(pkt []byte, where byte) []byte {
	pkt = bytes.Clone(pkt)
	if len(pkt) > 0 {
		pkt[int(where/8)*7%len(pkt)] ^= 1 << (where % 8)
	}
	return pkt
}

func (b *between) forge(code byte) {
	if len(b.toA) > 1 {
		b.toPeer([]byte{code, b.toA[1], 0, 4})
	}
}

func (b *between) toPeer(pkt []byte)          { b.fromP(b.p.Receive(pkt)) }
func (b *between) toAuthenticator(pkt []byte) { b.fromA(b.a.Receive(pkt)) }

func (b *between) fromA(out Output) {
	b.check(out, &b.toP, &b.aKeys)
	b.aWon = out.Verdict == Success
	if b.aWon && out.Name != "west" {
		b.t.Errorf("the authenticator believes %+v", out)
	}
}

func (b *between) fromP(out Output) {
	b.check(out, &b.toA, &b.pKeys)
	b.pWon = out.Verdict == Success
	if b.pWon && b.p.(*eapPeer).proved == nil {
		b.t.Errorf("the peer believes %+v", out)
	}
}

func (b *between) check(out Output, last *[]byte, keys *Keys) {
	if len(out.Send) > 1500 {
		b.t.Errorf("sent %d octets", len(out.Send))
	}
	if out.Send != nil {
		*last = bytes.Clone(out.Send)
	}
	if out.Keys != nil {
		if *keys != nil || out.Verdict != Success {
			b.t.Errorf("keys a second time, or too early: %+v", out)
		}
		*keys = out.Keys
	}
	if b.aWon && b.pWon {
		if err := sameKeys(b.aKeys, b.pKeys); err != nil {
			b.t.Error(err)
		}
	}
}
