package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"sitebridge/control/gre"
	"sitebridge/ppp/fsm"
)

// tunnelAttacks need a call, and so GRE.
var tunnelAttacks = []attack{
	{"G1", "packets with other call IDs", onCall(otherCalls)},
	{"G2", "one forged packet far ahead in sequence", onCall(farAhead)},
	{"G4", "payload lengths that are not the packet's", onCall(wrongPayloads)},
	{"G5", "acknowledgements of what was never sent", onCall(wrongAcks)},
	{"G6", "frames shorter than PPP's header", onCall(shortFrames)},
	{"P1", "one option 300 times", onCall(repeatedOption)},
	{"P2", "each LCP option too short and too long", onCall(optionLengths)},
	{"P3", "Naks and Rejects without an option", onCall(emptyNaks)},
	{"P6", "Naks for ever", stubbornly(naksForEver)},
	{"P7", "a flood of Echo-Requests", onCall(echoFlood)},
	{"P9", "Code-Rejects and repeats that answer nothing", onCall(strayCodes)},
	{"A2", "which proof is asked for", onCall(proofAsked)},
	{"A3", "a Nak that wants PAP instead", stubbornly(downgrade)},
	{"A5", "EAP, where it was not agreed on", onCall(strayEAP)},
	{"E1", "IPCP before any proof", onCall(tooEarly)},
}

// onCall gives an attack a call of its own.
func onCall(run func(context.Context, *tunnel) (Verdict, string)) func(context.Context, *prober) (Verdict, string) {
	return on(run, false)
}

// stubbornly is onCall for an attack that agrees to nothing the server asks for.
func stubbornly(run func(context.Context, *tunnel) (Verdict, string)) func(context.Context, *prober) (Verdict, string) {
	return on(run, true)
}

func on(run func(context.Context, *tunnel) (Verdict, string), stubborn bool) func(context.Context, *prober) (Verdict, string) {
	return func(ctx context.Context, p *prober) (Verdict, string) {
		t, err := p.call(ctx)
		if err != nil {
			return Unsure, err.Error()
		}
		defer t.close()
		t.stubborn = stubborn
		if !t.answers(ctx) {
			return Unsure, "no answer by GRE: does IP protocol 47 pass, both ways?"
		}
		return run(ctx, t)
	}
}

// still judges by whether the link goes on.
func (t *tunnel) still(ctx context.Context, good string) (Verdict, string) {
	if !t.answers(ctx) {
		return Weak, "the link does not answer any more"
	}
	return Held, good
}

// marked is a Configure-Request by which one recognises who answered a forgery.
func marked() []byte { return ppp(protocolLCP, packetOf(fsm.ConfigureRequest, mark, nil)) }

const mark = 0xa5

// fooled reports whether a forgery was answered.
func (t *tunnel) fooled(ctx context.Context) bool {
	return t.hear(ctx, t.p.cfg.Patience/4, func(f frame) bool {
		t.obliges(f)
		k, ok := f.lcp()
		return ok && k.ID == mark && k.Code == fsm.ConfigureAck
	})
}

func otherCalls(ctx context.Context, t *tunnel) (Verdict, string) {
	for range 200 {
		id := uint16(rand.Uint32())
		if id != t.peerID {
			t.forge(gre.Header{PayloadLen: uint16(len(marked())), CallID: id, HasSeq: true, Seq: 9}, marked())
		}
	}
	if t.fooled(ctx) {
		return Broken, "a packet for another call was answered"
	}
	return t.still(ctx, "200 were ignored")
}

func farAhead(ctx context.Context, t *tunnel) (Verdict, string) {
	t.forge(gre.Header{PayloadLen: uint16(len(marked())), CallID: t.peerID, HasSeq: true, Seq: 1 << 20}, marked())
	if !t.answers(ctx) {
		return Weak, "all that comes after it is taken for late"
	}
	return Held, "the call goes on"
}

func wrongPayloads(ctx context.Context, t *tunnel) (Verdict, string) {
	for _, wrong := range []int{1, 100, 0x8000, -1, -5} {
		t.inject(func(n int) uint16 { return uint16(n + wrong) }, marked())
		if t.fooled(ctx) {
			return Weak, fmt.Sprintf("a packet that is %+d octets longer than it says was taken", -wrong)
		}
	}
	return t.still(ctx, "all were dropped")
}

func wrongAcks(ctx context.Context, t *tunnel) (Verdict, string) {
	for _, ack := range []uint32{0, 1<<32 - 1, 1 << 31, 1 << 20, 5, 4, 3} {
		t.forge(gre.Header{CallID: t.peerID, HasAck: true, Ack: ack}, nil)
	}
	return t.still(ctx, "the call goes on")
}

func shortFrames(ctx context.Context, t *tunnel) (Verdict, string) {
	whole := ppp(protocolLCP, nil)
	t.inject(honest, nil, whole[:1], whole[:2], whole[:3])
	return t.still(ctx, "the call goes on")
}

// longestReply is an MRU of PPP with LCP's header (RFC 1661, section 6.1).
const longestReply = 1500

func repeatedOption(ctx context.Context, t *tunnel) (Verdict, string) {
	longest := 0
	for option := range byte(14) {
		t.send(protocolLCP, packetOf(fsm.ConfigureRequest, mark, bytes.Repeat([]byte{option, 4, 0, 1}, 300)))
		t.hear(ctx, t.p.cfg.Patience/4, func(f frame) bool {
			t.obliges(f)
			k, ok := f.lcp()
			if ok && k.ID == mark {
				longest = max(longest, len(f.body))
			}
			return ok && k.ID == mark
		})
	}
	if longest > longestReply {
		return Broken, fmt.Sprintf("a reply of %d octets", longest)
	}
	return t.still(ctx, fmt.Sprintf("no reply was longer than %d octets", longest))
}

func optionLengths(ctx context.Context, t *tunnel) (Verdict, string) {
	for option := range byte(20) {
		for _, n := range []byte{0, 1, 2, 3, 5, 7, 255} {
			t.send(protocolLCP, packetOf(fsm.ConfigureRequest, mark, append([]byte{option, n}, make([]byte, max(0, min(int(n), 40)-2))...)))
		}
	}
	return t.still(ctx, "the link goes on")
}

func emptyNaks(ctx context.Context, t *tunnel) (Verdict, string) {
	for _, code := range []fsm.Code{fsm.ConfigureNak, fsm.ConfigureReject, fsm.ConfigureAck} {
		for id := range 32 {
			t.send(protocolLCP, packetOf(code, byte(id), nil))
			t.send(protocolLCP, packetOf(code, byte(id), []byte{5}))
		}
	}
	return t.still(ctx, "the link goes on")
}

// naksEnough is more than any Max-Failure (RFC 1661, section 4.6).
const naksEnough = 100

func naksForEver(ctx context.Context, t *tunnel) (Verdict, string) {
	naks := 0
	forever := t.hear(ctx, 10*t.p.cfg.Patience, func(f frame) bool {
		if k, ok := f.lcp(); ok && k.Code == fsm.ConfigureRequest {
			naks++
			wish := []byte{1, 4, byte(4 + naks%2), byte(naks)} // another MRU each time
			t.send(protocolLCP, packetOf(fsm.ConfigureNak, k.ID, wish))
		}
		return naks >= naksEnough
	})
	if forever {
		return Weak, fmt.Sprintf("after %d Naks it still asks", naks)
	}
	if naks == 0 {
		return Unsure, "it asked for nothing"
	}
	return Held, fmt.Sprintf("after %d it asks no more", naks)
}

func echoFlood(ctx context.Context, t *tunnel) (Verdict, string) {
	if !t.opens(ctx) {
		return Unsure, "LCP does not open"
	}
	const asked = 500
	body := append(make([]byte, 4), bytes.Repeat([]byte{'x'}, 1400)...)
	for range asked {
		t.send(protocolLCP, packetOf(echoRequest, mark, body))
	}
	replies, longest := 0, 0
	t.hear(ctx, t.p.cfg.Patience/2, func(f frame) bool {
		if k, ok := f.lcp(); ok && k.Code == echoReply {
			replies, longest = replies+1, max(longest, len(f.body))
		}
		return false
	})
	if replies > asked || longest > longestReply {
		return Broken, fmt.Sprintf("%d replies to %d, of up to %d octets", replies, asked, longest)
	}
	return Held, fmt.Sprintf("%d replies to %d", replies, asked)
}

func strayCodes(ctx context.Context, t *tunnel) (Verdict, string) {
	for i := range 200 {
		id := byte(i)
		t.send(protocolLCP, packetOf(codeReject, id, packetOf(200, id, nil)))
		t.send(protocolLCP, packetOf(fsm.TerminateAck, id, nil))
		t.send(protocolLCP, packetOf(99, id, nil)) // no such code
	}
	t.hear(ctx, t.p.cfg.Patience/4, func(frame) bool { return false })
	return t.still(ctx, "the link goes on")
}

// optionAuth is LCP's Authentication-Protocol (RFC 1661, section 6.2).
const optionAuth = 3

// proof returns what a Configure-Request asks for as proof; nil: nothing.
func proof(options []byte) []byte {
	for len(options) >= 2 {
		n := int(options[1])
		if n < 2 || n > len(options) {
			return nil
		}
		if options[0] == optionAuth {
			return options[2:n]
		}
		options = options[n:]
	}
	return nil
}

// proofs are the methods by their octets in LCP, and what is wrong with each.
var proofs = []struct {
	octets []byte
	name   string
	worth  Verdict
	words  string
}{
	{[]byte{0xc2, 0x27}, "EAP", Held, "what is inside decides"},
	{[]byte{0xc2, 0x23, 0x81}, "MS-CHAPv2", Weak, "one DES search over a recording finds the key"},
	{[]byte{0xc2, 0x23, 0x80}, "MS-CHAPv1", Broken, "its LM response falls at once, and the server proves nothing"},
	{[]byte{0xc2, 0x23, 0x05}, "CHAP with MD5", Weak, "it leaves no keys for encryption"},
	{[]byte{0xc0, 0x23}, "PAP", Weak, "the secret crosses in clear"},
}

func proofAsked(ctx context.Context, t *tunnel) (Verdict, string) {
	if !t.opens(ctx) {
		return Unsure, "LCP does not open"
	}
	asked := proof(t.asked)
	if asked == nil {
		return Weak, "none: whoever calls gets in"
	}
	for _, m := range proofs {
		if bytes.Equal(asked, m.octets) {
			return m.worth, m.name + ": " + m.words
		}
	}
	return Unsure, fmt.Sprintf("% x, which is not known here", asked)
}

func downgrade(ctx context.Context, t *tunnel) (Verdict, string) {
	pap := []byte{optionAuth, 4, 0xc0, 0x23}
	naks, moved := 0, false
	t.hear(ctx, 10*t.p.cfg.Patience, func(f frame) bool {
		k, ok := f.lcp()
		if !ok || k.Code != fsm.ConfigureRequest {
			return false
		}
		moved = bytes.Equal(proof(k.Data), pap[2:])
		if naks++; !moved {
			t.send(protocolLCP, packetOf(fsm.ConfigureNak, k.ID, pap))
		}
		return moved || naks > 12
	})
	if moved {
		return Weak, "it moves to PAP"
	}
	if naks == 0 {
		return Unsure, "it asked for nothing"
	}
	return Held, "it does not move"
}

func strayEAP(ctx context.Context, t *tunnel) (Verdict, string) {
	if !t.opens(ctx) {
		return Unsure, "LCP does not open"
	}
	if bytes.Equal(proof(t.asked), proofs[0].octets) {
		return Unsure, "EAP is agreed on here"
	}
	const protocolEAP, response, md5 = 0xc227, 2, 4
	for _, n := range []int{0, 1, 16, 255, 1400} { // a name that overran pppd's buffer
		body := append([]byte{md5, 16}, make([]byte, 16+n)...)
		head := binary.BigEndian.AppendUint16([]byte{response, mark}, uint16(4+len(body)))
		t.send(protocolEAP, append(head, body...))
	}
	got := t.hear(ctx, t.p.cfg.Patience/2, func(f frame) bool { return f.protocol == protocolEAP })
	if got {
		return Broken, "it answers EAP that nobody agreed on"
	}
	return t.still(ctx, "ignored")
}

func tooEarly(ctx context.Context, t *tunnel) (Verdict, string) {
	if !t.opens(ctx) {
		return Unsure, "LCP does not open"
	}
	if proof(t.asked) == nil {
		return Unsure, "no proof is asked for"
	}
	ask := func() {
		t.send(protocolIPCP, packetOf(fsm.ConfigureRequest, mark, []byte{3, 6, 192, 0, 2, 1}))
	}
	ask()
	ask()
	answered := t.hear(ctx, min(t.p.cfg.Patience, 2*time.Second), func(f frame) bool { return f.protocol == protocolIPCP })
	if answered {
		return Broken, "it negotiates addresses with somebody who has proved nothing"
	}
	return Held, "ignored"
}
