package ecp

import (
	"bytes"
	"testing"
	"time"

	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
)

func fresh() fsm.Protocol { return New(config(false)) }

func TestAttackP1RepeatedOption(t *testing.T) { fsmtest.Repeats(t, fresh) }

// TestAttackP1RepeatedOffer: ours twice is rejected, and not one of the two chosen.
func TestAttackP1RepeatedOffer(t *testing.T) {
	b := fsmtest.NewBench(t, fresh())
	got := b.Give(fsm.ConfigureRequest, 1, ours(aead.AES256GCM), ours(aead.ChaCha20Poly1305))
	if len(got) != 1 || got[0].Code != fsm.ConfigureReject {
		t.Errorf("answered by %v", got)
	}
}

func TestAttackP2OptionLengths(t *testing.T) {
	fsmtest.Lengths(t, fresh, func(byte, int) bool { return false }) // what is in them is never ours
}

// TestAttackP2OfferLengths: the octets of a good offer, cut and grown to every
// length. Only its own is acknowledged.
func TestAttackP2OfferLengths(t *testing.T) {
	whole := fsm.AppendOptions(nil, []fsm.Option{ours(aead.AES256GCM)})
	for length := range 256 {
		opt := append(bytes.Clone(whole), make([]byte, 256)...)[:max(length, 2)]
		opt[1] = byte(length)
		b := fsmtest.NewBench(t, New(prefer(false, aead.AES256GCM)))
		for _, p := range b.GiveData(fsm.ConfigureRequest, 1, opt) {
			if (p.Code == fsm.ConfigureAck) != (length == len(whole)) {
				t.Errorf("length %d was answered by %v", length, p.Code)
			}
		}
	}
}

func TestAttackP3EmptyRefusals(t *testing.T) { fsmtest.EmptyRefusals(t, fresh) }

func TestAttackP6EndlessNaks(t *testing.T) {
	fsmtest.EndlessNaks(t, fresh)
	b := fsmtest.NewBench(t, fresh()) // and with a good option, each time another
	for round := 0; b.State() >= fsm.ReqSent; round++ {
		if round > 100 {
			t.Fatal("no end")
		}
		sent := b.Sent()
		b.Machine.Receive(fsm.AppendPacket(nil, fsm.Packet{
			Code: fsm.ConfigureNak, ID: sent[len(sent)-1].ID,
			Data: fsm.AppendOptions(nil, []fsm.Option{hint(aead.Cipher(1 + round%2))}),
		}))
	}
}

func TestAttackP6EndlessRequests(t *testing.T) {
	for _, wish := range []func(round int) []fsm.Option{
		func(int) []fsm.Option { return nil },
		func(round int) []fsm.Option { return []fsm.Option{with(ours(1), 20, byte(7+round%2))} },
	} {
		fsmtest.EndlessRequests(t, fresh, wish)
	}
}

// TestAttackE1Refused: each way to refuse the cipher ends it. Nothing but an
// agreement of both ends makes keys.
func TestAttackE1Refused(t *testing.T) {
	for name, refuse := range map[string]func(b *fsmtest.Bench, request fsm.Packet){
		"Configure-Reject": func(b *fsmtest.Bench, r fsm.Packet) { b.GiveData(fsm.ConfigureReject, r.ID, r.Data) },
		"Protocol-Reject":  func(b *fsmtest.Bench, _ fsm.Packet) { b.ProtocolRejected() },
		"silence":          func(b *fsmtest.Bench, _ fsm.Packet) { b.Pass(time.Hour) },
		"Code-Reject": func(b *fsmtest.Bench, r fsm.Packet) {
			b.GiveData(fsm.CodeReject, 1, fsm.AppendPacket(nil, r))
		},
		"Ack, and no encryption the other way": func(b *fsmtest.Bench, r fsm.Packet) {
			b.GiveData(fsm.ConfigureAck, r.ID, r.Data)
			for id := range byte(20) {
				b.Give(fsm.ConfigureRequest, id)
			}
		},
		"Nak to DES": func(b *fsmtest.Bench, r fsm.Packet) {
			for b.State() >= fsm.ReqSent {
				sent := b.Give(fsm.ConfigureNak, r.ID, fsm.Option{Type: 3, Data: make([]byte, 8)})
				r = sent[len(sent)-1]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(config(false))
			b := fsmtest.NewBench(t, p)
			refuse(b, b.Sent()[0])
			b.Pass(time.Hour)
			if s := b.State(); s != fsm.Closed && s != fsm.Stopped || b.Reason() == nil {
				t.Errorf("%v because of %v", s, b.Reason())
			}
			if p.Coder() != nil {
				t.Error("there are keys")
			}
		})
	}
}

// TestAttackE1TerminateAfterUp: it goes down, and does not come up again.
func TestAttackE1TerminateAfterUp(t *testing.T) {
	b := fsmtest.NewBench(t, New(config(false)))
	agree(t, b)
	b.GiveData(fsm.TerminateRequest, 1, nil)
	b.Pass(time.Minute)
	if b.State() != fsm.Stopped {
		t.Fatalf("%v", b.State())
	}
	sent := b.Give(fsm.ConfigureRequest, 2, ours(aead.AES256GCM))
	for _, p := range sent {
		if p.Code == fsm.ConfigureRequest {
			b.GiveData(fsm.ConfigureAck, p.ID, p.Data)
		}
	}
	if b.Opened() {
		t.Error("it came up again")
	}
}

// TestAttackE5ResetRequests: they are not answered, and change nothing.
func TestAttackE5ResetRequests(t *testing.T) {
	b := fsmtest.NewBench(t, New(config(false)))
	agree(t, b)
	for i := range 10_000 {
		if got := b.GiveData(fsm.Code(14+i%2), byte(i), []byte("reset")); len(got) != 0 {
			t.Fatalf("answered by %v", got)
		}
	}
	if !b.Opened() {
		t.Errorf("%v", b.State())
	}
}

// TestAttackSwappedNegotiation: somebody on the path changes an offer, and changes
// the Ack back, so that neither end sees it. Their keys differ.
func TestAttackSwappedNegotiation(t *testing.T) {
	for name, at := range map[string]int{"salt": 54, "cipher": 22} {
		t.Run(name, func(t *testing.T) {
			swap := func(_ int, pkt []byte) []byte {
				if pkt[0] <= byte(fsm.ConfigureAck) && len(pkt) == fsm.HeaderLen+55 {
					pkt[fsm.HeaderLen+at] ^= 3 // 1 is 2 then, and 2 is 1
				}
				return pkt
			}
			a, b := New(prefer(false, aead.AES256GCM)), New(prefer(true, aead.AES256GCM))
			l := connect(a, b, swap)
			l.run(time.Second)
			l.wantOpened(t)
			if passes(t, a, b) || passes(t, b, a) {
				t.Error("keys are the same")
			}
		})
	}
}

// FuzzJudge is row P5. The property: the answer is lawful; only one offer of ours is
// acknowledged, and it is what the peer sent; after any request, Nak and Reject our
// own request is an offer.
func FuzzJudge(f *testing.F) {
	seed := func(opts ...fsm.Option) {
		f.Add(fsm.AppendOptions(nil, opts), false)
		f.Add(fsm.AppendOptions(nil, opts), true)
	}
	seed(ours(aead.AES256GCM))
	seed(ours(aead.ChaCha20Poly1305), fsm.Option{Type: 1, Data: make([]byte, 8)})
	seed(with(ours(aead.AES256GCM), 20, 3))
	seed(with(ours(aead.AES256GCM), 5, 3))
	seed()
	f.Fuzz(func(t *testing.T, b []byte, final bool) {
		opts, err := fsm.ParseOptions(b)
		if err != nil {
			return
		}
		for _, prefers := range []aead.Cipher{aead.AES256GCM, aead.ChaCha20Poly1305} {
			p := New(prefer(false, prefers))
			switch v := p.Judge(opts, final); {
			case v.Err != nil:
				if len(opts) != 0 || !final {
					t.Fatalf("% x: %v", b, v.Err)
				}
			default:
				fsmtest.CheckVerdict(t, opts, v, optOUI)
				if v.Code == fsm.ConfigureAck && !bytes.Equal(fsm.AppendOptions(nil, []fsm.Option{p.theirs.option()}), b[:55]) {
					t.Fatalf("% x was acknowledged as %+v", b, p.theirs)
				}
				if (v.Code == fsm.ConfigureAck) != (p.theirECP != nil) {
					t.Fatalf("answered by %v, kept % x", v.Code, p.theirECP)
				}
			}
			p.Naked(opts)
			p.Rejected(opts)
			if got, err := parse(p.Request()[0]); err != nil || got != p.ours {
				t.Fatalf("after % x we ask for %v", b, p.Request())
			}
			if len(p.Dispute()) > 400 {
				t.Fatalf("a long story: %s", p.Dispute())
			}
		}
	})
}
