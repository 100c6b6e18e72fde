// Package demo shows the main job on one machine: two sites with a LAN each,
// joined by a tunnel that is cut and heals. Everything is real but the wires.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/bridge/identity"
	"sitebridge/internal/netlab"
)

// limit is how long the whole demo may take.
const limit = 28 * time.Second

const topology = `
   host-a              site-a                 WAN                 site-b              host-b
  10.1.0.2 ---LAN--- 10.1.0.1  192.0.2.1 ============= 192.0.2.2  10.2.0.1 ---LAN--- 10.2.0.2
  IPX 802.2, network 00000010        PPTP: TCP 1723 and UDP        IPX Ethernet II, network 00000020
`

// A demo is one showing.
type demo struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	out    io.Writer
	began  time.Time
	dir    string
	lab    *netlab.Lab

	hostA, siteA, siteB, hostB *netlab.Namespace
	daemons                    []*daemon
}

// A daemon is one `sitebridge run`.
type daemon struct {
	*netlab.Cmd
	name  string
	ended chan error // gets the one end
}

// Run shows it, in namespaces that netlab.Enter has made. The error is the first
// thing that did not work.
func Run(ctx context.Context, out io.Writer) error {
	ctx, timeout := context.WithTimeoutCause(ctx, limit, errors.New("it took too long"))
	defer timeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &demo{ctx: ctx, cancel: cancel, out: out, began: time.Now()}
	err := d.show()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w (%v)", err, cause)
	}
	return err
}

// scratch is a file system in memory that only this mount namespace sees: a
// demo that is killed leaves no file.
func scratch() (string, error) {
	const dir = "/tmp"
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		return "", fmt.Errorf("mount a tmpfs for the demo's files: %w", err)
	}
	return dir, nil
}

func (d *demo) show() (err error) {
	if d.dir, err = scratch(); err != nil {
		return err
	}
	if d.lab, err = netlab.Start(); err != nil {
		return err
	}
	defer d.lab.Close()
	d.build()
	if err := d.lab.Err(); err != nil {
		return err
	}
	fmt.Fprint(d.out, topology, "\n")

	capture := d.siteA.Capture("wan", filepath.Join(d.dir, "wan.pcap"))
	if err := d.startDaemons(); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() (string, error)
	}{
		{"the branch dials, and the tunnel comes up", d.up},
		{"IP: host-a pings host-b through the tunnel", d.pingIP},
		{"IPX: host-a finds its way and pings host-b", d.pingIPX},
		{"the WAN is cut, and the sites notice", d.cut},
		{"the WAN heals, and the tunnel comes back by itself", d.heal},
		{"IP crosses again", d.pingIP},
		{"IPX crosses again", d.pingIPX},
	} {
		result, err := step.do()
		if err != nil {
			return fmt.Errorf("%s: %w%s", step.what, err, d.logs())
		}
		d.say("%-52s %s", step.what, result)
	}
	if _, err := capture.Stop(); err != nil {
		return err
	}
	seen, err := count(filepath.Join(d.dir, "wan.pcap"))
	if err != nil {
		return err
	}
	if seen.sealed == 0 || seen.clear != 0 {
		return fmt.Errorf("on the WAN there are %d encrypted frames, and %d of IP and IPX in clear", seen.sealed, seen.clear)
	}
	d.say("%-52s %d in %d frames, and none of IP or IPX in clear", "seen on the WAN: encrypted PPP (protocol 0x0053)", seen.sealed, seen.frames)
	if err := d.stopDaemons(); err != nil {
		return err
	}
	d.say("%-52s %s", "both daemons stop in order", "interfaces and routes are gone")
	fmt.Fprintf(d.out, "\nAll of it worked, in %.1f s. Nothing is left behind.\n", time.Since(d.began).Seconds())
	return nil
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%5.1f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// build lays the wires.
func (d *demo) build() {
	d.hostA, d.siteA = d.lab.Namespace("host-a"), d.lab.Namespace("site-a")
	d.siteB, d.hostB = d.lab.Namespace("site-b"), d.lab.Namespace("host-b")
	d.lab.Veth(d.hostA, "lan", d.siteA, "lan")
	d.lab.Veth(d.siteA, "wan", d.siteB, "wan")
	d.lab.Veth(d.hostB, "lan", d.siteB, "lan")
	d.siteA.Addr("wan", "192.0.2.1/30")
	d.siteB.Addr("wan", "192.0.2.2/30")
	d.siteA.Addr("lan", "10.1.0.1/24")
	d.siteB.Addr("lan", "10.2.0.1/24")
	d.hostA.Addr("lan", "10.1.0.2/24")
	d.hostB.Addr("lan", "10.2.0.2/24")
	d.hostA.Route("default", "10.1.0.1")
	d.hostB.Route("default", "10.2.0.1")
	d.siteA.Forward()
	d.siteB.Forward()
}

func (d *demo) startDaemons() error {
	a, err := d.identify(d.siteA)
	if err != nil {
		return err
	}
	b, err := d.identify(d.siteB)
	if err != nil {
		return err
	}
	for _, site := range []struct {
		ns     *netlab.Namespace
		config string
		peer   identity.Fingerprint
	}{{d.siteA, configA, b}, {d.siteB, configB, a}} {
		name := site.ns.Name()
		file := filepath.Join(d.dir, name+".toml")
		text := strings.NewReplacer("DIR", d.dir, "PEER", site.peer.String()).Replace(site.config)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		log, err := os.Create(filepath.Join(d.dir, name+".log"))
		if err != nil {
			return err
		}
		cmd := site.ns.Command("/proc/self/exe", "run", "--config", file)
		cmd.Stderr = log
		err = cmd.Start()
		log.Close()
		if err != nil {
			return fmt.Errorf("start the daemon of %s: %w", name, err)
		}
		one := &daemon{cmd, name, make(chan error, 1)}
		d.daemons = append(d.daemons, one)
		go func() {
			err := cmd.Wait()
			one.ended <- err
			d.cancel(fmt.Errorf("the daemon of %s ended", name))
		}()
	}
	return nil
}

// identify makes a site's certificate, and returns what its peer knows it by.
func (d *demo) identify(ns *netlab.Namespace) (identity.Fingerprint, error) {
	own, err := identity.SelfSigned(ns.Name(), time.Now(), time.Hour)
	if err != nil {
		return identity.Fingerprint{}, err
	}
	file := filepath.Join(d.dir, ns.Name())
	if err := os.WriteFile(file+".pem", own.Certificate(), 0o644); err != nil {
		return identity.Fingerprint{}, err
	}
	return identity.Of(own.Leaf()), os.WriteFile(file+".key", own.Key(), 0o600)
}

// stopDaemons stops both, and looks whether each has undone what it did.
func (d *demo) stopDaemons() error {
	for _, one := range d.daemons {
		if err := one.Process.Signal(unix.SIGTERM); err != nil {
			return err
		}
	}
	for _, one := range d.daemons {
		if err := <-one.ended; err != nil {
			return fmt.Errorf("the daemon of %s: %w%s", one.name, err, d.logs())
		}
	}
	for _, ns := range []*netlab.Namespace{d.siteA, d.siteB} {
		if left, err := leftovers(ns); err != nil || left != "" {
			return errors.Join(err, fmt.Errorf("%s keeps %s", ns.Name(), left))
		}
	}
	return nil
}

// status asks a daemon how its only site stands.
func (d *demo) status(ns *netlab.Namespace) (s bridge.SiteStatus, err error) {
	var all bridge.Status
	ctx, cancel := context.WithTimeout(d.ctx, 2*time.Second)
	defer cancel()
	if err := (bridge.Client{Socket: filepath.Join(d.dir, ns.Name()+".sock")}).Get(ctx, "/v1/status", &all); err != nil {
		return s, err
	}
	if len(all.Sites) != 1 {
		return s, fmt.Errorf("%d sites", len(all.Sites))
	}
	return all.Sites[0], nil
}

// await waits until a site at each end stands as wanted.
func (d *demo) await(want func(bridge.SiteStatus) bool) (a bridge.SiteStatus, err error) {
	for {
		a, errA := d.status(d.siteA)
		b, errB := d.status(d.siteB)
		if errA == nil && errB == nil && want(a) && want(b) {
			return a, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-d.ctx.Done():
			return a, errors.Join(errA, errB, fmt.Errorf("the sites are %q (%s) and %q (%s)", a.State, a.Reason, b.State, b.Reason))
		}
	}
}

// logs returns the end of both daemons' logs, for a failure.
func (d *demo) logs() string {
	var all strings.Builder
	for _, ns := range []*netlab.Namespace{d.siteA, d.siteB} {
		b, err := os.ReadFile(filepath.Join(d.dir, ns.Name()+".log"))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		fmt.Fprintf(&all, "\n%s:\n  %s", ns.Name(), strings.Join(lines[max(0, len(lines)-12):], "\n  "))
	}
	return all.String()
}
