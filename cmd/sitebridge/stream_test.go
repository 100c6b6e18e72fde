package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/pcapng"
)

// streamDaemon answers with streams on a control socket, whose path it returns. What it
// is asked for more of never comes.
func streamDaemon(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "control")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(what func(w http.ResponseWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			what(w)
			w.(http.Flusher).Flush()
			if r.FormValue("follow") != "0" {
				<-r.Context().Done()
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", answer(func(w http.ResponseWriter) {
		fmt.Fprintln(w, `{"seq":1,"time":"2026-11-23T10:00:00Z","event":"started"}`)
		fmt.Fprintln(w, `{"seq":2,"time":"2026-11-23T10:00:01Z","event":"down","site":"b","peer":"192.0.2.2","reason":"no answer","numbers":{"up_seconds":7}}`)
	}))
	mux.HandleFunc("GET /v1/sites/b/trace", answer(func(w http.ResponseWriter) {
		fmt.Fprintln(w, `{"time":"2026-11-23T10:00:00Z","direction":"out","peer":"192.0.2.2","layer":"ppp","octets":4,"text":"LCP Configure-Request id 1: MRU 1500"}`)
		fmt.Fprintln(w, `{"time":"2026-11-23T10:00:01Z","direction":"in","peer":"192.0.2.2","layer":"ppp","octets":8,"text":"LCP Echo-Request id 1: magic 00000000"}`)
		fmt.Fprintln(w, `{"time":"2026-11-23T10:00:02Z","direction":"in","peer":"192.0.2.2","layer":"ppp","encrypted":true,"octets":4,"text":"IPCP Configure-Request id 1: no options","lost":3}`)
	}))
	mux.HandleFunc("GET /v1/strangers/trace", answer(func(http.ResponseWriter) {}))
	mux.HandleFunc("GET /v1/sites/b/capture", answer(func(w http.ResponseWriter) {
		c, err := pcapng.NewWriter(w, pcapng.Section{Interface: pcapng.Interface{LinkType: pcapng.PPP}})
		for i := range 5 {
			if i == 4 && err == nil {
				err = c.Statistics(time.Unix(2, 0), 10, 5)
			}
			if err == nil {
				err = c.Packet(time.Unix(1, 0), pcapng.Inbound, []byte("packet"))
			}
		}
		if err != nil {
			t.Error(err)
		}
		w.Write([]byte{6, 0, 0, 0, 100, 0, 0, 0}) // and the beginning of a block
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, `{"error":"no site \"x\" in the configuration, which has b"}`)
	})
	srv := http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return socket
}

// interrupted runs the program, and presses Ctrl-C when it has printed what is waited for.
func interrupted(t *testing.T, until string, args ...string) (code int, stdout string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &pressing{until: until, press: cancel}
	var errs bytes.Buffer
	code = dispatch(&env{ctx: ctx, stdout: out, stderr: &errs}, args)
	if errs.Len() > 0 {
		t.Log(errs.String())
	}
	return code, out.String()
}

// A pressing writer presses Ctrl-C.
type pressing struct {
	bytes.Buffer
	until string
	press func()
}

func (p *pressing) Write(b []byte) (int, error) {
	n, err := p.Buffer.Write(b)
	if strings.Contains(p.String(), p.until) {
		p.press()
	}
	return n, err
}

func TestEventsCommand(t *testing.T) {
	socket := streamDaemon(t)
	code, out, errs := run(t, "events", "--socket", socket)
	if code != exitOK || !strings.Contains(out, " started\n") || !strings.Contains(out, " down b 192.0.2.2: no answer (up seconds 7)\n") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, out, _ := run(t, "events", "--json", "--socket", socket); code != exitOK || strings.Count(out, `{"seq":`) != 2 {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := interrupted(t, "down", "events", "--follow", "--socket", socket); code != exitInterrupted || !strings.Contains(out, "started") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestTraceCommand(t *testing.T) {
	socket := streamDaemon(t)
	code, out, errs := run(t, "trace", "--last", "b", "--socket", socket)
	for _, want := range []string{" -> 192.0.2.2       LCP Configure-Request id 1: MRU 1500\n", " <- 192.0.2.2       (encrypted) IPCP Configure-Request id 1: no options\n", "3 packets not shown"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q: %s%s", code, want, out, errs)
		}
	}
	if strings.Contains(out, "Echo") {
		t.Error("an Echo is shown")
	}
	if code, out, _ := run(t, "trace", "--last", "--echo", "--json", "--socket", socket, "b"); code != exitOK || !strings.Contains(out, "Echo-Request") || strings.Count(out, "\n") != 3 {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _ := interrupted(t, "IPCP", "trace", "--socket", socket, "b"); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	for _, c := range []struct {
		code int
		args []string
	}{{exitOK, []string{"--last", "--strangers"}}, {exitUsage, nil}, {exitUsage, []string{"--strangers", "b"}}, {exitFailed, []string{"x"}}} {
		if code, out, errs := run(t, append([]string{"trace", "--socket", socket}, c.args...)...); code != c.code {
			t.Errorf("%q: exit %d: %s%s", c.args, code, out, errs)
		}
	}
}

// packetsIn counts those in a capture, which must be whole to its end.
func packetsIn(t *testing.T, capture []byte) (n int) {
	t.Helper()
	in := bytes.NewReader(capture)
	for r := pcapng.NewReader(in); ; {
		_, packet, err := r.Next()
		if err != nil {
			if in.Len() > 0 || err.Error() != "EOF" {
				t.Errorf("the capture ends in half a block: %v", err)
			}
			return n
		}
		if packet {
			n++
		}
	}
}

// What ends a capture, the file ends with a whole block.
func TestCaptureCommand(t *testing.T) {
	socket, file := streamDaemon(t), filepath.Join(t.TempDir(), "b.pcapng")
	code, _, errs := run(t, "capture", "--socket", socket, "--pcapng", file, "-c", "3", "b")
	if code != exitOK || !strings.Contains(errs, "3 packets written to "+file) {
		t.Errorf("exit %d: %s", code, errs)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := packetsIn(t, b); n != 3 {
		t.Errorf("%d packets", n)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	code, out, errs := run(t, "capture", "--socket", socket, "--for", "1h", "-c", "5", "b")
	if n := packetsIn(t, []byte(out)); code != exitOK || n != 5 || !strings.Contains(errs, "5 packets are missing") {
		t.Errorf("exit %d, %d packets: %s", code, n, errs)
	}
	if code, out := interrupted(t, "packet", "capture", "--socket", socket, "b"); code != exitOK || packetsIn(t, []byte(out)) == 0 {
		t.Errorf("Ctrl-C: exit %d: %q", code, out)
	}
	for _, args := range [][]string{{}, {"--layer", "ip", "b"}, {"-c", "-1", "b"}, {"--for", "-1s", "b"}} {
		if code, _, _ := run(t, append([]string{"capture", "--socket", socket}, args...)...); code != exitUsage {
			t.Errorf("%q: exit %d", args, code)
		}
	}
	if code, _, errs := run(t, "capture", "--socket", socket, "x"); code != exitFailed || !strings.Contains(errs, `no site "x"`) {
		t.Errorf("exit %d: %s", code, errs)
	}
}
