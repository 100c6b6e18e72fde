package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// Row H4: metrics and the status page are off, or read on this machine alone. A file that
// would show them to others is refused unless it says that this is meant, and then it is
// warned of.
func TestAttackH4OnlyThisMachine(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	const public = "metrics = \"0.0.0.0:9723\"\nweb = \"0.0.0.0:8723\"\n"
	refused := w.Write("public.toml", strings.ReplaceAll(lab.Config{Daemon: public}.A(), "STATUS", w.Dir+"/s"))
	for _, command := range []string{"check", "run"} {
		out, code := w.Command(w.SiteA, command, "--config", refused)
		if code != 3 || !strings.Contains(out, "other machines could read the metrics") || !strings.Contains(out, "other machines could read the status page") {
			t.Errorf("%s: exit status %d, want 3:\n%s", command, code, out)
		}
	}
	reads := func(ns *netlab.Namespace, host string) (n int) {
		for _, what := range []string{":9723/metrics", ":8723/v1/status"} {
			if get(ns, "http://"+host+what) == nil {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name, keys   string
		here, others int
	}{
		{"nothing is written", "", 0, 0},
		{"loopback is written", "metrics = \"" + metricsAt + "\"\nweb = \"" + pageAt + "\"", 2, 0},
		{"it is agreed to", public + "metrics_public = true\nweb_public = true", 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.Start(w.SiteA, lab.Config{Daemon: c.keys}.A())
			defer a.Stop()
			a.WaitSite("b", "running", anyState)
			if n := reads(w.SiteA, "127.0.0.1"); n != c.here {
				t.Errorf("%d of them are read on the machine itself, want %d", n, c.here)
			}
			for _, from := range []struct {
				ns *netlab.Namespace
				to string
			}{{w.SiteA, lab.WANA}, {w.SiteB, lab.WANA}, {w.HostA, lab.LANA}} {
				if n := reads(from.ns, from.to); n != c.others {
					t.Errorf("%d of them are read at %s from %s, want %d", n, from.to, from.ns.Name(), c.others)
				}
			}
			warned := strings.Contains(a.Log(), "can be read at 0.0.0.0:9723 from other machines")
			if warned != (c.others > 0) {
				t.Errorf("the log warns of it: %t", warned)
			}
		})
	}
}

// get reads a page from a machine.
func get(ns *netlab.Namespace, url string) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			return lab.Dial(ns, addr, 5*time.Second)
		},
	}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
