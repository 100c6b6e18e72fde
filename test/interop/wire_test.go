package interop

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"sitebridge/test/judge"
)

// PPP's protocols, as tshark prints them.
const (
	protoLCP   = "0xc021"
	protoPAP   = "0xc023"
	protoCHAP  = "0xc223"
	protoEAP   = "0xc227"
	protoCCP   = "0x80fd"
	protoECP   = "0x8053"
	protoIPCP  = "0x8021"
	protoIPXCP = "0x802b"
	protoIP    = "0x0021"
	protoMPPE  = "0x00fd"
)

// Those that may cross a link before who is there is known, before it is encrypted,
// and then beside MPPE.
var (
	authentication = []string{protoLCP, protoPAP, protoCHAP, protoEAP}
	beforeMPPE     = slices.Concat(authentication, []string{protoCCP, protoECP})
	besideMPPE     = slices.Concat(beforeMPPE, []string{protoIPCP, protoIPXCP})
)

// frames counts the PPP frames of a capture for each end that sent them, by protocol.
func frames(t *testing.T, pcap string) map[string]map[string]int {
	t.Helper()
	n := map[string]map[string]int{}
	for _, f := range judge.Fields(t, pcap, "gre.key.payload_length > 0", "ip.src", "ppp.protocol") {
		from, _, _ := strings.Cut(f[0], "|") // behind it stands what is inside, where that is in clear
		if n[from] == nil {
			n[from] = map[string]int{}
		}
		n[from][f[1]]++
	}
	return n
}

// wantEncrypted asserts that all packets of the network layer that crossed the wire
// were inside of MPPE, so many at least in each direction, and that nothing of what was
// sent can be read there.
func (d direction) wantEncrypted(t *testing.T, pcap string, least int) {
	t.Helper()
	all := frames(t, pcap)
	for _, from := range []string{ourAddr, d.guest()} {
		n := all[from]
		if n[protoMPPE] < least {
			t.Errorf("%s sent %d packets of MPPE, want %d at least: %v", from, n[protoMPPE], least, n)
		}
		wantOnly(t, from, n, slices.Concat(besideMPPE, []string{protoMPPE}))
	}
	if marked(t, pcap) {
		t.Errorf("what was sent stands in clear in %s", pcap)
	}
}

// wantNothing asserts that we have sent nothing but what may go before encryption,
// and the guest no packets in clear either. What it asks for is its own business.
func (d direction) wantNothing(t *testing.T, pcap string) {
	t.Helper()
	all := frames(t, pcap)
	if all[ourAddr][protoLCP] == 0 {
		t.Errorf("the capture has no LCP of ours: %v", all)
	}
	wantOnly(t, "we", all[ourAddr], beforeMPPE)
	wantOnly(t, "the guest", all[d.guest()], besideMPPE)
}

// wantNobody asserts that neither end has begun with anything beyond authentication.
func (d direction) wantNobody(t *testing.T, pcap string) {
	t.Helper()
	all := frames(t, pcap)
	for _, from := range []string{ourAddr, d.guest()} {
		if all[from][protoLCP] == 0 {
			t.Errorf("the capture has no LCP of %s: %v", from, all)
		}
		wantOnly(t, from, all[from], authentication)
	}
}

func wantOnly(t *testing.T, who string, n map[string]int, allowed []string) {
	t.Helper()
	for p := range n {
		if !slices.Contains(allowed, p) {
			t.Errorf("%s sent %d frames of protocol %s: %v", who, n[p], p, n)
		}
	}
}

// wantNoUDP asserts that the guest has seen nothing of what our daemons do among each
// other, but a vendor string that is nothing to it.
func wantNoUDP(t *testing.T, pcap string) {
	t.Helper()
	if n := judge.Count(t, pcap, "udp.port == 4754"); n > 0 {
		t.Errorf("%d packets in UDP", n)
	}
	for _, f := range judge.Fields(t, pcap, "pptp.control_message_type == 7", "ip.src", "pptp.subaddress") {
		if f[0] == ourAddr && f[1] != "" {
			t.Errorf("we call with the subaddress %q", f[1])
		}
	}
}

// mark is in the data of pings, in hexadecimal as ping wants it.
const mark = "73746f7261626c652073656372657421"

// marked reports whether who records the wire finds the mark.
func marked(t *testing.T, pcap string) bool {
	t.Helper()
	words, err := hex.DecodeString(mark)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(pcap)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, words)
}
