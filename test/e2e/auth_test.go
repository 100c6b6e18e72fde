package e2e

import (
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/ppp"
	"sitebridge/test/lab"
)

// TestMethods: each way of proving oneself. With PAP and CHAP each end that has
// a secret for it asks; with MS-CHAPv2 one exchange proves both ends.
func TestMethods(t *testing.T) {
	const (
		dialler  = "secret_out_file = \"secret\"\n"
		answerer = "secret_in_file = \"secret\"\n"
		// The other direction has a secret of its own.
		diallerAsks    = "secret_in_file = \"secret2\"\n"
		answererProves = "secret_out_file = \"secret2\"\n"
	)
	for name, test := range map[string]struct {
		a, b       string // keys of auth
		by         string // how b proved itself to a
		alsoProved string // how a proved itself to b when asked for it
	}{
		"pap":                {a: `methods = ["pap"]` + "\n" + answerer, b: `methods = ["pap"]` + "\n" + dialler, by: "pap"},
		"pap both ways":      {a: `methods = ["pap"]` + "\n" + answerer + answererProves, b: `methods = ["pap"]` + "\n" + dialler + diallerAsks, by: "pap", alsoProved: "pap"},
		"chap":               {a: `methods = ["chap"]` + "\n" + answerer, b: `methods = ["chap"]` + "\n" + dialler, by: "chap"},
		"chap both ways":     {a: `methods = ["chap"]` + "\n" + answerer + answererProves, b: `methods = ["chap"]` + "\n" + dialler + diallerAsks, by: "chap", alsoProved: "chap"},
		"mschapv2":           {a: `methods = ["mschapv2"]` + "\n" + answerer, b: `methods = ["mschapv2"]` + "\n" + dialler, by: "mschapv2"},
		"the strongest":      {a: `methods = ["pap", "chap", "mschapv2"]` + "\n" + answerer, b: `methods = ["mschapv2", "pap", "chap"]` + "\n" + dialler, by: "mschapv2"},
		"what both can do":   {a: `methods = ["pap", "mschapv2"]` + "\n" + answerer, b: `methods = ["pap", "chap"]` + "\n" + dialler, by: "pap"},
		"a second agreement": {a: `methods = ["chap", "mschapv2"]` + "\n" + answerer, b: `methods = ["chap"]` + "\n" + dialler, by: "chap"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a := w.Start(w.SiteA, lab.Config{Auth: test.a, IPX: "none"}.A())
			b := w.Start(w.SiteB, lab.Config{Auth: test.b, IPX: "none"}.B())
			sb, sa := b.WaitUp("a").Tunnel.PPP, a.WaitUp("b").Tunnel.PPP
			if want := (ppp.PeerStatus{Proved: true, Name: "b", Method: test.by}); !same(sa.Peer, want) {
				t.Errorf("a knows its peer as %+v, want %+v", sa.Peer, want)
			}
			want := ppp.PeerStatus{}
			if test.alsoProved != "" {
				want = ppp.PeerStatus{Proved: true, Name: "a", Method: test.alsoProved}
			}
			if !same(sb.Peer, want) {
				t.Errorf("b knows its peer as %+v, want %+v", sb.Peer, want)
			}
			w.WantPing(w.HostA, lab.AddrB)
		})
	}
}

func same(got, want ppp.PeerStatus) bool {
	return got.Proved == want.Proved && got.Name == want.Name && got.Method == want.Method
}

// TestAnswererMustProveItself: the dialler asks back by CHAP, and the answerer
// has another secret. The link ends at the dialler, which says why.
func TestAnswererMustProveItself(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Write("secret3", "whispered by an impostor\n")
	w.Start(w.SiteA, lab.Config{Auth: "methods = [\"chap\"]\nsecret_in_file = \"secret\"\nsecret_out_file = \"secret3\""}.A())
	b := w.Start(w.SiteB, lab.Config{Auth: "methods = [\"chap\"]\nsecret_in_file = \"secret2\"\nsecret_out_file = \"secret\""}.B())
	s := b.WaitSite("a", "the reason", func(s bridge.SiteStatus) bool { return strings.Contains(s.Reason, "did not prove") })
	if s.State == bridge.StateUp {
		t.Errorf("up with a peer that did not prove itself: %s", s.Reason)
	}
}
