// Package frr proves the hand-over to dynamic routing: FRR of Debian carries the routes
// of the sites that are up into OSPF, by the configurations that docs/routing.md shows,
// and so does BIRD.
//
//	                    +==wan== hub1 --lan--+
//	host --lan-- branch +                    +--lan-- router
//	                    +==wan== hub2 --lan--+
//
// The branch dials whichever hub answers; both hubs and the router run zebra and ospfd, or
// bird.
package frr

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

const programs = "/usr/lib/frr"

func TestMain(m *testing.M) {
	if lab.Quick("^$") {
		os.Exit(m.Run())
	}
	lab.Main(m)
}

// need skips the test where the program is not installed or there is no root, who can
// become FRR's user, or fails it where it must run.
func need(t *testing.T, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	if err == nil && os.Getuid() != 0 {
		err = fmt.Errorf("FRR becomes a user of its own, which needs root")
	}
	if err == nil {
		return
	}
	if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
		t.Fatalf("the real peers are required (REQUIRE_PEERS): %v (test/deps installs it)", err)
	}
	t.Skipf("%v (test/deps installs it)", err)
}

// A router is a host that runs FRR.
type router struct {
	t   *testing.T
	ns  *netlab.Namespace
	dir string
}

// quick has OSPF notice things in seconds: what it does in a minute is not our business.
// A host's addresses in 10.99.0.0/16 are announced too, see world.flush.
const quick = `
interface lan
 ip ospf dead-interval minimal hello-multiplier 4
 ip ospf retransmit-interval 1
!
router ospf
 timers throttle spf 10 50 100
 timers throttle lsa all 50
 timers lsa min-arrival 10
 redistribute connected route-map CANARIES
!
ip prefix-list CANARIES permit 10.99.0.0/16 le 32
route-map CANARIES permit 10
 match ip address prefix-list CANARIES
!
`

// start runs zebra, and ospfd with that configuration.
func start(t *testing.T, ns *netlab.Namespace, config string) *router {
	t.Helper()
	dir, err := os.MkdirTemp("", "frr-") // t.TempDir lets nobody else in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &router{t, ns, dir}
	frr, err := user.Lookup("frr")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(frr.Uid)
	gid, _ := strconv.Atoi(frr.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	r.run("zebra", "")
	lab.Wait(t, ns.Name()+": zebra", func() bool { _, err := os.Stat(filepath.Join(dir, "zserv.api")); return err == nil })
	r.run("ospfd", config+quick)
	lab.Wait(t, ns.Name()+": ospfd", func() bool { _, err := r.show("ip ospf"); return err == nil })
	return r
}

// run starts one of FRR's daemons, which ends with the test.
func (r *router) run(program, config string) {
	r.t.Helper()
	file := filepath.Join(r.dir, program)
	if err := os.WriteFile(file+".conf", []byte(config), 0o644); err != nil {
		r.t.Fatal(err)
	}
	log, err := os.Create(file + ".log")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := r.ns.Command(filepath.Join(programs, program), "-f", file+".conf", "-i", file+".pid",
		"-z", filepath.Join(r.dir, "zserv.api"), "--vty_socket", r.dir, "-P", "0", "--log", "stdout")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // it is killed in the end
		close(ended)
	}()
	r.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		log.Close()
		if text, err := os.ReadFile(file + ".log"); err == nil && r.t.Failed() {
			r.t.Logf("log of %s on %s:\n%s", program, r.ns.Name(), text)
		}
	})
}

// show returns what vtysh shows.
func (r *router) show(what string) (string, error) {
	out, err := r.ns.Command("vtysh", "--vty_socket", r.dir, "-c", "show "+what).CombinedOutput()
	return string(out), err
}

// told prints what FRR knows, for a test that failed.
func (r *router) told() {
	for _, what := range []string{"ip route", "ip ospf neighbor", "ip ospf database external"} {
		out, err := r.show(what)
		r.t.Logf("%s: show %s (%v):\n%s", r.ns.Name(), what, err, out)
	}
}

// patience is how long FRR may take.
const patience = 60 * time.Second
