package interop

import (
	"strconv"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/ppp"
	"sitebridge/test/judge"
)

const (
	mppe128   = `methods = ["mppe-128"]` // with policy = "required", which need not be said
	stateless = "MPPE, 128 bits, stateless"
	stateful  = "MPPE, 128 bits, stateful"
)

func TestMPPEWithPPPDThatCallsUs(t *testing.T) { testMPPE(t, theyCall) }

func TestMPPEWithPPTPDThatWeCall(t *testing.T) { testMPPE(t, weCall) }

func testMPPE(t *testing.T, way direction) {
	l := newLab(t)
	g := way.boot(t, l)
	t.Run("IP and IPX", func(t *testing.T) {
		stop := l.capture(t)
		networks := ipxLAN + way.ip + "\n[" + way.site() + ".ipx]\nnetwork = \"0000FF01\"\n"
		d := way.begin(t, l, g, setup{auth: way.bySecret("mschapv2", "secret"), encryption: mppe128, more: networks},
			"--auth", "mschapv2", "--mppe", "128", "--ipx", "open", "--ipx-network", "FF01", "--ipx-node", guestNode+":"+ourNode)
		s := d.waitUp()
		g.linkUp(t)
		g.ipxUp(t)
		g.logged(t, "sent [LCP ConfAck id=0x1 <mru 1504>") // it does not mind that there is room for MPPE
		way.wantTraffic(t, l, g)
		way.wantLargest(t, l, g, s)
		wantIPX(t, l, d, g)
		wantMPPE(t, d.status(), stateless)
		way.wantEncrypted(t, stop(), 100)
		wantLosses(t, d, g, lossy+" && "+lossyIn, "key_changes_ahead", func() { l.wantTransfer(t, g, 60_000) })
	})
	t.Run("EAP-MSCHAPv2", func(t *testing.T) {
		stop := l.capture(t)
		d := way.begin(t, l, g, setup{auth: way.bySecret("eap-mschapv2", "secret"), encryption: mppe128, more: way.ip}, "--auth", "eap-mschapv2", "--mppe", "128")
		d.waitUp()
		g.linkUp(t)
		way.wantPings(t, l, g)
		wantMPPE(t, d.status(), stateless)
		d.stop()
		way.wantEncrypted(t, stop(), 6)
	})
	// Linux changes its key when it flushes, and who has not seen that yet cannot know
	// it: so only what it sends is lost here, and there are no bursts.
	t.Run("stateful, from a peer that has no other", func(t *testing.T) {
		stop := l.capture(t)
		d := way.begin(t, l, g, setup{auth: way.bySecret("mschapv2", "secret"), encryption: mppe128 + "\nmppe_stateful = true", more: way.ip}, "--mppe", "128", "--mppe-insist")
		d.waitUp()
		g.linkUp(t)
		way.wantPings(t, l, g)
		way.stream(t, g)
		wantMPPE(t, d.status(), stateful)
		way.wantEncrypted(t, stop(), 256)
		wantLosses(t, d, g, lossy, "resynchronised", func() { way.stream(t, g) })
		way.wantPings(t, l, g)
	})
	testPolicies(t, way, l, g)
}

// testPolicies: MPPE where it need not be, each direction half of the cases.
func testPolicies(t *testing.T, way direction, l *lab, g *guest) {
	for _, c := range []struct {
		name, policy, mppe string
		weCall             bool
		reason             string // why the link is in clear
	}{
		{"preferred, and there", "preferred", "128", false, ""},
		{"preferred, and not there", "preferred", "none", true, "mppe-128: CCP: we asked for MPPE 128 bits stateless; the peer offered nothing: it rejects MPPE"},
		{"permitted, and asked for", "permitted", "128", true, ""},
		{"permitted, and not asked for", "permitted", "none", false, ""},
	} {
		if c.weCall != way.weCall {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			d := way.begin(t, l, g, setup{auth: way.bySecret("mschapv2", "secret"), encryption: `policy = "` + c.policy + `"`, more: way.ip}, "--mppe", c.mppe)
			s := d.waitUp()
			g.linkUp(t)
			way.wantPings(t, l, g)
			if c.mppe == "128" {
				wantMPPE(t, d.status(), stateless)
				d.stop()
				way.wantEncrypted(t, stop(), 6)
				return
			}
			if e := s.Tunnel.PPP.Encryption; e.Method != "none" || !strings.HasPrefix(e.Reason, c.reason) {
				t.Errorf("encryption is %+v, want none: %s", e, c.reason)
			}
			d.stop()
			way.wantClear(t, stop())
			if c.policy == "preferred" {
				way.wantEarly(t, stop())
			}
		})
	}
}

// wantEarly asserts that the guest sent its first IPCP Configure-Request before CCP was
// over.
func (d direction) wantEarly(t *testing.T, pcap string) {
	t.Helper()
	ipcp := judge.Fields(t, pcap, "ipcp && ppp.code == 1 && ip.src == "+d.guest(), "frame.number")
	over := judge.Fields(t, pcap, "ccp && ppp.code == 5 && ip.src == "+ourAddr, "frame.number")
	if len(ipcp) == 0 || len(over) == 0 {
		t.Errorf("%d requests for IP, %d ends of CCP", len(ipcp), len(over))
		return
	}
	asked, err1 := strconv.Atoi(ipcp[0][0])
	ended, err2 := strconv.Atoi(over[0][0])
	if err1 != nil || err2 != nil || asked > ended {
		t.Errorf("the guest asked for IP in frame %s, when CCP was over in frame %s", ipcp[0][0], over[0][0])
	}
}

// wantClear asserts that a link went on in clear. What the guest asked of IPCP before
// that is kept until CCP is over, and answered then: it need not ask again, and is not
// told to go.
func (d direction) wantClear(t *testing.T, pcap string) {
	t.Helper()
	if n := frames(t, pcap)[d.guest()]; n[protoIP] == 0 || n[protoMPPE] > 0 || !marked(t, pcap) {
		t.Errorf("the guest sent %v, want IP in clear", n)
	}
	asked := judge.Fields(t, pcap, "ipcp && ppp.code == 1 && ip.src == "+d.guest(), "ppp.identifier")
	for i, f := range asked {
		if i > 0 && f[0] == asked[i-1][0] {
			t.Errorf("the guest repeated IPCP Configure-Request %s: it was not answered", f[0])
		}
	}
	if n := judge.Count(t, pcap, "ipcp && ppp.code == 6 && ip.src == "+ourAddr); n > 0 {
		t.Errorf("we sent %d IPCP Terminate-Acks", n)
	}
}

// wantLosses has the guest lose packets while there is traffic, and asserts that this
// costs nothing but them: it happened, which the event tells, and nothing was misread.
func wantLosses(t *testing.T, d *daemon, g *guest, loss, event string, traffic func()) {
	t.Helper()
	g.must(t, "%s", loss)
	for range 5 {
		traffic()
		if t.Failed() || d.encryption().Events[event] > 0 {
			break
		}
	}
	if e := d.encryption(); e.Events[event] == 0 || e.Packets["implausible"] > 0 {
		t.Errorf("encryption is %+v, want some %s and no nonsense", e, event)
	}
	g.run("%s", sound)
}

// encryption is how the site's link is protected; nothing, if it has none.
func (d *daemon) encryption() (e ppp.EncryptionStatus) {
	d.t.Helper()
	if tunnel := d.status().Tunnel; tunnel != nil {
		e = tunnel.PPP.Encryption
	}
	return e
}

// lossy has the guest lose packets of its own, lossyIn those that come to it; sound
// ends that.
const (
	lossy = `modprobe -d /run/mod -a ifb sch_netem sch_ingress act_mirred cls_u32 &&
tc qdisc add dev vec0 root netem loss 3%`
	lossyIn = `{ ip link add ifb0 type ifb; ip link set ifb0 up; } &&
tc qdisc add dev ifb0 root netem loss 3% &&
tc qdisc add dev vec0 handle ffff: ingress &&
tc filter add dev vec0 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb0`
	sound = "tc qdisc del dev vec0 root; tc qdisc del dev vec0 ingress; ip link del ifb0"
)

// wantMPPE asserts that the status says so, and that we have read all that came.
func wantMPPE(t *testing.T, s bridge.SiteStatus, agreed string) {
	t.Helper()
	e := s.Tunnel.PPP.Encryption
	if e.Method != "mppe-128" || e.Agreed != agreed || e.Waiting {
		t.Errorf("encryption is %+v, want mppe-128: %s", e, agreed)
	}
	for name, n := range e.Packets {
		if kept := name == "opened" || name == "sealed"; kept == (n == 0) {
			t.Errorf("%d packets were %s, want all opened or sealed: %v", n, name, e.Packets)
		}
	}
}
