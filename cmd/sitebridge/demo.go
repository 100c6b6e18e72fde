package main

import (
	"errors"
	"fmt"
	"os"

	"sitebridge/cmd/sitebridge/internal/demo"
	"sitebridge/internal/netlab"
)

// runDemo runs this program again in namespaces of its own, where the demo is
// root of a world without a way out, and which end with it.
func runDemo(e *env, args []string) int {
	if len(args) > 0 && args[0] == "ipx-host" {
		return runDemoHost(e, args[1:])
	}
	if len(args) > 0 {
		fmt.Fprintln(e.stderr, "usage: sitebridge demo")
		return exitUsage
	}
	if err := canOpenTUN(); err != nil {
		return e.fail(fmt.Errorf("demo: %w", err))
	}
	code, inside, err := netlab.Enter("SITEBRIDGE_DEMO")
	if err != nil {
		return e.fail(fmt.Errorf("demo: this system gives no user namespaces: %w: "+
			"allow them (sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0), or run the demo as root outside of a container", err))
	}
	if !inside {
		return code
	}
	err = demo.Run(e.ctx, e.stdout)
	if e.ctx.Err() != nil {
		fmt.Fprintln(e.stderr, "\nsitebridge demo: interrupted; nothing is left behind")
		return exitInterrupted
	}
	if err != nil {
		fmt.Fprintln(e.stderr, "\nsitebridge demo: it did not work:", err)
		return exitFailed
	}
	return exitOK
}

// canOpenTUN says before anything is started whether the demo's daemons will be
// able to make their interfaces.
func canOpenTUN() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: run the demo as root, or let everybody use that device, as Debian does (chmod 666 /dev/net/tun)", err)
	}
	return fmt.Errorf("%w: load the module (modprobe tun), or give the container that device", err)
}

// runDemoHost is an IPX host on a LAN of the demo: a process of its own.
func runDemoHost(e *env, args []string) int {
	if len(args) < 1 {
		return exitUsage
	}
	if err := demo.Host(e.ctx, e.stdout, args); err != nil {
		return e.fail(err)
	}
	return exitOK
}
