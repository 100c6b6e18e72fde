package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sitebridge/test/lab"
)

// policies are keys of [site.X.encryption].
const (
	required  = `policy = "required"`
	preferred = `policy = "preferred"`
	permitted = `policy = "permitted"`
	disabled  = `policy = "disabled"`

	onlyMPPE  = "methods = [\"mppe-128\"]"
	downgrade = "methods = [\"aead\", \"mppe-128\"]\ndowngrade = \"allowed\""
)

// TestPolicies: what comes of two ends that want different things, whichever of them
// dialled. One that wants more than it gets says so.
func TestPolicies(t *testing.T) {
	t.Parallel()
	const notSpoken = "peer does not speak the protocol (Protocol-Reject)"
	rows := []struct {
		name     string
		auth     string
		one, two string // what each end wants
		get      suite  // empty: nothing comes up
		says     string // the one
	}{
		{"required, disabled", "", required, disabled, suite{}, "encryption is required, and was not agreed on: aead: ECP: " + notSpoken},
		{"required, permitted", "", required, permitted, aead, ""},
		{"required, preferred", "", required, preferred, aead, ""},
		{"preferred, disabled", "", preferred, disabled, unprotected, "aead: ECP: " + notSpoken},
		{"preferred, permitted", "", preferred, permitted, aead, ""},
		{"preferred, preferred", "", preferred, preferred, aead, ""},
		{"permitted, permitted", "", permitted, permitted, unprotected, ""},
		{"permitted, disabled", "", permitted, disabled, unprotected, ""},
		{"the older one, by certificates", "", onlyMPPE, onlyMPPE, mppe, ""},
		{"aead, mppe-128", "", required, onlyMPPE, suite{}, "encryption is required, and was not agreed on: aead: ECP: " + notSpoken},
		{"downgrade allowed at both", "", downgrade, downgrade, aead, ""},
		{"downgrade allowed, mppe-128", "", downgrade, onlyMPPE, mppe, "aead: ECP: " + notSpoken},
		{"downgrade allowed, aead", "", downgrade, required, aead, ""},
		{"eap-mschapv2: required, required", "eap-mschapv2", required, required, mppe, ""},
		{"mschapv2: required, disabled", "mschapv2", required, disabled, suite{}, "encryption is required, and was not agreed on: mppe-128: CCP: " + notSpoken},
		{"mschapv2: required, permitted", "mschapv2", required, permitted, mppe, ""},
		{"mschapv2: preferred, disabled", "mschapv2", preferred, disabled, unprotected, "mppe-128: CCP: " + notSpoken},
	}
	tests := map[string]func(*testing.T){}
	for _, first := range []lab.End{lab.A, lab.B} {
		tests["the first at "+first.String()] = func(t *testing.T) {
			x := layWard(t)
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) { x.policies(t, row.get, row.auth, row.one, row.two, first, row.says) })
			}
		}
	}
	tests["somebody has a downgrade"] = func(t *testing.T) {
		x := layWard(t)
		x.middle.Meddle(hold["Protocol-Reject"].meddle(aead))
		x.policies(t, mppe, "", downgrade, downgrade, lab.A, "aead: ECP: "+notSpoken)
	}
	lab.Together(t, tests)
}

// policies starts both ends with what each wants, and looks at what they get.
func (x *ward) policies(t *testing.T, get suite, auth, one, two string, first lab.End, says string) {
	want := [2]string{one, two}
	if first == lab.B {
		want = [2]string{two, one}
	}
	var c [2]lab.Config
	for e := range c {
		c[e] = lab.Config{Encryption: want[e]}
		if auth == "" {
			c[e] = c[e].Certified()
			continue
		}
		c[e].Auth = fmt.Sprintf("methods = [%q]\nsecret_%s_file = \"secret\"", auth, [2]string{"in", "out"}[e])
	}
	record := x.record()
	x.start(t, get, c[lab.A], c[lab.B])
	d := x.ends[first]
	if get.method == "" {
		lab.Wait(t, "refused: "+says, func() bool { return tells(d.Log(), "site down", says) })
		record.wantHidden(t, get, slices.Concat(networkData, networkControls), first)
		return
	}
	x.up(t)
	if says != "" {
		if s, _ := x.link(t, first); !strings.Contains(s.Encryption.Reason, says) {
			t.Errorf("status says %q, want %q", s.Encryption.Reason, says)
		}
	}
	if get.method != unprotected.method {
		for e := range want {
			inside := get.inside
			if strings.Contains(want[e], "permitted") { // it does not wait until it is asked
				inside = networkData
			}
			if n := record.wantHidden(t, get, inside, lab.End(e)); n == 0 {
				t.Error("nothing was encrypted: does the record tell?")
			}
		}
		return
	}
	if strings.Contains(want[first], "preferred") && !tells(d.Log(), "level=WARN", "nothing in this link is encrypted", says) {
		t.Error("the log does not say that nothing is encrypted")
	}
	if out, _, _ := d.Run("status"); !strings.Contains(out, "encryption  none: who is on the way can read and change all that passes") || !strings.Contains(out, says) {
		t.Errorf("status does not say that nothing is encrypted:\n%s", out)
	}
	wantInClear(t, record.stop())
}

// wantInClear finds in the clear what elsewhere is not found: with that, not to find it
// means something.
func wantInClear(t *testing.T, pcaps [2]string) {
	t.Helper()
	for e, pcap := range pcaps {
		seen, octets := spoken(t, pcap, lab.End(e))
		if seen[protocolIP] == 0 || seen[protocolIPX] == 0 || seen[protocolIPCP] == 0 || !bytes.Contains(octets, []byte(needle)) {
			t.Errorf("%v: %v is in clear, without what the hosts say?", lab.End(e), seen)
		}
		if n := inClear(t, pcap, lab.End(e), networkData); n == 0 {
			t.Errorf("%v: tshark sees no packet in clear", lab.End(e))
		}
	}
}
