package control

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// lines is a log, line by line.
type lines []string

func (l *lines) Write(b []byte) (int, error) {
	*l = append(*l, string(b))
	return len(b), nil
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestAttackC12Names(t *testing.T) {
	for name, raw := range map[string]string{
		"64 octets without a zero": strings.Repeat("\xff", 64),
		"control characters":       "a\r\nlevel=ERROR msg=forged\t\b\x7f",
		"ANSI codes":               "\x1b[2J\x1b]0;owned\x07\x9b31m",
		"right to left":            "\u202egnp.exe",
		"quotes":                   "\"}\\\",\"up\":true",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var got Peer
				var calls []*Call
				cfg := Config{
					Admit:  func(p Peer) Admission { got = p; return Admit },
					Answer: func(o *Offer) { calls = append(calls, o.Accept(1, 64)) },
				}
				s, peer := acceptedIdle(t, cfg)
				m := okRequest
				m.Host, m.Vendor = MakeText(raw), MakeText(raw)
				peer.send(m)
				next[StartReply](peer)
				peer.send(OutgoingCallRequest{CallID: 2, Subaddress: MakeText(raw)})
				next[OutgoingCallReply](peer)
				peer.nc.Close()
				<-s.result

				if string(got.Host) != raw || string(got.Vendor) != raw || string(calls[0].Subaddress()) != raw {
					t.Errorf("raw names are %q and %q, want %q", string(got.Host), string(got.Vendor), raw)
				}
				for way, text := range everyWayToPrint(t, got, m) {
					if !printable(text) {
						t.Errorf("%s shows %q", way, text)
					}
				}
			})
		})
	}
}

// everyWayToPrint returns how logs, status and metrics may show a peer.
func everyWayToPrint(t *testing.T, p Peer, m StartRequest) map[string]string {
	t.Helper()
	var text, structured lines
	slog.New(slog.NewTextHandler(&text, nil)).Info("peer", "host", p.Host, "peer", p, "message", m)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("peer", "host", p.Host, "peer", p, "message", m)
	status, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != 1 || len(structured) != 1 {
		t.Errorf("%d and %d lines in the logs, want 1 each", len(text), len(structured))
	}
	return map[string]string{
		"text log":    strings.TrimSuffix(text[0], "\n"),
		"JSON log":    strings.TrimSuffix(structured[0], "\n"),
		"JSON":        string(status),
		"%v":          fmt.Sprintf("%v", p),
		"%+v":         fmt.Sprintf("%+v", m),
		"%q":          fmt.Sprintf("%q", p.Host),
		"Sprint":      fmt.Sprint(p.Vendor, m.Host),
		"metric":      fmt.Sprintf(`sitebridge_peer{host="%s"} 1`, p.Host),
		"String":      p.Host.String(),
		"a Text's %v": fmt.Sprintf("%v", m.Vendor),
	}
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}
