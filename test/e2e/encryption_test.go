package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// Protocols of what a man in the middle looks at.
const (
	protocolLCP  = 0xC021
	protocolIP   = 0x0021
	protocolIPX  = 0x002B
	protocolIPCP = 0x8021
)

var (
	networkData     = []uint16{protocolIP, protocolIPX, 0x0057}
	networkControls = []uint16{protocolIPCP, 0x802B, 0x8057}
)

// A suite is one way to protect a link, and how it looks on the wire.
type suite struct {
	method  string
	agreed  string
	config  lab.Config
	control uint16   // protocol of the negotiation
	data    uint16   // of what is encrypted
	inside  []uint16 // what never leaves in clear once it is up
	offer   []byte   // the options of a Configure-Request
	nothing []byte   // the same, with no cipher in them
	weak    []byte   // with one that nobody should take
}

var (
	oui  = fsmtest.Unhex("0037 025342 01 804f5c168ef0a664ae51f4522b9d8b7c")
	salt = bytes.Repeat([]byte{7}, 32)

	aead = suite{
		method: "aead", agreed: "AEAD, AES-256-GCM", config: lab.Config{}.Certified(), control: 0x8053, data: 0x0053,
		inside: slices.Concat(networkData, networkControls),
		offer:  slices.Concat(oui, []byte{1}, salt), nothing: slices.Concat(oui, []byte{0}, salt),
		weak: fsmtest.Unhex("030a 0123456789abcdef"), // DES (RFC 2419)
	}
	mppe = suite{
		method: "mppe-128", agreed: "MPPE, 128 bits, stateless", config: lab.Config{Encryption: `policy = "required"`}, control: 0x80FD, data: 0x00FD,
		inside: networkData,
		offer:  fsmtest.Unhex("1206 01000040"), nothing: fsmtest.Unhex("1206 00000000"),
		weak: fsmtest.Unhex("1206 01000020"), // 40 bits
	}
	unprotected = suite{method: "none"}
)

// controlPacket is a packet of a control protocol.
func controlPacket(from lab.End, protocol uint16, code fsm.Code, id byte, data []byte) lab.Packet {
	return lab.Packet{From: from, Protocol: protocol, Data: fsm.AppendPacket(nil, fsm.Packet{Code: code, ID: id, Data: data})}
}

const protocolReject fsm.Code = 8 // LCP's

// reject is a Protocol-Reject.
func reject(from lab.End, protocol uint16, data []byte) lab.Packet {
	return controlPacket(from, protocolLCP, protocolReject, 77, append(binary.BigEndian.AppendUint16(nil, protocol), data...))
}

// A ward is two sites with somebody between them.
type ward struct {
	*lab.World
	s       suite
	middle  *lab.Middle
	ends    [2]*lab.Daemon
	chatter *chatter
}

// newWard lays a world and starts its two sites.
func newWard(t *testing.T, s suite, ca, cb lab.Config) *ward {
	t.Helper()
	x := layWard(t)
	x.start(t, s, ca, cb)
	return x
}

func layWard(t *testing.T) *ward {
	t.Helper()
	x := &ward{World: lab.New(t)}
	x.Allow("Multilink Short Sequence Number Header (with option length = 6 bytes; should be 2)") // MPPE's option, in LCP
	x.middle = x.Middle()
	x.chatter = newChatter(x.World)
	return x
}

// start starts both sites, until the end of a test.
func (x *ward) start(t *testing.T, s suite, ca, cb lab.Config) {
	t.Helper()
	x.s = s
	x.ends[lab.A] = lab.StartDaemon(t, x.Dir, x.SiteA, ca.InGRE().A())
	x.ends[lab.A].WaitSite("b", "listening", anyState)
	x.ends[lab.B] = lab.StartDaemon(t, x.Dir, x.SiteB, cb.InGRE().B())
}

// up waits until both ends are up, and protected as they should be.
func (x *ward) up(t *testing.T) {
	t.Helper()
	for _, s := range []bridge.SiteStatus{x.ends[lab.B].WaitUp("a"), x.ends[lab.A].WaitUp("b")} {
		if s.Tunnel == nil {
			continue // it went down again meanwhile
		}
		if e := s.Tunnel.PPP.Encryption; e.Method != x.s.method || e.Agreed != x.s.agreed {
			t.Errorf("up with %s (%s), want %s", e.Method, e.Agreed, x.s.method)
		}
	}
	x.chatter.crosses(t)
}

// tempt gives both sites a default route to each other's WAN address: what the tunnel
// does not take would leave by it, in clear, if nothing held it back.
func (x *ward) tempt(t *testing.T) {
	t.Helper()
	x.up(t) // before that the daemons may not have made their routes
	x.SiteA.Route("default", lab.WANB)
	x.SiteB.Route("default", lab.WANA)
}

// A record is what the ends sent from some time on, as each sent it: what somebody
// in the middle invents is not in it.
type record [2]func() (pcap string)

func (x *ward) record() record {
	return record{x.Capture(x.SiteA, "wan"), x.Capture(x.SiteB, "wan")}
}

// stop ends the record, once.
func (r *record) stop() (pcaps [2]string) {
	for e := range r {
		pcap := r[e]()
		r[e], pcaps[e] = func() string { return pcap }, pcap
	}
	return pcaps
}

// wantHidden ends the record, and looks in what ends sent for packets of protocols in
// clear, and for what the hosts say. It returns how many were encrypted.
func (r *record) wantHidden(t *testing.T, s suite, protocols []uint16, ends ...lab.End) (sealed int) {
	t.Helper()
	for e, pcap := range r.stop() {
		if !slices.Contains(ends, lab.End(e)) {
			continue
		}
		seen, octets := spoken(t, pcap, lab.End(e))
		for _, protocol := range protocols {
			if seen[protocol] > 0 {
				t.Errorf("%v sent %d packets of protocol %04x in clear", lab.End(e), seen[protocol], protocol)
			}
		}
		if bytes.Contains(octets, []byte(needle)) {
			t.Errorf("what the hosts say is in %s, in clear", pcap)
		}
		sealed += seen[s.data]
	}
	return sealed
}

// spoken counts what an end sent of each protocol.
func spoken(t *testing.T, pcap string, e lab.End) (seen map[uint16]int, octets []byte) {
	t.Helper()
	seen = make(map[uint16]int)
	for _, p := range lab.Tunnel(t, pcap) {
		if p.From == e {
			seen[p.Protocol]++
		}
	}
	octets, err := os.ReadFile(pcap)
	if err != nil {
		t.Fatal(err)
	}
	return seen, octets
}

// inClear asks tshark the same: how many packets of protocols an end sent.
func inClear(t *testing.T, pcap string, e lab.End, protocols []uint16) int {
	t.Helper()
	var any []string
	for _, p := range protocols {
		any = append(any, fmt.Sprintf("%#x", p))
	}
	from := [2]string{lab.WANA, lab.WANB}[e]
	return judge.Count(t, pcap, fmt.Sprintf("ip.src == %s && ppp.protocol in {%s}", from, strings.Join(any, ", ")))
}

// hold are ways to be in the way of the negotiation, and what the end that gives up
// says of it, with aead and with mppe-128.
var hold = map[string]struct {
	meddle     func(s suite) lab.Meddle
	aead, mppe string
}{
	"dropped": {dropNegotiation, "no answer to 10 Configure-Requests", "no answer to 10 Configure-Requests"},
	"Protocol-Reject": {inPlaceOfRequest(func(s suite, p lab.Packet, _ fsm.Packet) lab.Packet {
		return reject(p.From.Other(), p.Protocol, p.Data)
	}), "peer does not speak the protocol (Protocol-Reject)", "peer does not speak the protocol (Protocol-Reject)"},
	"Configure-Reject of the option": {inPlaceOfRequest(func(s suite, p lab.Packet, r fsm.Packet) lab.Packet {
		return controlPacket(p.From.Other(), s.control, fsm.ConfigureReject, r.ID, r.Data)
	}), "we asked for AES-256-GCM in ECP option 0, the peer rejects that (Configure-Reject): both ends must have this cipher",
		"we asked for MPPE 128 bits stateless; the peer offered nothing: it rejects MPPE; rule: MPPE in both directions"},
	"LCP Configure-Reject": {rejectByLCP, "no answer to 10 Configure-Requests", "no answer to 10 Configure-Requests"},
	"Configure-Nak to no cipher": {inPlaceOfRequest(func(s suite, p lab.Packet, r fsm.Packet) lab.Packet {
		return controlPacket(p.From.Other(), s.control, fsm.ConfigureNak, r.ID, s.nothing)
	}), "wants cipher 0 instead (Configure-Nak): the cipher must be 1 or 2", "the peer offered no encryption; rule: never less than 128 bits"},
	"Configure-Nak to a weak cipher": {inPlaceOfRequest(func(s suite, p lab.Packet, r fsm.Packet) lab.Packet {
		return controlPacket(p.From.Other(), s.control, fsm.ConfigureNak, r.ID, s.weak)
	}), "wants option 3 (DES) instead", "the peer offered MPPE 40 bits stateless; rule: never less than 128 bits"},
	"Configure-Request of no cipher": {inPlaceOfRequest(func(s suite, p lab.Packet, r fsm.Packet) lab.Packet {
		return controlPacket(p.From, s.control, fsm.ConfigureRequest, r.ID, s.nothing)
	}), "the peer asks for cipher 0: the cipher must be 1 or 2", "the peer offered no encryption; rule: never less than 128 bits"},
	"Terminate-Request": {inPlaceOfRequest(func(s suite, p lab.Packet, r fsm.Packet) lab.Packet {
		return controlPacket(p.From.Other(), s.control, fsm.TerminateRequest, r.ID, nil)
	}), "peer terminated it", "peer terminated it"},
}

func dropNegotiation(s suite) lab.Meddle {
	return func(p lab.Packet) []lab.Packet {
		if p.Protocol == s.control {
			return nil
		}
		return []lab.Packet{p}
	}
}

// inPlaceOfRequest puts something in the place of each Configure-Request of the
// negotiation. The other packets of it pass.
func inPlaceOfRequest(other func(suite, lab.Packet, fsm.Packet) lab.Packet) func(suite) lab.Meddle {
	return func(s suite) lab.Meddle {
		return func(p lab.Packet) []lab.Packet {
			if r, err := fsm.ParsePacket(p.Data); p.Protocol == s.control && err == nil && r.Code == fsm.ConfigureRequest {
				return []lab.Packet{other(s, p, r)}
			}
			return []lab.Packet{p}
		}
	}
}

// rejectByLCP rejects in LCP what was asked for in the negotiation, with its own
// identifier and with that of LCP's own request, as if LCP had asked for it.
func rejectByLCP(s suite) lab.Meddle {
	var asked [2]fsm.Packet // by LCP
	return func(p lab.Packet) []lab.Packet {
		r, err := fsm.ParsePacket(p.Data)
		switch {
		case p.Protocol == protocolLCP && err == nil && r.Code == fsm.ConfigureRequest:
			asked[p.From] = fsm.Packet{ID: r.ID, Data: bytes.Clone(r.Data)}
		case p.Protocol == s.control:
			return []lab.Packet{
				controlPacket(p.From.Other(), protocolLCP, fsm.ConfigureReject, r.ID, r.Data),
				controlPacket(p.From.Other(), protocolLCP, fsm.ConfigureReject, asked[p.From].ID, r.Data),
				controlPacket(p.From.Other(), protocolLCP, fsm.ConfigureReject, asked[p.From].ID, asked[p.From].Data),
			}
		}
		return []lab.Packet{p}
	}
}

// TestAttackE1HeldUp: nobody who is in the way of the negotiation gets a link
// without encryption where one end requires it. The link ends, and comes back when
// he has gone.
func TestAttackE1HeldUp(t *testing.T) {
	t.Parallel()
	slow := []string{"dropped", "LCP Configure-Reject", "Configure-Request of no cipher", "Terminate-Request"}
	tests := map[string]func(*testing.T){}
	for _, s := range []suite{aead, mppe} {
		required := func(t *testing.T) *ward { return newWard(t, s, s.config, s.config) }
		tests[s.method+", refused"] = func(t *testing.T) {
			x := required(t)
			x.tempt(t)
			for name := range hold {
				if !slices.Contains(slow, name) {
					t.Run(name, func(t *testing.T) { x.holdUp(t, name, lab.A, lab.B) })
				}
			}
		}
		for _, name := range slow {
			tests[s.method+", "+name] = func(t *testing.T) {
				x := required(t)
				x.tempt(t)
				x.holdUp(t, name, lab.A, lab.B)
			}
		}
	}
	for policy, s := range map[string]suite{"preferred": aead, "permitted": mppe} {
		lenient := s.config
		lenient.Encryption = fmt.Sprintf("policy = %q", policy)
		tests[s.method+", required where it is answered, "+policy+" where it is dialled"] = func(t *testing.T) {
			newWard(t, s, s.config, lenient).holdUp(t, "dropped", lab.A)
		}
		tests[s.method+", required where it is dialled, "+policy+" where it is answered"] = func(t *testing.T) {
			newWard(t, s, lenient, s.config).holdUp(t, "dropped", lab.B)
		}
	}
	lab.Together(t, tests)
}

// linkTimer is how long the two ends may take to find out that they do not agree.
const linkTimer = 30 * time.Second

// holdUp has the link made anew with somebody in the way.
func (x *ward) holdUp(t *testing.T, name string, required ...lab.End) {
	way, want := hold[name], []string{"site down", "no answer to 10 Configure-Requests"} // to IPCP, where the other end does not ask
	if len(required) == len(x.ends) {
		want = []string{"site down", "encryption is required, and was not agreed on: " + x.s.method + ": ", way.mppe}
		if x.s.method == aead.method {
			want[2] = way.aead
		}
	}
	x.up(t)
	x.ends[lab.B].Run("down", "a")
	x.ends[lab.A].WaitSite("b", "down", notUp)
	logs := [2]int{len(x.ends[lab.A].Log()), len(x.ends[lab.B].Log())}
	held := x.record()
	x.middle.Meddle(way.meddle(x.s))
	watch := lab.StartWatch()
	x.ends[lab.B].Run("up", "a")
	lab.Wait(t, fmt.Sprintf("the link ends: %q", want), func() bool {
		return tells(x.ends[lab.A].Log()[logs[lab.A]:], want...) || tells(x.ends[lab.B].Log()[logs[lab.B]:], want...)
	})
	watch.Within(t, "the link's end", linkTimer+10*time.Second)
	if n := held.wantHidden(t, x.s, slices.Concat(networkData, networkControls), required...); n > 0 {
		t.Errorf("%d packets were encrypted, by nothing that was agreed on", n)
	}
	healed := x.record()
	x.middle.Meddle(nil)
	x.ends[lab.B].Run("up", "a") // at once, and not in five minutes
	x.up(t)
	if n := healed.wantHidden(t, x.s, x.s.inside, required...); n == 0 {
		t.Error("nothing was encrypted: does the record tell?")
	}
}

// tells reports whether a line of a log has all the words.
func tells(log string, words ...string) bool {
	for line := range strings.Lines(strings.ReplaceAll(log, `\`, "")) { // of quoted quotes
		missing := func(word string) bool { return !strings.Contains(line, word) }
		if !slices.ContainsFunc(words, missing) {
			return true
		}
	}
	return false
}

// take are ways to end encryption that is up, by one packet, and what the end that
// gets it says.
var take = map[string]struct {
	forge func(s suite, from lab.End) lab.Packet
	want  string
}{
	"Protocol-Reject": {func(s suite, from lab.End) lab.Packet {
		return reject(from, s.control, nil)
	}, "encryption refused: peer rejected "},
	"Protocol-Reject of encrypted packets": {func(s suite, from lab.End) lab.Packet {
		return reject(from, s.data, []byte("whatever"))
	}, "encryption refused: peer rejected "},
	"Terminate-Request": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, s.control, fsm.TerminateRequest, 99, []byte("forged"))
	}, `peer terminated it: "forged"`},
	"Terminate-Ack": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, s.control, fsm.TerminateAck, 99, nil)
	}, "peer terminated it"},
	"Configure-Request": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, s.control, fsm.ConfigureRequest, 99, s.offer)
	}, "peer negotiates anew, which would use the same keys again"},
	"Configure-Request of no cipher": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, s.control, fsm.ConfigureRequest, 99, s.nothing)
	}, "peer negotiates anew, which would use the same keys again"},
	"Configure-Request of LCP": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, protocolLCP, fsm.ConfigureRequest, 99, fsmtest.Unhex("0506 01234567"))
	}, "encryption went down: peer negotiates LCP anew"},
	"Code-Reject": {func(s suite, from lab.End) lab.Packet {
		return controlPacket(from, s.control, fsm.CodeReject, 99, []byte{byte(fsm.ConfigureRequest), 1, 0, 4})
	}, "peer does not know the code Configure-Request"},
}

// TestAttackE1TakenDown: encryption that goes down takes the link with it, at once,
// and the next one is encrypted again.
func TestAttackE1TakenDown(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		aead.method: func(t *testing.T) { takenDown(t, aead) },
		mppe.method: func(t *testing.T) { takenDown(t, mppe) },
	})
}

func takenDown(t *testing.T, s suite) {
	x := newWard(t, s, s.config, s.config)
	x.tempt(t)
	record := x.record()
	for name, way := range take {
		for _, victim := range []lab.End{lab.A, lab.B} {
			t.Run(name+" to "+victim.String(), func(t *testing.T) {
				x.ends[lab.B].Run("up", "a") // the back-off begins anew
				x.up(t)
				before := len(x.ends[victim].Log())
				watch := lab.StartWatch()
				x.middle.Forge(way.forge(s, victim.Other()))
				lab.Wait(t, "the link ends", func() bool { return tells(x.ends[victim].Log()[before:], "site down", way.want) })
				watch.Within(t, "the link's end", 5*time.Second)
				x.up(t)
			})
		}
	}
	for e, pcap := range record.stop() { // tshark must say the same
		if n := inClear(t, pcap, lab.End(e), s.inside); n != 0 {
			t.Errorf("tshark finds %d packets in clear in %s", n, pcap)
		}
	}
	if n := record.wantHidden(t, s, s.inside, lab.A, lab.B); n == 0 {
		t.Error("nothing was encrypted: does the record tell?")
	}
	// Without the daemon there is nothing that holds it back.
	x.ends[lab.A].Stop()
	lab.Wait(t, "what the hosts say leaves by the default route: was nobody tempted?", func() bool {
		stop := x.Capture(x.SiteA, "wan")
		time.Sleep(10 * chatterInterval)
		_, octets := spoken(t, stop(), lab.A)
		return bytes.Contains(octets, []byte(needle))
	})
}
