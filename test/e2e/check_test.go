package e2e

import (
	"os"
	"strings"
	"testing"

	"sitebridge/test/lab"
)

// TestCheckNamesEveryFault at once, with file, key, reason and what to write.
func TestCheckNamesEveryFault(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	public := w.Write("public", "hush")
	if err := os.Chmod(public, 0o644); err != nil {
		t.Fatal(err)
	}
	bad := w.Write("bad.toml", `
[daemon]
name = "hq"
lissten = ["0.0.0.0:1723"]

[lan.lan]
interface = "eth1"
ethernet_802_2 = "00000010"

[site.b]
echo = { interval = "10 seconds" }
dial = ["192.0.2.1"]
[site.b.auth]
methods = ["mschapv1"]
secret_out_file = "public"
[site.b.encryption]
policy = "on"
[site.b.ip]
routes = ["10.2.0.0/33"]
[site.b.ipx]
network = "00000010"
`)
	for _, command := range []string{"check", "run"} {
		out, code := w.Command(w.SiteA, command, "--config", bad)
		if code != 3 {
			t.Errorf("%s: exit status %d, want 3", command, code)
		}
		for _, want := range []string{
			bad + ":4", "lissten", "listen",
			"interval", "10 seconds", `write "1s" to "1h"`,
			"mschapv1", "mschapv2",
			"public", "0600",
			"policy", `"disabled"`,
			"10.2.0.0/33",
			"00000010",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q:\n%s", command, want, out)
			}
		}
		if n := strings.Count(strings.TrimSpace(out), bad); n < 6 {
			t.Errorf("%s names the file %d times, want once for each fault:\n%s", command, n, out)
		}
	}
	good := w.Write("good.toml", strings.ReplaceAll(lab.Config{}.A(), "STATUS", w.Dir+"/s"))
	if out, code := w.Command(w.SiteA, "check", "--config", good); code != 0 || !strings.Contains(out, "in order: sites 1, LANs 1") || !strings.Contains(out, "warning: site.b") {
		t.Errorf("check of a good file: %d\n%s", code, out)
	}
	if out, code := w.Command(w.SiteA, "check", "--config", w.Dir+"/none.toml"); code != 3 || !strings.Contains(out, "none.toml") {
		t.Errorf("check of no file: %d\n%s", code, out)
	}
}

// TestMissingCapability: the daemon says which one it needs.
func TestMissingCapability(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	for capability, config := range map[string]string{
		"NET_ADMIN": lab.Config{}.A(),
		"NET_RAW":   lab.Config{IPX: "none"}.A(),
	} {
		file := w.Write(capability+".toml", strings.ReplaceAll(config, "STATUS", w.Dir+"/"+capability))
		drop := "-" + strings.ToLower(capability)
		out, err := w.SiteA.Command("setpriv", "--bounding-set", drop, "--inh-caps", drop,
			os.Getenv("LAB_BINARY"), "run", "--config", file).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "CAP_"+capability) {
			t.Errorf("without CAP_%s: %v\n%s", capability, err, out)
		}
		wantClean(t, w, w.SiteA)
	}
}
