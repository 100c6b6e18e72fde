package ppp

import (
	"strings"
	"testing"
	"time"

	"sitebridge/ppp/fsm"
)

// The tests of this file are about links that have two ciphers to choose from, or
// whose peer does not come to an end with one.

// pastAllTries is when ten Configure-Requests have had no answer.
const pastAllTries = 27*time.Second + time.Millisecond

// rejects has the peer not know a cipher's protocol.
func (l *lone) rejects(c *fakeCipher) {
	l.control(protocolLCP, codeProtocolReject, 77, byte(c.number>>8), byte(c.number))
}

// TestPermittedTakesOneAtATime: where nobody waits for encryption, the peer's request
// for a second cipher waits while a first is negotiated, and is answered when nothing
// comes of that.
func TestPermittedTakesOneAtATime(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(l *lone, c *fakeCipher)
	}{
		{"the peer rejects the protocol", func(l *lone, c *fakeCipher) { l.rejects(c) }},
		{"the peer rejects the algorithm", func(l *lone, c *fakeCipher) {
			l.control(c.number, fsm.ConfigureReject, l.one(l.takes(), c.number, fsm.ConfigureRequest).ID, fakeAlgorithm, 2)
			l.control(c.number, fsm.TerminateAck, 2)
		}},
		{"the peer falls silent", func(*lone, *fakeCipher) { time.Sleep(pastAllTries) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				first, second := fakeECP(), fakeCCP()
				l := alone(t, Config{Admit: guarded(Permitted, []Cipher{second, first}, fakeIP(t))})
				l.agree(protocolLCP)
				l.agree(0x8021)
				l.control(second.number, fsm.TerminateRequest, 6)
				l.control(first.number, fsm.ConfigureRequest, 1, fakeAlgorithm, 2)
				l.control(second.number, fsm.ConfigureRequest, 7, fakeAlgorithm, 2)
				if s := l.Status().Encryption; s.Reason != "" {
					t.Errorf("given up already: %s", s.Reason)
				}
				test.fail(l, first)
				sent := l.takes()
				if acks := find(sent, second.number, fsm.ConfigureAck); len(acks) != 1 || acks[0].ID != 7 {
					t.Fatalf("the waiting request was not acknowledged: %v", sent)
				}
				asked := l.one(sent, second.number, fsm.ConfigureRequest)
				l.control(second.number, fsm.ConfigureAck, asked.ID, asked.Data...)
				if s := l.Status().Encryption; s.Method != "fake-ccp" || !strings.HasPrefix(s.Reason, "fake-ecp: ") {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// TestPermittedNegotiatesOne: two ciphers are never negotiated side by side.
func TestPermittedNegotiatesOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		first, second := fakeECP(), fakeCCP()
		l := alone(t, Config{Admit: guarded(Permitted, []Cipher{second, first}, fakeIP(t))})
		l.agree(protocolLCP)
		l.control(first.number, fsm.ConfigureRequest, 1, fakeAlgorithm, 2)
		l.control(second.number, fsm.ConfigureRequest, 7, fakeAlgorithm, 2)
		for _, f := range l.takes() {
			if f.protocol == second.number {
				t.Errorf("the second is negotiated beside the first: % x", f.Bytes())
			}
		}
	})
}

// TestPermittedLetsThePeerChoose: a cipher that came to nothing leaves the other one
// to be asked for, and does not begin it.
func TestPermittedLetsThePeerChoose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		first, second := fakeECP(), fakeCCP()
		l := alone(t, Config{Admit: guarded(Permitted, []Cipher{first, second}, fakeIP(t))})
		l.agree(protocolLCP)
		l.control(first.number, fsm.ConfigureRequest, 1, fakeAlgorithm, 2)
		l.rejects(first)
		if asked := find(l.takes(), second.number, fsm.ConfigureRequest); len(asked) != 0 {
			t.Error("the second was begun, which nobody asked for")
		}
		l.control(second.number, fsm.ConfigureRequest, 7, fakeAlgorithm, 2)
		l.acknowledge(second.number)
		if s := l.Status().Encryption; s.Method != "fake-ccp" {
			t.Errorf("status %+v", s)
		}
	})
}

// TestOneCipherForEver: keys must not be used again, whichever layer comes up.
func TestOneCipherForEver(t *testing.T) {
	first, second := fakeECP(), fakeCCP()
	r := newRun(NewLink(Config{Send: nowhere}))
	r.encrypt(Encryption{Policy: Required, Ciphers: []Cipher{first, second}})
	layers := r.encryption.candidates
	if err := layers[0].Up(); err != nil {
		t.Fatal(err)
	}
	for i, y := range layers {
		y.Cipher = fakeCCP() // one that would come up
		if err := y.Up(); err == nil || !strings.Contains(err.Error(), "must not be used again") {
			t.Errorf("layer %d after the first: Up = %v", i, err)
		}
	}
	if r.encryption.active != layers[0] {
		t.Error("another layer took the place of the first")
	}
}

// TestEncryptionWithoutAnEnd: a peer that agrees to each request and makes none of its
// own keeps the link from its end for half a minute, and no longer.
func TestEncryptionWithoutAnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeCCP()
		l := alone(t, Config{Admit: guarded(Required, []Cipher{c, fakeECP()}, fakeIP(t))})
		l.agree(protocolLCP)
		began := time.Now()
		for range 20 {
			for _, asked := range find(l.takes(), c.number, fsm.ConfigureRequest) {
				l.control(c.number, fsm.ConfigureAck, asked.ID, asked.Data...)
			}
			if l.Status().End != nil {
				break
			}
			time.Sleep(2500 * time.Millisecond)
		}
		if took := time.Since(began); took != agreeWithin {
			t.Errorf("took %v, want %v", took, agreeWithin)
		}
		if end := l.over(t, NoAnswer); !strings.Contains(end.Reason, "not agreed on in 30s") {
			t.Errorf("reason %q", end.Reason)
		}
	})
}

// TestSilenceIsWorthAnotherTry: where one cipher was not answered the line may have
// failed, whatever became of the other; where both were refused, it did not.
func TestSilenceIsWorthAnotherTry(t *testing.T) {
	silent := func(*lone, *fakeCipher) { time.Sleep(pastAllTries) }
	for _, test := range []struct {
		name   string
		answer [2]func(*lone, *fakeCipher)
		want   EndKind
	}{
		{"both refused", [2]func(*lone, *fakeCipher){(*lone).rejects, (*lone).rejects}, EncryptionFailed},
		{"the first not answered", [2]func(*lone, *fakeCipher){silent, (*lone).rejects}, NoAnswer},
		{"the second not answered", [2]func(*lone, *fakeCipher){(*lone).rejects, silent}, NoAnswer},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ciphers := [2]*fakeCipher{fakeECP(), fakeCCP()}
				l := alone(t, Config{Admit: guarded(Required, []Cipher{ciphers[0], ciphers[1]}, fakeIP(t))})
				l.agree(protocolLCP)
				for i, c := range ciphers {
					test.answer[i](l, c)
				}
				l.over(t, test.want)
			})
		})
	}
}
