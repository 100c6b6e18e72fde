package config

import (
	"strings"
	"testing"
)

// H4: metrics and the page are read on this machine, if the file does not say otherwise; and
// then it is warned of.
func TestAttackH4Readers(t *testing.T) {
	const fix = `write an address of loopback, as in "127.0.0.1:9723", or metrics_public = true to agree to that`
	for _, c := range []struct {
		name, keys string
		fault      string
		warning    string
	}{
		{"none", ``, "", ""},
		{"loopback", `metrics = "127.0.0.1:9723"`, "", ""},
		{"loopback of IPv6", `metrics = "[::1]:9723"`, "", ""},
		{"all addresses", `metrics = "0.0.0.0:9723"`,
			`:3: daemon.metrics: other machines could read the metrics at "0.0.0.0:9723", and with that the names of our peers: ` + fix, ""},
		{"all addresses of IPv6", `metrics = "[::]:9723"`,
			`:3: daemon.metrics: other machines could read the metrics at "[::]:9723", and with that the names of our peers: ` + fix, ""},
		{"one that others reach", "metrics = \"192.0.2.1:9723\"\nmetrics_public = false",
			`:3: daemon.metrics: other machines could read the metrics at "192.0.2.1:9723", and with that the names of our peers: ` + fix, ""},
		{"agreed to", "metrics = \"192.0.2.1:9723\"\nmetrics_public = true", "",
			"daemon: metrics can be read at 192.0.2.1:9723 from other machines: names of our peers, and how much each sends"},
		{"a page on loopback", `web = "127.0.0.1:8723"`, "", ""},
		{"a page for all", `web = "0.0.0.0:8723"`,
			`:3: daemon.web: other machines could read the status page at "0.0.0.0:8723", and with that the names of our peers: write an address of loopback, as in "127.0.0.1:8723", or web_public = true to agree to that`, ""},
		{"a page for all, agreed to", "web = \"192.0.2.1:8723\"\nweb_public = true", "",
			"daemon: the status page can be read at 192.0.2.1:8723 from other machines: names of our peers, and how much each sends"},
		{"both at one place", "metrics = \"127.0.0.1:9723\"\nweb = \"127.0.0.1:9723\"",
			`:4: daemon.web: "127.0.0.1:9723" is where metrics are read: write another port, as in "127.0.0.1:8723"`, ""},
		{"agreed to, and not needed", "metrics = \"127.0.0.1:9723\"\nmetrics_public = true", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, strings.TrimPrefix(strings.Replace(minimal, `name = "hq"`, "name = \"hq\"\n"+c.keys, 1), "\n"))
			d.secret("out", "hunter2")
			conf, err := Load(d.path())
			if c.fault != "" || err != nil {
				wantFaults(t, d, err, []string{c.fault})
				return
			}
			if got := conf.Warnings()[0].String(); c.warning != "" && got != c.warning {
				t.Errorf("%s, want %s", got, c.warning)
			} else if c.warning == "" && strings.Contains(got, "metrics") {
				t.Errorf("warned of: %s", got)
			}
			if conf.Daemon.Metrics.IsValid() != strings.Contains(c.keys, "metrics =") || conf.Daemon.Web.IsValid() != strings.Contains(c.keys, "web =") {
				t.Errorf("metrics at %v, the page at %v", conf.Daemon.Metrics, conf.Daemon.Web)
			}
		})
	}
}

// Who asks the daemon needs daemon.status alone, whatever else is wrong or cannot be
// read.
func TestControlSocket(t *testing.T) {
	for _, c := range []struct{ name, text, want, fault string }{
		{"a path", "[daemon]\nstatus = \"run/s\"\ncertificate = \"none.pem\"\n[site.b1]\nnonsense = 1", "DIR/run/s", ""},
		{"a path from the root", "[daemon]\nstatus = \"/run/s\"", "/run/s", ""},
		{"the default", "[daemon]\nname = \"hq\"", defaultStatus, ""},
		{"no text", "[daemon]\nstatus = 5", "", `:2: daemon.status: 5 is not a text: write it in quotes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, c.text)
			got, err := ControlSocket(d.path())
			if c.fault != "" {
				wantFaults(t, d, err, []string{c.fault})
			} else if want := strings.Replace(c.want, "DIR", d.root, 1); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		})
	}
	if _, err := ControlSocket("none.toml"); err == nil || !strings.Contains(err.Error(), "or name another with --config") {
		t.Errorf("without a file: %v", err)
	}
}
