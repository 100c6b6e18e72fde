package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/pcapng"
	"sitebridge/ppp/auth"
)

// A watching is an answer that comes in a stream.
type watching struct {
	*httptest.ResponseRecorder
	end func()
}

// watch asks a daemon for a stream; end ends it, and then all of it is in Body.
func (d *testDaemon) watch(t *testing.T, path string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.apiHandler().ServeHTTP(w, r)
	}()
	w.end = func() {
		cancel()
		<-done
	}
	t.Cleanup(w.end)
	return w
}

// lines decodes an answer of JSON lines.
func lines[T any](t *testing.T, body *bytes.Buffer) (all []T) {
	t.Helper()
	for d := json.NewDecoder(body); ; {
		var v T
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

// traced is what a daemon tells of a site's negotiation.
func (d *testDaemon) traced(t *testing.T, path string) (texts []string) {
	t.Helper()
	w := d.watch(t, path+"?follow=0")
	w.end()
	for _, l := range lines[TraceLine](t, w.Body) {
		texts = append(texts, l.Direction+" "+l.Text)
	}
	return texts
}

// inOrder reports whether some of texts begin with the words given, in their order.
func inOrder(texts []string, want ...string) bool {
	for _, text := range texts {
		if len(want) > 0 && strings.HasPrefix(text, want[0]) {
			want = want[1:]
		}
	}
	return len(want) == 0
}

func TestTraceTellsOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		live := a.watch(t, "/v1/sites/beta/trace")
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		time.Sleep(30 * time.Second) // Echoes are not kept
		for _, c := range []struct {
			what string
			got  []string
			want []string
		}{
			{"the answerer's", a.traced(t, "/v1/sites/beta/trace"), []string{
				`in Start-Control-Connection-Request: host "beta", vendor "sitebridge"`, "out Start-Control-Connection-Reply: ", "in Outgoing-Call-Request: ",
				"out LCP Configure-Request id ", `out CHAP Challenge id `, `in CHAP Response id `, "out CHAP Success", "in IPXCP Configure-Request id "}},
			{"the dialler's", b.traced(t, "/v1/sites/alpha/trace"), []string{
				"out Start-Control-Connection-Request: ", "in Outgoing-Call-Reply: ", "in LCP Configure-Request id ",
				"out CHAP Response id ", "out IPXCP Configure-Request id "}},
		} {
			if !inOrder(c.got, c.want...) {
				t.Errorf("%s trace lacks one of %q, in this order:\n%s", c.what, c.want, strings.Join(c.got, "\n"))
			}
			if text := strings.Join(c.got, "\n"); strings.Contains(text, "Echo") || !strings.Contains(text, "answer of 49 octets not shown") {
				t.Errorf("%s trace:\n%s", c.what, text)
			}
		}
		live.end()
		if got := lines[TraceLine](t, live.Body); len(got) < len(a.traced(t, "/v1/sites/beta/trace")) {
			t.Errorf("who looked from the start saw %d packets", len(got))
		}
	})
}

// A caller that does not show who it is has a trace, too, and not that of a site.
func TestTraceOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		bad := peerSite("beta", "alpha", true, false)
		bad.Auth.SecretOut = "guess"
		b := w.start("beta", bad)
		reaches(t, time.Minute, "refused", b.is(StateWaiting))
		if got := a.traced(t, "/v1/strangers/trace"); !inOrder(got, "in Start-Control-Connection-Request", "out CHAP Challenge", `in CHAP Response`, "out CHAP Failure") {
			t.Errorf("the trace of strangers:\n%s", strings.Join(got, "\n"))
		}
		if got := a.traced(t, "/v1/sites/beta/trace"); got != nil {
			t.Errorf("a site has the trace of one who was not it: %q", got)
		}
	})
}

// captured returns the packets of a capture.
func captured(t *testing.T, body *bytes.Buffer) (packets [][]byte) {
	t.Helper()
	for r := pcapng.NewReader(body); ; {
		block, packet, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return packets
		case err != nil:
			t.Fatal(err)
		case packet:
			packets = append(packets, slices.Clone(block))
		}
	}
}

// Row H3: PAP carries a password in clear. It is in no capture and in no trace; the link
// comes up, so it did cross. A capture goes on over calls.
func TestAttackH3CaptureHoldsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pap := func(s *config.Site) *config.Site {
			s.Auth.Methods = []auth.Method{auth.PAP}
			return s
		}
		// Who dials is there first, and finds nobody: both are watched before they meet.
		b := w.start("beta", pap(peerSite("beta", "alpha", true, false)))
		reaches(t, time.Minute, "nobody is there", b.is(StateWaiting))
		a := w.start("alpha", pap(peerSite("alpha", "beta", false, true)))
		var all []*watching
		for _, layer := range []string{"ppp", "gre"} {
			all = append(all, a.watch(t, "/v1/sites/beta/capture?layer="+layer))
		}
		all = append(all, a.watch(t, "/v1/sites/beta/trace"), a.watch(t, "/v1/strangers/trace"))
		for _, layer := range []string{"ppp", "gre"} {
			all = append(all, b.watch(t, "/v1/sites/alpha/capture?layer="+layer))
		}
		for range 2 {
			reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
			b.stop()
			reaches(t, 10*time.Second, "alpha listens again", a.is(StateListening))
			b = w.start("beta", pap(peerSite("beta", "alpha", true, false)))
		}
		for i, one := range all {
			one.end()
			body := one.Body.Bytes()
			if bytes.Contains(body, []byte("secret of")) {
				t.Errorf("stream %d has a password in it", i)
			}
			// An answerer's GRE is told of from when it is known whose call it is.
			if i != 1 && i != 3 && !bytes.Contains(body, []byte("[secret]")) && !bytes.Contains(body, []byte("password not shown")) {
				t.Errorf("stream %d has no sign that there was a password", i)
			}
		}
		const terminate = "\xff\x03\xc0\x21\x05" // LCP Terminate-Request
		if n := bytes.Count(bytes.Join(captured(t, all[0].Body), nil), []byte(terminate)); n != 2 {
			t.Errorf("%d ends of a call in the capture, want 2", n)
		}
		if n := len(captured(t, all[5].Body)); n < 10 {
			t.Errorf("%d packets of GRE", n)
		}
	})
}

// kinds are those of the events that a daemon has told.
func (d *testDaemon) kinds(t *testing.T, path string) (all []Event) {
	w := d.watch(t, path)
	w.end()
	return lines[Event](t, w.Body)
}

func TestEventsOfASite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		live := a.watch(t, "/v1/events")
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		time.Sleep(time.Minute)
		b.stop()
		reaches(t, 10*time.Second, "alpha listens again", a.is(StateListening))
		b2 := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b2, StateUp))
		a.stop()
		reaches(t, 10*time.Second, "beta is down", b2.is(StateWaiting))
		time.Sleep(10 * time.Minute) // it fails again and again
		live.end()
		got := lines[Event](t, live.Body)
		var told []string
		for _, e := range got {
			told = append(told, string(e.Kind))
			if e.Site != "beta" || e.Peer != addrOf["beta"] || e.Time.IsZero() || (e.Kind == EventDown) != (e.Reason != "") {
				t.Errorf("event %+v", e)
			}
		}
		if !slices.Equal(told, []string{"up", "down", "up", "down"}) || got[1].Numbers["up_seconds"] != 60 || got[3].Seq != 4 {
			t.Errorf("alpha told %+v", got)
		}
		if got := b2.kinds(t, "/v1/events?follow=0"); len(got) != 2 || got[1].Kind != EventDown {
			t.Errorf("beta told %+v: one down is enough, however often it is tried again", got)
		}
		if got := b2.kinds(t, "/v1/events?since=1&follow=0"); len(got) != 1 || got[0].Seq != 2 {
			t.Errorf("after the first: %+v", got)
		}
	})
}

// A site that never came up has said so, once.
func TestEventOfAFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		time.Sleep(10 * time.Minute)
		got := b.kinds(t, "/v1/events?follow=0")
		if len(got) != 1 || got[0].Kind != EventDown || !strings.Contains(got[0].Reason, "connection refused") {
			t.Errorf("told %+v", got)
		}
	})
}

// Who does not read is told how much was lost, and keeps nobody waiting.
func TestSlowReaderOfEvents(t *testing.T) {
	var s events
	for range 5 {
		s.add(Event{Kind: EventUp})
	}
	known, r := s.follow(3, 10)
	if len(known) != 2 || known[0].Seq != 4 {
		t.Errorf("told %+v", known)
	}
	for range 1000 {
		s.add(Event{Kind: EventDown})
	}
	<-r.over
	if lost := s.leave(r); lost != 990 || len(r.queue) != 10 || len(s.recent) != keptEvents {
		t.Errorf("lost %d, queued %d, kept %d", lost, len(r.queue), len(s.recent))
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		`C:\ and "ü"`:               `C:\ and "ü"`,
		"a\nb\x1b[31mc\x00":         `a\nb\x1b[31mc\x00`,
		"\xff\xfe":                  `\xff\xfe`,
		"\uFFFD":                    "\uFFFD",
		"\u202eevil\u0085":          `\u202eevil\u0085`,
		strings.Repeat("x", 5000):   strings.Repeat("x", maxText+1) + "...",
		"<script>alert(1)</script>": "<script>alert(1)</script>",
	} {
		if got := plainText(in); got != want {
			t.Errorf("plainText(%q) = %q, want %q", in, got, want)
		}
	}
}
