package bridge

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	alertsFile    = "../packaging/prometheus/alerts.yml"
	alertTests    = "testdata/alerts.test.yml"
	dashboardFile = "../packaging/grafana/sitebridge.json"
)

// promtool runs Prometheus's own judge. Where it must be there, its absence is a failure.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
			t.Fatalf("%v: it is required (REQUIRE_PEERS), and test/deps installs it", err)
		}
		t.Skipf("%v: test/deps installs it", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "FAILED") {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolReadsOurMetrics(t *testing.T) {
	promtool(t, scraped(t, sampleStatus()), "check", "metrics")
}

func TestPromtoolReadsOurAlerts(t *testing.T) {
	promtool(t, "", "check", "rules", alertsFile)
}

// Each alert fires on what it is for, and on nothing that is well beside it.
func TestAlertsFire(t *testing.T) {
	promtool(t, "", "test", "rules", alertTests)
	alerts, cases := readText(t, alertsFile), readText(t, alertTests)
	names := regexp.MustCompile(`(?m)^ *- alert: (\w+)$`).FindAllStringSubmatch(alerts, -1)
	if len(names) < 10 {
		t.Errorf("only %d alerts", len(names))
	}
	for _, n := range names {
		if !regexp.MustCompile(`alertname: ` + n[1] + `\n +eval_time: \w+\n +exp_alerts:`).MatchString(cases) {
			t.Errorf("%s has no case in which it fires", n[1])
		}
	}
}

// What alerts, the dashboard and the manual ask for is there: each metric by name, each
// label and each word of ours in it.
func TestAlertsAndDashboardKnowOurMetrics(t *testing.T) {
	docs := readText(t, "../docs/monitoring.md")
	for what, text := range map[string]string{"alerts": readText(t, alertsFile), "dashboard": strings.Join(expressions(t), "\n"), "docs/monitoring.md": docs} {
		used := regexp.MustCompile(`sitebridge_\w+`).FindAllString(text, -1)
		if len(used) == 0 {
			t.Errorf("%s asks for nothing", what)
		}
		for _, name := range used {
			if !slices.ContainsFunc(metrics, func(m *metric) bool { return m.name == name }) {
				t.Errorf("%s asks for %s, and there is none", what, name)
			}
		}
		for _, m := range regexp.MustCompile(`(sitebridge_\w+)\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
			wantLabels(t, what, m[1], m[2])
		}
	}
	for _, n := range regexp.MustCompile(`(?m)^ *- alert: (\w+)$`).FindAllStringSubmatch(readText(t, alertsFile), -1) {
		if !strings.Contains(docs, n[1]) {
			t.Errorf("docs/monitoring.md does not tell of the alert %s", n[1])
		}
	}
}

// wantLabels looks whether a metric has the labels that a selector asks for, and whether
// it is served with the words.
func wantLabels(t *testing.T, what, name, selector string) {
	t.Helper()
	i := slices.IndexFunc(metrics, func(m *metric) bool { return m.name == name })
	if i < 0 {
		return // told already
	}
	body := scraped(t, sampleStatus())
	for _, l := range regexp.MustCompile(`(\w+)=(~?)"([^"]*)"`).FindAllStringSubmatch(selector, -1) {
		label, words := l[1], strings.Split(l[3], "|")
		if label == "instance" || label == "job" {
			continue // Prometheus's own
		}
		if !slices.Contains(metrics[i].labels, label) {
			t.Errorf("%s asks for %s with %s, and it has %v", what, name, label, metrics[i].labels)
		}
		if strings.HasPrefix(l[3], "$") || name == "sitebridge_site_encryption" {
			continue // a variable; and the sample has one encryption only
		}
		for _, w := range words {
			if !regexp.MustCompile(fmt.Sprintf(`(?m)^%s\{.*%s=%q.*\}`, name, label, w)).MatchString(body) {
				t.Errorf("%s asks for %s with %s=%q, which is never served", what, name, label, w)
			}
		}
	}
}

// expressions are those of the dashboard, without its variables.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Title      string
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct {
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(readText(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	vars := map[string]bool{}
	for _, v := range board.Templating.List {
		vars[v.Name] = true
		if v.Type == "query" {
			all = append(all, v.Definition)
		}
	}
	if board.Title != "sitebridge" || !vars["datasource"] || !vars["site"] || !vars["instance"] {
		t.Errorf("the dashboard %q has the variables %v", board.Title, vars)
	}
	for _, p := range board.Panels {
		if p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("panel %q stands at %+v and has %d questions", p.Title, p.GridPos, len(p.Targets))
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %q", p.Title, target.Datasource.UID)
			}
			all = append(all, target.Expr)
		}
	}
	return all
}

// Prometheus understands what the dashboard asks, once Grafana has put its variables in.
func TestPromtoolReadsOurDashboard(t *testing.T) {
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, e := range expressions(t) {
		if strings.HasPrefix(e, "label_values(") {
			continue // a word of Grafana's
		}
		e = strings.NewReplacer("$__rate_interval", "5m", "$instance", "hq:9723", "$site", "lyon|west").Replace(e)
		rules += fmt.Sprintf("  - record: panel:%d\n    expr: %q\n", i, e)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
