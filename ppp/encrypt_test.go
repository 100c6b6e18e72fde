package ppp

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// A fakeCipher turns every bit over, and puts a number in front.
type fakeCipher struct {
	name         string
	number, data uint16
	ncps         bool // NCP packets travel inside
	refuses      bool // rejects what the peer asks for
	dispute      string

	coder *fakeCoder
	sent  atomic.Int64 // Reset-Requests received
}

func fakeCCP() *fakeCipher { return &fakeCipher{name: "CCP", number: 0x80fd, data: 0x00fd} }
func fakeECP() *fakeCipher {
	return &fakeCipher{name: "ECP", number: 0x8053, data: 0x0053, ncps: true}
}

const fakeAlgorithm = 18

func (c *fakeCipher) Name() string             { return c.name }
func (c *fakeCipher) Number() uint16           { return c.number }
func (c *fakeCipher) Data() uint16             { return c.data }
func (c *fakeCipher) Method() string           { return "fake-" + strings.ToLower(c.name) }
func (c *fakeCipher) Request() []fsm.Option    { return []fsm.Option{{Type: fakeAlgorithm}} }
func (c *fakeCipher) Repeatable(byte) bool     { return false }
func (c *fakeCipher) Naked([]fsm.Option) error { return errors.New("peer offered something else") }
func (c *fakeCipher) Rejected([]fsm.Option) error {
	return errors.New("we asked for algorithm 18, the peer refuses it")
}
func (c *fakeCipher) Reset()           {}
func (c *fakeCipher) Down()            {}
func (c *fakeCipher) Agreed() string   { return "every bit turned over" }
func (c *fakeCipher) Dispute() string  { return c.dispute }
func (c *fakeCipher) Strength() string { return "weak: anybody can turn bits over" }
func (c *fakeCipher) Coder() Coder     { return c.coder }

func (c *fakeCipher) Inside(protocol uint16) bool {
	return protocol < 0x4000 || c.ncps && protocol >= 0x8000 && protocol < 0xc000 && protocol != c.number
}

func (c *fakeCipher) Judge(peer []fsm.Option, _ bool) fsm.Verdict {
	if c.refuses {
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: peer}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

func (c *fakeCipher) Up() error {
	if c.coder != nil {
		return errors.New("second Up")
	}
	c.coder = &fakeCoder{}
	return nil
}

func (c *fakeCipher) ReceiveExtra(code fsm.Code, _ byte, _ []byte) bool {
	if code == codeResetRequest {
		c.sent.Add(1)
	}
	return code == codeResetRequest
}

type fakeCoder struct {
	sealed, opened atomic.Uint64
	outOfStep      atomic.Bool
	broken         atomic.Bool
	strangers      atomic.Uint64
}

func (c *fakeCoder) Strangers() uint64 { return c.strangers.Load() }

func (c *fakeCoder) Overhead() int        { return 1 }
func (c *fakeCoder) MaxInner(mru int) int { return mru - 3 }
func (c *fakeCoder) OutOfStep() bool      { return c.outOfStep.Load() }

func (c *fakeCoder) Counters() map[string]uint64 {
	return map[string]uint64{"sealed": c.sealed.Load(), "opened": c.opened.Load()}
}

func (c *fakeCoder) Seal(pkts []*packet.Buffer) {
	for _, b := range pkts {
		for i, x := range b.Bytes() {
			b.Bytes()[i] = ^x
		}
		b.Prepend(1)[0] = byte(c.sealed.Add(1))
	}
}

func (c *fakeCoder) Open(pkts []*packet.Buffer) ([]*packet.Buffer, error) {
	if c.broken.Load() {
		return nil, errors.New("keys differ: nothing makes sense")
	}
	good := pkts[:0]
	for _, b := range pkts {
		if b.Len() < 2 {
			continue
		}
		b.TrimFront(1)
		for i, x := range b.Bytes() {
			b.Bytes()[i] = ^x
		}
		c.opened.Add(1)
		good = append(good, b)
	}
	return good, nil
}

// guarded is running with encryption.
func guarded(want Policy, ciphers []Cipher, ncps ...NCP) func(Admission) (Network, error) {
	return func(Admission) (Network, error) {
		return Network{NCPs: ncps, Encryption: Encryption{Policy: want, Ciphers: ciphers}}, nil
	}
}

// overhear notes the protocols of frames, as they are on the wire.
func overhear(w *wire, seen map[uint16]int) {
	w.intercept(func(f []byte) [][]byte {
		b := packet.Get()
		defer packet.Put(b)
		b.Set(f)
		if p, ok := parseFrame(b); ok {
			seen[p]++
		}
		return [][]byte{f}
	})
}

// TestEncryptionPolicies: every pair of policies, over CCP and over ECP. What the
// words say is what happens, and in clear there is nothing where one end requires
// encryption.
func TestEncryptionPolicies(t *testing.T) {
	type outcome int
	const (
		encrypted outcome = iota
		clear
		refused
	)
	want := map[[2]Policy]outcome{
		{Disabled, Disabled}: clear, {Disabled, Permitted}: clear, {Disabled, Preferred}: clear, {Disabled, Required}: refused,
		{Permitted, Permitted}: clear, {Permitted, Preferred}: encrypted, {Permitted, Required}: encrypted,
		{Preferred, Preferred}: encrypted, {Preferred, Required}: encrypted,
		{Required, Required}: encrypted,
	}
	for policies, outcome := range want {
		for _, cipher := range []func() *fakeCipher{fakeCCP, fakeECP} {
			for _, turned := range []bool{false, true} {
				p := policies
				if turned {
					p[0], p[1] = p[1], p[0]
				}
				t.Run(fmt.Sprintf("%v %v with %s", p[0], p[1], cipher().name), func(t *testing.T) {
					inBubble(t, func(t *testing.T) {
						ciphers := [2]*fakeCipher{cipher(), cipher()}
						ip := [2]*fakeNCP{fakeIP(t), fakeIP(t)}
						x, y := joined(t,
							Config{Admit: guarded(p[0], []Cipher{ciphers[0]}, ip[0])},
							Config{Admit: guarded(p[1], []Cipher{ciphers[1]}, ip[1])})
						seen := map[uint16]int{}
						overhear(x.out, seen)
						switch outcome {
						case refused:
							for i, e := range []*end{x, y} {
								if p[i] == Required {
									e.over(t, EncryptionFailed)
								}
							}
							if seen[0x0021] != 0 {
								t.Error("data passed in clear")
							}
							return
						case encrypted:
							reaches(t, "both are encrypted", func() bool {
								return x.Status().Encryption.Method == ciphers[0].Method() && y.Status().Encryption.Method == ciphers[0].Method()
							})
						}
						x.up(t, "IPCP")
						y.up(t, "IPCP")
						send(t, x.Link, 0x0021, "over")
						reaches(t, "data arrives", func() bool { _, _, got := ip[1].counts(); return got == 1 })
						if got := seen[ciphers[0].data] > 0; got != (outcome == encrypted) {
							t.Errorf("on the wire: %v", seen)
						}
						if seen[0x0021] > 0 != (outcome == clear) {
							t.Errorf("on the wire: %v", seen)
						}
						if p[0].asks() && p[1].asks() && ciphers[0].ncps && seen[0x8021] > 0 {
							t.Errorf("IPCP in clear: %v", seen)
						}
						if s := x.Status().Encryption; s.Policy != p[0].String() || (s.Method == "none") != (outcome == clear) {
							t.Errorf("status %+v", s)
						}
					})
				})
			}
		}
	}
}

// TestSecondCipher: the first that both ends speak is taken, and one that waits is
// neither answered nor lost.
func TestSecondCipher(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t,
			Config{Admit: guarded(Required, []Cipher{fakeECP(), fakeCCP()}, fakeIP(t))},
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))})
		began := time.Now()
		x.up(t, "IPCP")
		y.up(t, "IPCP")
		if took := time.Since(began); took > 900*time.Millisecond {
			t.Errorf("took %v", took)
		}
		s := x.Status().Encryption
		if s.Method != "fake-ccp" || s.Strength == "" || !strings.Contains(s.Reason, "ECP") {
			t.Errorf("status %+v", s)
		}
	})
}

// TestPermittedDoesNotAsk: only the peer's request begins a cipher where the policy is
// "permitted". Who says no before we have asked gets no request for an answer.
func TestPermittedDoesNotAsk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeCCP()
		l := alone(t, Config{Admit: guarded(Permitted, []Cipher{c}, fakeIP(t))})
		l.agree(protocolLCP)
		l.control(c.number, fsm.TerminateRequest, 1)
		l.control(c.number, fsm.ConfigureReject, 2, fakeAlgorithm, 2)
		if asked := find(l.takes(), c.number, fsm.ConfigureRequest); len(asked) != 0 {
			t.Errorf("%d requests of CCP", len(asked))
		}
		l.control(c.number, fsm.ConfigureRequest, 3, fakeAlgorithm, 2)
		if sent := l.takes(); len(find(sent, c.number, fsm.ConfigureRequest)) != 1 || len(find(sent, c.number, fsm.ConfigureAck)) != 1 {
			t.Errorf("the peer's request was answered by %v", sent)
		}
	})
}

// TestEncryptionRefusedInWords: the reason of the link's end tells what the cipher
// knows of it.
func TestEncryptionRefusedInWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		no := fakeCCP()
		no.refuses = true
		x, _ := joined(t,
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))},
			Config{Admit: guarded(Permitted, []Cipher{no}, fakeIP(t))})
		end := x.over(t, EncryptionFailed)
		if !strings.Contains(end.Reason, "we asked for algorithm 18, the peer refuses it") {
			t.Errorf("reason %q", end.Reason)
		}
	})
}

// TestEncryptionNotSpoken: where the peer is one of ours, its configuration is what to
// look at. It is told once, for all ciphers.
func TestEncryptionNotSpoken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, _ := joined(t,
			Config{Admit: guarded(Required, []Cipher{fakeECP(), fakeCCP()}, fakeIP(t))},
			Config{Admit: guarded(Disabled, nil, fakeIP(t))})
		end := x.over(t, EncryptionFailed)
		const rejected = "peer does not speak the protocol (Protocol-Reject)"
		want := "encryption is required, and was not agreed on: fake-ecp: ECP: " + rejected + "; fake-ccp: CCP: " + rejected +
			`; its encryption.policy may be "disabled", or its methods others than ours`
		if end.Reason != want {
			t.Errorf("reason %q, want %q", end.Reason, want)
		}
	})
}

// TestEncryptionNotAnswered: who drops every packet of CCP gets no clear text, and
// the link ends within the timer.
func TestEncryptionNotAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t,
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))},
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))})
		drop := func(f []byte) [][]byte {
			if len(f) > 3 && (f[2] == 0x80 && f[3] == 0xfd || f[0] == 0x80 && f[1] == 0xfd) {
				return nil
			}
			return [][]byte{f}
		}
		x.out.intercept(drop)
		y.out.intercept(drop)
		began := time.Now()
		x.over(t, NoAnswer)
		if took := time.Since(began); took > agreeWithin+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// secured brings a lone Link up to an open cipher and an open IPCP, which the test
// has asked for before the cipher was up.
func secured(t *testing.T, c *fakeCipher, ip *fakeNCP) *lone {
	t.Helper()
	l := alone(t, Config{Admit: guarded(Required, []Cipher{c}, ip, fakeIPX(t))})
	l.agree(protocolLCP)
	l.control(0x8021, fsm.ConfigureRequest, 9)
	if early := l.takes(); len(find(early, 0x8021, fsm.TerminateAck)) != 0 || len(find(early, 0x8021, fsm.ConfigureRequest)) != 0 {
		t.Errorf("IPCP was answered before the cipher was up: %v", early)
	} else if asked := find(early, c.number, fsm.ConfigureRequest); len(asked) != 1 {
		t.Fatalf("%d requests of %s", len(asked), c.name)
	} else {
		l.control(c.number, fsm.ConfigureAck, asked[0].ID, asked[0].Data...)
	}
	l.control(c.number, fsm.ConfigureRequest, 1, fakeAlgorithm, 2)
	return l
}

func TestEarlyRequestIsAnsweredWhenEncrypted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := secured(t, fakeCCP(), fakeIP(t))
		sent := l.takes()
		if acks := find(sent, 0x8021, fsm.ConfigureAck); len(acks) != 1 || acks[0].ID != 9 {
			t.Errorf("the early request was not acknowledged: %v", sent)
		}
	})
}

// TestEarlyRequestOutlivesTheRest: nothing else that comes early takes the place of a
// Configure-Request, for a network protocol or for a cipher.
func TestEarlyRequestOutlivesTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		first, second := fakeECP(), fakeCCP()
		l := alone(t, Config{Admit: guarded(Required, []Cipher{first, second}, fakeIP(t))})
		l.agree(protocolLCP)
		for _, protocol := range []uint16{0x8021, second.number} {
			l.control(protocol, fsm.ConfigureRequest, 9)
			l.control(protocol, fsm.TerminateRequest, 10)
			l.control(protocol, fsm.CodeReject, 11, 1, 2, 3, 4)
			l.gives(protocol, []byte{1})
		}
		l.takes()
		l.control(protocolLCP, codeProtocolReject, 2, byte(first.number>>8), byte(first.number))
		sent := l.takes()
		asked := l.one(sent, second.number, fsm.ConfigureRequest)
		l.control(second.number, fsm.ConfigureAck, asked.ID, asked.Data...)
		sent = append(sent, l.takes()...)
		for _, protocol := range []uint16{0x8021, second.number} {
			if acks := find(sent, protocol, fsm.ConfigureAck); len(acks) != 1 || acks[0].ID != 9 {
				t.Errorf("the early request of %04x was not acknowledged: %v", protocol, sent)
			}
		}
	})
}

// TestClearNCPIsDropped: where NCPs travel inside, those in clear are nobody's.
func TestClearNCPIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := secured(t, fakeECP(), fakeIP(t))
		l.control(0x8021, fsm.ConfigureRequest, 10)
		for _, f := range l.takes() {
			if f.protocol == 0x8021 {
				t.Errorf("% x in clear", f.Bytes())
			}
		}
		if s := l.Stats(); s.Drops.Clear != 1 {
			t.Errorf("%d dropped as clear, want 1 (the early one is not counted)", s.Drops.Clear)
		}
		if n := l.Status().NCPs[0].Stats.Received; n != 0 {
			t.Errorf("IPCP took %d packets that came in clear, the early one with them", n)
		}
	})
}

// TestAttackE2ClearAfterEncryption: clear packets are dropped and counted.
func TestAttackE2ClearAfterEncryption(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		l := secured(t, fakeCCP(), ip)
		l.acknowledge(0x8021)
		if !l.Status().NCPs[0].Opened {
			t.Fatal("IPCP is not open")
		}
		l.gives(0x0021, []byte("clear"))
		l.gives(0x002b, []byte("clear"))
		l.gives(0x00fd, []byte{1, ^byte(0x21), ^byte('x')})
		l.gives(0x00fd, []byte{1, 0xff, ^byte(0xfd), 7, 7})
		l.gives(0x00fd, []byte{1, ^byte(0xc0), ^byte(0x21), ^byte(5), ^byte(1), 0xff, ^byte(4)}) // a Terminate-Request of LCP
		l.gives(0x00fd, []byte{1, ^byte(0x80), ^byte(0x21), ^byte(5), ^byte(1), 0xff, ^byte(4)}) // and of IPCP
		if _, _, got := ip.counts(); got != 1 {
			t.Errorf("%d packets came through, want the encrypted one", got)
		}
		if s := l.Stats(); s.Drops.Clear != 2 || s.Drops.NotInside != 3 {
			t.Errorf("drops %+v, want 2 clear, 3 not inside", s.Drops)
		}
		if s := l.Status(); s.End != nil || !s.NCPs[0].Opened {
			t.Errorf("status %+v", s)
		}
	})
}

// TestRejectTellsNothing: a Protocol-Reject travels in clear, so it holds nothing of
// a packet that did not.
func TestRejectTellsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := secured(t, fakeCCP(), fakeIP(t))
		l.takes()
		l.gives(0x00fd, []byte{1, 0xff, ^byte(0x57), 'x', 'y', 'z'})
		rejects := find(l.takes(), protocolLCP, codeProtocolReject)
		if len(rejects) != 1 || string(rejects[0].Data) != "\x00\x57" {
			t.Errorf("rejects %v, want one of 0057 without data", rejects)
		}
	})
}

// TestRejectTellsNothingEarly: a peer that sends in clear what we wait with does not
// get it back in clear.
func TestRejectTellsNothingEarly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := alone(t, Config{Admit: guarded(Required, []Cipher{fakeECP()}, fakeIP(t))})
		l.agree(protocolLCP)
		l.gives(0x0057, []byte("what IPv6 carries"))
		rejects := find(l.takes(), protocolLCP, codeProtocolReject)
		if len(rejects) != 1 || string(rejects[0].Data) != "\x00\x57" {
			t.Errorf("rejects %v, want one of 0057 without data", rejects)
		}
	})
}

// TestEncryptionIsNeverBegunAgain: a cipher that goes down takes the link with it.
func TestEncryptionIsNeverBegunAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(l *lone, c *fakeCipher)
		want string
	}{
		{"Configure-Request", func(l *lone, c *fakeCipher) { l.control(c.number, fsm.ConfigureRequest, 2, fakeAlgorithm, 2) }, "negotiates anew"},
		{"Terminate-Request", func(l *lone, c *fakeCipher) { l.control(c.number, fsm.TerminateRequest, 2, 'n', 'o') }, `peer terminated it: "no"`},
		{"Protocol-Reject", func(l *lone, c *fakeCipher) {
			l.control(protocolLCP, codeProtocolReject, 2, byte(c.number>>8), byte(c.number))
		}, "encryption refused"},
		{"Protocol-Reject of its packets", func(l *lone, c *fakeCipher) {
			l.control(protocolLCP, codeProtocolReject, 2, byte(c.data>>8), byte(c.data))
		}, "encryption refused"},
		{"Configure-Request of LCP", func(l *lone, c *fakeCipher) { l.control(protocolLCP, fsm.ConfigureRequest, 99) }, "negotiates LCP anew"},
		{"Terminate-Ack of LCP", func(l *lone, c *fakeCipher) { l.control(protocolLCP, fsm.TerminateAck, 99) }, "negotiates LCP anew"},
		{"keys differ", func(l *lone, c *fakeCipher) {
			c.coder.broken.Store(true)
			l.gives(c.data, []byte{1, 2, 3})
		}, "keys differ"},
	} {
		for _, cipher := range []*fakeCipher{fakeCCP(), fakeECP()} {
			t.Run(test.name+" "+cipher.name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					l := secured(t, cipher, fakeIP(t))
					l.takes()
					test.do(l, cipher)
					for _, f := range l.takes() {
						if f.protocol == 0x0021 || f.protocol == 0x8021 && cipher.ncps {
							t.Errorf("%04x in clear: % x", f.protocol, f.Bytes())
						}
					}
					if end := l.over(t, EncryptionLost); !strings.Contains(end.Reason, test.want) {
						t.Errorf("reason %q, want %q", end.Reason, test.want)
					}
				})
			})
		}
	}
}

// TestUnreadablePeer: an end that cannot read its peer says so, whichever of the two
// ends the link, and first of all: a goodbye holds no long stories.
func TestUnreadablePeer(t *testing.T) {
	const why = "keys differ: none of the packets that came can be read"
	for _, test := range []struct {
		name string
		do   func(l *lone)
		kind EndKind
		want string
	}{
		{"we end it", func(*lone) { time.Sleep(time.Minute) }, NoAnswer, "no network protocol can run: " + why + "; IPCP: no answer"},
		{"the peer ends it", func(l *lone) { l.control(protocolLCP, fsm.TerminateRequest, 9, 'b', 'y', 'e') }, PeerTerminated, `peer ended the link: "bye"; ` + why},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := fakeECP()
				c.dispute = why
				l := secured(t, c, fakeIP(t))
				test.do(l)
				if end := l.over(t, test.kind); !strings.HasPrefix(end.Reason, test.want) {
					t.Errorf("reason %q, want %q", end.Reason, test.want)
				}
			})
		})
	}
}

// TestKeysThatDiffer: packets come, and none is the peer's. That ends the link long before
// the network protocols give up; a line on which nothing comes, or little that is not the
// peer's, does not.
func TestKeysThatDiffer(t *testing.T) {
	for _, test := range []struct {
		name      string
		strangers func(after time.Duration) uint64
		ends      time.Duration
		kind      EndKind
	}{
		{"at once", func(time.Duration) uint64 { return mostStrangers }, keysWithin, EncryptionLost},
		{"after a while", func(after time.Duration) uint64 { return 1 + uint64(after/(4*time.Second)) }, keysWithin + keysAgain, EncryptionLost},
		{"nothing comes", func(time.Duration) uint64 { return 0 }, 27 * time.Second, NoAnswer},
		{"a late one of another call", func(time.Duration) uint64 { return 1 }, 27 * time.Second, NoAnswer},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := fakeECP()
				c.dispute = "keys differ: none of the packets that came can be read"
				l := secured(t, c, fakeIP(t))
				began := time.Now()
				for l.Status().End == nil {
					c.coder.strangers.Store(test.strangers(time.Since(began)))
					time.Sleep(time.Second / 4)
					synctest.Wait()
				}
				if took := time.Since(began); took < test.ends-time.Second/4 || took > test.ends+time.Second {
					t.Errorf("it took %v, want %v", took, test.ends)
				}
				if end := l.over(t, test.kind); !strings.Contains(end.Reason, c.dispute) {
					t.Errorf("reason %q", end.Reason)
				}
			})
		})
	}
}

// TestRepeatedRequestKeepsKeys: a peer whose Ack was lost says its request again.
func TestRepeatedRequestKeepsKeys(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeECP()
		l := secured(t, c, fakeIP(t))
		l.takes()
		l.control(c.number, fsm.ConfigureRequest, 1, fakeAlgorithm, 2)
		if acks := find(l.takes(), c.number, fsm.ConfigureAck); len(acks) != 1 {
			t.Errorf("%d Acks", len(acks))
		}
		if s := l.Status(); s.End != nil || s.Encryption.Method != "fake-ecp" {
			t.Errorf("status %+v", s)
		}
	})
}

// TestPeerAheadOfUs: an encrypted packet that overtakes our taking of the last Ack
// is kept for the loop that takes it.
func TestPeerAheadOfUs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeECP()
		l := alone(t, Config{Admit: guarded(Required, []Cipher{c}, fakeIP(t))})
		l.agree(protocolLCP)
		asked := find(l.takes(), c.number, fsm.ConfigureRequest)[0]
		var batch []*packet.Buffer
		add := func(protocol uint16, pkt []byte) {
			b := buffer(t, pkt)
			framing{}.put(b, protocol)
			batch = append(batch, b)
		}
		add(c.number, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureRequest, ID: 1, Data: []byte{fakeAlgorithm, 2}}))
		add(c.number, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureAck, ID: asked.ID, Data: asked.Data}))
		inner := append([]byte{0x80, 0x21}, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureRequest, ID: 5})...)
		for i := range inner {
			inner[i] = ^inner[i]
		}
		add(c.data, append([]byte{1}, inner...))
		l.Receive(batch)
		l.takes()
		if n := c.coder.opened.Load(); n != 1 {
			t.Errorf("%d packets opened", n)
		}
		if s := l.Stats(); s.Drops != (Drops{}) {
			t.Errorf("drops %+v", s.Drops)
		}
	})
}

// TestAheadOfUsIsNotInside: of what overtakes the last Ack in the cipher's packets, too,
// only that counts which belongs inside.
func TestAheadOfUsIsNotInside(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeCCP()
		l := alone(t, Config{Admit: guarded(Required, []Cipher{c}, fakeIP(t))})
		l.agree(protocolLCP)
		asked := find(l.takes(), c.number, fsm.ConfigureRequest)[0]
		var batch []*packet.Buffer
		add := func(protocol uint16, pkt []byte) {
			b := buffer(t, pkt)
			framing{}.put(b, protocol)
			batch = append(batch, b)
		}
		add(c.number, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureRequest, ID: 1, Data: []byte{fakeAlgorithm, 2}}))
		add(c.number, fsm.AppendPacket(nil, fsm.Packet{Code: fsm.ConfigureAck, ID: asked.ID, Data: asked.Data}))
		add(c.data, []byte{1, ^byte(0xc0), ^byte(0x21), ^byte(5), ^byte(1), 0xff, ^byte(4)}) // a Terminate-Request of LCP
		add(c.data, []byte{1, ^byte(0x80), ^byte(0x21), ^byte(1), ^byte(1), 0xff, ^byte(4)}) // a Configure-Request of IPCP
		l.Receive(batch)
		sent := l.takes()
		if s := l.Stats(); c.coder.opened.Load() != 2 || s.Drops != (Drops{NotInside: 2}) {
			t.Errorf("%d opened, drops %+v, want 2 not inside", c.coder.opened.Load(), s.Drops)
		}
		if s := l.Status(); s.End != nil || len(find(sent, 0x8021, fsm.ConfigureAck)) != 0 {
			t.Errorf("they were taken: %+v, %v", s, sent)
		}
	})
}

// TestDroppedStaysTheCallers: a batch that a cipher drops packets of is still the
// caller's, each buffer once.
func TestDroppedStaysTheCallers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := fakeCCP()
		l := secured(t, c, fakeIP(t))
		l.acknowledge(0x8021)
		var batch, before []*packet.Buffer
		for _, p := range []string{"\x01\xde" + "one", "\x02", "\x03\xde" + "two"} {
			b := buffer(t, []byte(p))
			framing{pfc: true, acfc: true}.put(b, c.data)
			batch = append(batch, b)
		}
		before = append(before, batch...)
		l.Receive(batch)
		for i := range batch {
			if batch[i] != before[i] {
				t.Errorf("buffer %d is another one", i)
			}
		}
		if n := c.coder.opened.Load(); n != 2 {
			t.Errorf("%d opened, want 2", n)
		}
		for _, b := range l.sealed[:cap(l.sealed)] {
			if b != nil {
				t.Error("a buffer is kept, which is the caller's again")
			}
		}
	})
}

// TestOutOfStep: the peer is asked to start anew, not more often than it can.
func TestOutOfStep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := fakeCCP(), fakeCCP()
		x, y := joined(t,
			Config{Admit: guarded(Required, []Cipher{a}, fakeIP(t))},
			Config{Admit: guarded(Required, []Cipher{b}, fakeIP(t))})
		x.up(t, "IPCP")
		y.up(t, "IPCP")
		b.coder.outOfStep.Store(true)
		for range 50 {
			send(t, x.Link, 0x0021, "lost")
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := a.sent.Load(); n < 2 || n > 8 {
			t.Errorf("%d Reset-Requests in half a second", n)
		}
	})
}

// TestMaxPacketInside: what would be too long once encrypted is dropped, and
// Overhead tells how much that is.
func TestMaxPacketInside(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := fakeIP(t)
		x, y := joined(t,
			Config{MRU: 1000, Admit: guarded(Required, []Cipher{fakeCCP()}, ip)},
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t))})
		y.up(t, "IPCP")
		x.up(t, "IPCP")
		if y.MaxPacket() != 997 || x.MaxPacket() != 1497 {
			t.Errorf("longest packets %d and %d, want 997 and 1497", y.MaxPacket(), x.MaxPacket())
		}
		if got := y.Overhead(); got != 3 { // fd, number, 21
			t.Errorf("overhead %d, want 3", got)
		}
		send(t, y.Link, 0x0021, strings.Repeat("x", 998))
		send(t, y.Link, 0x0021, strings.Repeat("x", 997))
		reaches(t, "one arrives", func() bool { _, _, got := ip.counts(); return got == 1 })
		if s := y.Stats(); s.Drops.OverPeerMRU != 1 {
			t.Errorf("drops %+v", s.Drops)
		}
	})
}

// TestTwoSendersKeepOrder: whoever sends, packets leave in the order in which they
// were sealed.
func TestTwoSendersKeepOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, y := joined(t,
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t), fakeIPX(t))},
			Config{Admit: guarded(Required, []Cipher{fakeCCP()}, fakeIP(t), fakeIPX(t))})
		x.up(t, "IPCP", "IPXCP")
		y.up(t, "IPCP", "IPXCP")
		var last, wrong int
		x.out.intercept(func(f []byte) [][]byte {
			if f[0] == 0xfd {
				if byte(last+1) != f[1] {
					wrong++
				}
				last = int(f[1])
			}
			return [][]byte{f}
		})
		x.out.hesitant.Store(true)
		done := make(chan struct{}, 2)
		for _, protocol := range []uint16{0x0021, 0x002b} {
			go func() {
				for range 200 {
					b := packet.Get()
					b.Set([]byte("data"))
					x.Send(protocol, []*packet.Buffer{b}, false)
					packet.Put(b)
				}
				done <- struct{}{}
			}()
		}
		<-done
		<-done
		reaches(t, "all arrived", func() bool { return y.Status().Encryption.Packets["opened"] == 400 })
		if wrong != 0 {
			t.Errorf("%d packets out of order", wrong)
		}
	})
}
