package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A machine has a systemd of its own.
type machine struct {
	t   *testing.T
	pid string // of its systemd, as we see it
	log string
}

// boot starts a machine that finds dir at /run/packages. It ends with the test.
func boot(t *testing.T, dir string) *machine {
	t.Helper()
	need(t, "unshare", "nsenter", "systemctl", "systemd-analyze", "ip", "dpkg")
	if os.Geteuid() != 0 {
		unable(t, fmt.Errorf("needs root"))
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	at := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "./machine", at)
	cmd.Env = append(os.Environ(), "PACKAGES="+dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	m := &machine{t: t, log: log.Name()}
	up := soon(time.Minute, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		m.pid = strings.TrimSpace(string(children))
		_, err := m.run("systemctl is-active sysinit.target")
		return m.pid != "" && err == nil
	})
	select {
	case <-ended:
		unable(t, fmt.Errorf("no machine with a systemd of its own:\n%s", m.console()))
	default:
	}
	if !up {
		unable(t, fmt.Errorf("systemd does not start in a machine of its own:\n%s", m.console()))
	}
	return m
}

func (m *machine) console() string {
	b, _ := os.ReadFile(m.log)
	return string(b)
}

// run runs a shell command in the machine.
func (m *machine) run(command string) (string, error) {
	if m.pid == "" {
		return "", os.ErrNotExist
	}
	out, err := exec.Command("nsenter", "--target", m.pid, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "bash", "-c", command).CombinedOutput()
	return string(out), err
}

// must is run for what must work.
func (m *machine) must(command string) string {
	m.t.Helper()
	out, err := m.run(command)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s\nconsole:\n%s\nlog:\n%s", command, err, out, m.console(), m.daemonLog())
	}
	return out
}

func (m *machine) daemonLog() string {
	out, _ := m.run("cat /run/sitebridge.log")
	return out
}

// want runs a command, whose output must have some words.
func (m *machine) want(command, words string) {
	m.t.Helper()
	if out := m.must(command); !strings.Contains(out, words) {
		m.t.Errorf("%s: no %q in\n%s", command, words, out)
	}
}

// soon waits for a command to work.
func (m *machine) soon(command string) {
	m.t.Helper()
	var out string
	if !soon(30*time.Second, func() (ok bool) {
		var err error
		out, err = m.run(command)
		return err == nil
	}) {
		m.t.Fatalf("%s: does not come to work:\n%s\n%s", command, out, m.daemonLog())
	}
}

// upgrade makes a package with the files of deb and a higher version.
func upgrade(t *testing.T, deb, dir string) {
	t.Helper()
	script := `set -e; r=$(mktemp -d); trap 'rm -rf "$r"' EXIT; dpkg-deb -R "$1" "$r"; sed -i 's/^Version: .*/Version: 1.2.4-1/' "$r/DEBIAN/control"
		dpkg-deb --root-owner-group -Znone -b "$r" "$2/upgrade.deb"; cp "$1" "$2/first.deb"`
	if out, err := exec.Command("bash", "-c", script, "bash", deb, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// The life of a package: installed, configured, started by systemd as its unit says,
// reloaded, hung, upgraded, removed and purged.
func TestPackageLives(t *testing.T) {
	deb, _ := packages(t)
	dir := t.TempDir()
	upgrade(t, deb, dir)
	m := boot(t, dir)
	const dpkg = "dpkg --no-triggers --force-unsafe-io "
	before := m.must("cat /etc/passwd /etc/group")

	m.must(dpkg + "-i /run/packages/first.deb")
	m.want("sitebridge version", "sitebridge v1.2.3\ncommit 0123456789abcdef0123456789abcdef01234567 of 2023-11-14T22:13:20Z\n")
	m.want("stat -c '%a %U:%G' /etc/sitebridge", "750 root:sitebridge")
	m.want("getent passwd sitebridge", ":/nonexistent:")
	m.want("systemctl is-enabled sitebridge || true", "disabled")
	m.want("systemctl is-active sitebridge || true", "inactive")
	m.must("test -e /usr/lib/sysctl.d/90-sitebridge.conf")
	if out := m.must("systemd-analyze verify --man=no sitebridge.service sitebridge-dosbox.socket 2>&1 | grep -i sitebridge || true"); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	m.must("systemd-analyze security --offline=true --threshold=25 /usr/lib/systemd/system/sitebridge.service >/dev/null")

	m.configure()
	m.must("systemctl enable --now sitebridge")
	m.sandboxed()
	m.want("runuser -u sitebridge -- sitebridge check", "is in order")
	m.want("sitebridge status || [ $? = 4 ]", "site b: ")
	if _, err := m.run("runuser -u nobody -- sitebridge status"); err == nil {
		t.Error("a stranger may ask the daemon")
	}
	m.must("sed -i 's/^# more/[site.c]\\ndial = [\"192.0.2.2\"]\\n[site.c.ip]/' /etc/sitebridge/sites.toml")
	m.must("systemctl reload sitebridge")
	m.want("sitebridge status || [ $? = 4 ]", "site c: ")

	// One that hangs is found by the watchdog, and started anew.
	m.must("kill -STOP $(systemctl show -P MainPID sitebridge)")
	m.soon("[ $(systemctl show -P NRestarts sitebridge) = 1 ] && systemctl is-active sitebridge")

	first := m.must("systemctl show -P MainPID sitebridge")
	m.must(dpkg + "-i /run/packages/upgrade.deb")
	m.soon("systemctl is-active sitebridge")
	if now := m.must("systemctl show -P MainPID sitebridge"); now == first || now == "0\n" {
		t.Errorf("after the upgrade the daemon runs as %s, and before as %s", now, first)
	}
	m.want("stat -c '%U' /etc/sitebridge/sites.toml", "sitebridge")

	m.must(dpkg + "--remove sitebridge")
	if out, err := m.run("ip -o link show type tun; pgrep -x sitebridge; ls -d /run/sitebridge 2>&1; systemctl is-active sitebridge"); err == nil || strings.Contains(out, "sb-") {
		t.Errorf("after it was removed, the daemon's things are there: %v\n%s", err, out)
	}
	m.must("test -e /etc/sitebridge/sites.toml")
	m.must(dpkg + "--purge sitebridge")
	if after := m.must("cat /etc/passwd /etc/group"); after != before {
		t.Errorf("users and groups are not as they were:\n%s", after)
	}
	m.nothingLeft()
}

// configure makes a configuration as README.Debian says.
func (m *machine) configure() {
	m.t.Helper()
	m.must("sitebridge identity new hq >/dev/null")
	m.must(`cat >/etc/sitebridge/sites.toml <<'END'
[daemon]
name = "hq"
certificate = "hq.pem"
hook = "/etc/sitebridge/hook"
[defaults.auth]
fingerprint = "sha256:7d1a54127b222502f5b79b5fb0803061152a44f92b37e23c6527baf665d4da9a"
[site.b]
dial = ["192.0.2.1"]
[site.b.ip]
# more
END
printf '#!/bin/sh\necho "$SITEBRIDGE_EVENT" as $(id -un) with $(grep CapEff /proc/self/status)\n' >/etc/sitebridge/hook
chmod 755 /etc/sitebridge/hook
chown -R sitebridge: /etc/sitebridge
mkdir -p /run/systemd/system/sitebridge.service.d
printf '[Service]\nStandardError=append:/run/sitebridge.log\nWatchdogSec=2s\nRestartSec=100ms\n' >/run/systemd/system/sitebridge.service.d/log.conf
systemctl daemon-reload`)
}

// sandboxed looks at the running daemon for what the unit says of it.
func (m *machine) sandboxed() {
	m.t.Helper()
	m.want("systemctl show -P StatusText,ActiveState,SubState sitebridge", "running")
	for property, value := range map[string]string{"Type": "notify", "NotifyAccess": "main", "DevicePolicy": "closed", "DeviceAllow": "/dev/net/tun rw", "ProtectSystem": "strict"} {
		m.want("systemctl show -P "+property+" sitebridge", value+"\n")
	}
	status := m.must("cat /proc/$(systemctl show -P MainPID sitebridge)/status")
	for _, line := range []string{
		`Uid:\t(\d+)\t(\d+)\t\d+\t\d+`,
		`CapBnd:\t0000000000003000`, `CapEff:\t0000000000003000`, `CapInh:\t0000000000003000`, // NET_ADMIN and NET_RAW
		`NoNewPrivs:\t1`, `Seccomp:\t2`,
	} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(status) {
			m.t.Errorf("the daemon's status has no %s:\n%s", line, status)
		}
	}
	if strings.Contains(status, "Uid:\t0") {
		m.t.Error("the daemon runs as root")
	}
	const inside = "nsenter -t $(systemctl show -P MainPID sitebridge) -m "
	for _, write := range []string{"/usr/x", "/etc/x", "/etc/sitebridge/x", "/var/lib/x", "/proc/sys/net/ipv4/ip_forward"} {
		if out, err := m.run(inside + "sh -c 'echo 1 >" + write + "'"); err == nil || !strings.Contains(out, "ead-only") {
			m.t.Errorf("even root may write %s where the daemon lives: %v %s", write, err, out)
		}
	}
	m.soon("ip -o link show sb-b")
	m.soon(`grep 'hook says' /run/sitebridge.log | grep 'as sitebridge with CapEff: 0000000000000000'`)
}

// nothingLeft looks through all that was written on the machine.
func (m *machine) nothingLeft() {
	m.t.Helper()
	left := m.must(`cd /run/written && find . -mindepth 1 ! -type d ! -path './var/lib/dpkg/*' ! -path './var/log/*' ! -path './var/cache/*' \
		! -path './etc/passwd*' ! -path './etc/group*' ! -path './etc/shadow*' ! -path './etc/gshadow*' ! -path './etc/.pwd.lock' ! -path ./etc/machine-id ! -path './etc/subuid*' ! -path './etc/subgid*'
		find . -name '*sitebridge*' ! -path './var/lib/dpkg/*'`)
	if left != "" {
		m.t.Errorf("after purge there are still:\n%s", left)
	}
}

// soon reports whether a condition came true in time.
func soon(limit time.Duration, condition func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return false
}
