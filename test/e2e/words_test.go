package e2e

import (
	"net/netip"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/ppp"
	"sitebridge/test/lab"
)

// TestReasonInWords: status says why the site is not up, in words that tell what
// to look at.
func TestReasonInWords(t *testing.T) {
	const other = "methods = [\"mschapv2\"]\nsecret_out_file = \"secret2\""
	for name, test := range map[string]struct {
		a, b    lab.Config
		before  func(t *testing.T, w *lab.World) // instead of starting a
		want    []string                         // in b's reason
		refused bool                             // b does not try again soon
		wantA   string                           // in a's log
	}{
		"GRE blocked": {
			before: func(t *testing.T, w *lab.World) {
				blockGRE(w)
				w.Start(w.SiteA, lab.Config{}.InGRE().A())
			},
			want: []string{"TCP 1723 answers, but no GRE came back in 10 s: is IP protocol 47 blocked on the way?"},
		},
		"GRE from elsewhere": {
			before: func(t *testing.T, w *lab.World) {
				w.SiteA.Addr("wan", "192.0.2.11/24")
				p := newPeer(t, w.SiteA)
				p.from = netip.MustParseAddr("192.0.2.11")
				p.answer(w, w.SiteA, ppp.Config{MRU: 1500})
			},
			want: []string{"GRE for this call comes from 192.0.2.11 and not from 192.0.2.1: a NAT"},
		},
		"nobody listens": {
			before: func(*testing.T, *lab.World) {},
			want:   []string{"192.0.2.1:1723", "connection refused"},
		},
		"nobody there": {
			before: func(t *testing.T, w *lab.World) { w.Unplug("site-a") },
			want:   []string{"192.0.2.1:1723", "no route to host"},
		},
		"wrong secret": {
			b:       lab.Config{Auth: other},
			want:    []string{"peer refused", "mschapv2"},
			refused: true,
			wantA:   "call ended before its caller was known",
		},
		"unknown name": {
			b:       lab.Config{Daemon: `name = "stranger"`},
			want:    []string{"peer refused", "mschapv2"},
			refused: true,
		},
		"method not allowed": {
			a:       lab.Config{Auth: "methods = [\"mschapv2\"]\nsecret_in_file = \"secret\""},
			b:       lab.Config{Auth: "methods = [\"pap\"]\nsecret_out_file = \"secret\""},
			want:    []string{"pap"},
			refused: true,
		},
		"peer does not ask": {
			before: func(t *testing.T, w *lab.World) {
				newPeer(t, w.SiteA).answer(w, w.SiteA, ppp.Config{MRU: 1500})
			},
			want:    []string{"did not ask", "prove"},
			refused: true,
		},
		"no network in common": {
			a:    lab.Config{IP: "none"},
			b:    lab.Config{IPX: "none"},
			want: []string{"IPCP"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			var a *lab.Daemon
			if test.before != nil {
				test.before(t, w)
			} else {
				a = w.Start(w.SiteA, test.a.A())
			}
			textB := test.b.B()
			if test.b.Daemon != "" {
				textB = strings.Replace(textB, "name = \"b\"\n", "", 1)
			}
			b := w.Start(w.SiteB, textB)
			s := b.WaitSite("a", "the reason", func(s bridge.SiteStatus) bool {
				for _, part := range test.want {
					if !strings.Contains(s.Reason, part) {
						return false
					}
				}
				return s.State != bridge.StateUp
			})
			if out, _, code := b.Run("status"); code != 4 || !strings.Contains(out, s.Reason) {
				t.Errorf("status: exit status %d\n%s", code, out)
			}
			if test.refused && (s.State != bridge.StateWaiting || s.NextTry.Sub(s.Since).Minutes() < 3) {
				t.Errorf("%s until %v, since %v; want a long wait: an account may be locked by trying on", s.State, s.NextTry, s.Since)
			}
			if test.wantA != "" {
				lab.Wait(t, "a's log tells", func() bool { return strings.Contains(a.Log(), test.wantA) })
			}
		})
	}
}

// blockGRE drops IP protocol 47 on its way into site b, and nothing else. A rule
// that comes before the lookup of local addresses does that.
func blockGRE(w *lab.World) {
	w.T.Helper()
	w.IP(w.SiteB, "rule", "add", "pref", "2", "lookup", "local")
	w.IP(w.SiteB, "rule", "add", "pref", "1", "iif", "wan", "ipproto", "47", "blackhole")
	w.IP(w.SiteB, "rule", "del", "pref", "0")
}
