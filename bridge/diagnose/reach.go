package diagnose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/control"
)

// The upper part of the tree: from the site's state to the call.

func judgeSite(s Setup) Finding {
	switch {
	case s.State == "":
		return fault("start it: systemctl start sitebridge, or sitebridge run; what can be seen without it follows", "no daemon answers: %s", s.Reason)
	case s.Stopped:
		return fault("sitebridge up "+s.Site, "the site was stopped by its operator")
	case s.Up:
		return ok("up")
	case s.Pool:
		return ok("nobody calls just now")
	case s.Idle:
		return ok("idle: it dials when there is traffic for it")
	case s.Reason != "":
		return unknown("%s: %s", s.State, s.Reason)
	}
	return unknown("%s", s.State)
}

func judgeNames(all []Lookup) Finding {
	var good, bad []string
	for _, l := range all {
		switch {
		case l.Err != nil:
			bad = append(bad, fmt.Sprintf("%s: %s", l.Host, lookupWords(l.Err)))
		case len(l.Addrs) == 0:
			bad = append(bad, l.Host+": no IPv4 address")
		default:
			good = append(good, nameWords(l))
		}
	}
	const do = "is the name in `dial` right, and does this machine's resolver work (/etc/resolv.conf, `getent hosts NAME`)? An address in place of the name does without"
	switch {
	case len(good) == 0:
		return fault(do, "%s", strings.Join(bad, "; "))
	case len(bad) > 0:
		return warning(do, "%s; but %s", strings.Join(bad, "; "), strings.Join(good, "; "))
	}
	return ok("%s", strings.Join(good, "; "))
}

func nameWords(l Lookup) string {
	var addrs []string
	for _, a := range l.Addrs {
		addrs = append(addrs, a.Addr().String())
	}
	if len(addrs) == 1 && addrs[0] == l.Host {
		return l.Host + " needs no resolver"
	}
	return l.Host + " is " + strings.Join(addrs, ", ")
}

// lookupWords says what the resolver's error means.
func lookupWords(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return err.Error()
	case dns.IsNotFound:
		return "no such name"
	case dns.IsTimeout:
		return "no DNS server answered"
	}
	return dns.Err
}

func judgeWays(s Setup, all []Way) Finding {
	var findings []Finding
	for _, w := range all {
		findings = append(findings, judgeWay(s, w))
	}
	return someWork(findings, "no address to go to")
}

func judgeWay(s Setup, w Way) Finding {
	to := w.To.Addr()
	switch {
	case errors.Is(w.Err, unix.EACCES):
		return fault(fmt.Sprintf("`ip route get %v mark 0x5b1d` shows it: take the prohibit route or rule away", to), "a route or rule of this machine forbids packets to %v", to)
	case errors.Is(w.Err, unix.EINVAL):
		return fault("`ip route show table all` and `ip rule` show it: take the blackhole route or rule away", "a route or rule of this machine swallows packets to %v", to)
	case errors.Is(w.Err, unix.EADDRNOTAVAIL):
		return fault("write an address that `ip addr` lists in `source`", "the address in `source` is not this machine's")
	case errors.Is(w.Err, unix.ENODEV):
		return fault("correct `source`, or bring the interface up", "the interface that `source` names is not there")
	case w.Err != nil:
		return fault(fmt.Sprintf("is the uplink connected, and is there a default route? `ip route get %v`", to), "no route to %v: %s", to, plain(w.Err))
	case w.Tunnel != "":
		return fault("the rules that keep the tunnel's own packets out of it are missing: `ip rule`; a restart of the daemon makes them anew",
			"packets to %v would enter the tunnel of site %s", to, w.Tunnel)
	}
	words := fmt.Sprintf("%v by %s", to, w.Device)
	if w.Gateway.IsValid() {
		words += fmt.Sprintf(", router %v", w.Gateway)
	}
	if w.Source.IsValid() {
		words += fmt.Sprintf(", from %v", w.Source)
	}
	if s.Unmarked {
		words += " (asked without our mark: that needs CAP_NET_ADMIN)"
	}
	return ok("%s", words)
}

// someWork joins what was found for each of several addresses: one that works is
// enough, and others that do not are worth a warning.
func someWork(all []Finding, none string) Finding {
	var good, bad []Finding
	for _, f := range all {
		if f.Verdict == Fault {
			bad = append(bad, f)
		} else {
			good = append(good, f)
		}
	}
	switch {
	case len(all) == 0:
		return unknown("%s", none)
	case len(good) == 0:
		return worst(bad[0], bad[1:]...)
	case len(bad) == 0:
		return worst(good[0], good[1:]...)
	}
	f := worst(bad[0], bad[1:]...)
	return warning(f.Do, "%s; but %s", f.Words, worst(good[0], good[1:]...).Words)
}

func judgeTCP(all []Reach) Finding {
	var findings []Finding
	for _, r := range all {
		findings = append(findings, judgeOneTCP(r))
	}
	return someWork(findings, "no address to go to")
}

func judgeOneTCP(r Reach) Finding {
	host, port, err := r.To.Addr(), r.To.Port(), r.TCP
	switch {
	case err == nil && r.Before:
		return ok("%v: connected", r.To)
	case err == nil:
		return ok("%v answers in %v", r.To, round(r.Trip))
	case errors.Is(err, unix.ECONNREFUSED):
		return fault(fmt.Sprintf("does the peer's daemon run and listen (`ss -ltn` there), and is TCP %d forwarded to it by its router?", port),
			"%v refuses: the machine is there, and nothing listens on TCP %d, or a firewall rejects it", r.To, port)
	case errors.Is(err, unix.ECONNRESET):
		return fault("a firewall or a proxy on the way, or an allow-list at the peer, cuts the connection", "%v: the connection was reset at once", r.To)
	case errors.Is(err, unix.EHOSTUNREACH):
		return fault(fmt.Sprintf("is the address right, and the machine on? `ping %v`, `traceroute %v`", host, host), "%v: no route to host: the last router on the way, or our own wire, does not find it", r.To)
	case errors.Is(err, unix.ENETUNREACH):
		return fault(fmt.Sprintf("is the uplink connected? `ip route get %v`", host), "%v: network is unreachable", r.To)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fault("look at the firewall's output chain (`nft list ruleset`, `iptables -L OUTPUT`), and at routes of the type prohibit on the way", "%v: this machine or a router forbids it: %s", r.To, plain(err))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fault("write an address that `ip addr` lists in `source`", "the address in `source` is not this machine's")
	case errors.Is(err, unix.ENODEV):
		return fault("bring it up, or correct `source`", "the interface in `source` is not there")
	case timedOut(err):
		return fault(fmt.Sprintf("open TCP %d in the firewalls on the way and at the peer; is the machine on? `ping %v`", port, host),
			"%v: no answer: a firewall drops TCP %d, or the machine is off", r.To, port)
	}
	return fault("`journalctl -k` and the firewall's log may say more", "%v: %s", r.To, plain(err))
}

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.ETIMEDOUT) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// plain takes the wrapping of package net off an error, whose addresses its sentence
// names already.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys.Error()
	}
	return err.Error()
}

func judgeControl(all []Reach) Finding {
	var findings []Finding
	for _, r := range all {
		if r.TCP == nil {
			findings = append(findings, judgeOneControl(r))
		}
	}
	return someWork(findings, "no TCP connection")
}

func judgeOneControl(r Reach) Finding {
	var version versionError
	var start startError
	var malformed malformedError
	var unexpected unexpectedError
	err := r.Control
	switch {
	case err == nil && r.Before:
		return ok("%v: it answers; peer %s", r.To, r.Peer)
	case err == nil:
		return ok("%v: version 1.0, peer %s", r.To, r.Peer)
	case r.Before && timedOut(err):
		return fault("the tunnel will be given up and dialled again by itself; is the peer's daemon alive, and the line?", "%v: the control connection is there, and does not answer an echo", r.To)
	case r.Before:
		return fault("the tunnel will be given up and dialled again by itself", "%v: the control connection does not answer an echo: %s", r.To, err)
	case errors.As(err, &version):
		return fault("PPTP has one version, 1.0 (RFC 2637): is that a PPTP server, and up to date?", "%v: %s", r.To, err)
	case errors.As(err, &start) && start.Result == control.NotAuthorised:
		return fault("the peer has a list of addresses that may call: have ours put there", "%v: %s", r.To, err)
	case errors.As(err, &start) && start.Result == control.VersionNotSupported:
		return fault("PPTP has one version, 1.0 (RFC 2637): is that a PPTP server, and up to date?", "%v: %s", r.To, err)
	case errors.As(err, &start) && start.Result == control.ChannelExists:
		return fault("the peer takes one connection of each address: does another machine behind our NAT use it, or did the peer miss the end of the last one? It forgets that in a few minutes", "%v: %s", r.To, err)
	case errors.As(err, &start):
		return fault("the peer's log says more", "%v: %s", r.To, err)
	case errors.As(err, &malformed), errors.As(err, &unexpected):
		return fault("another program listens there: is the port in `dial` right, and forwarded to the right machine?", "%v: what answers does not speak PPTP: %s", r.To, err)
	case errors.Is(err, control.ErrPeerClosed), errors.Is(err, unix.ECONNRESET):
		return fault("does the peer allow our address, and is that a PPTP server?", "%v: TCP is accepted and closed at once", r.To)
	case timedOut(err):
		return fault("another program listens there, or a proxy or firewall that answers for everybody, or the peer's daemon hangs", "%v: TCP opens, and nothing answers in PPTP", r.To)
	}
	return fault("the peer's log says more", "%v: %s", r.To, err)
}

// heardLately is how long ago the last stranger may have called to be of interest.
const heardLately = time.Hour

// hardlyMore is how old a call is that gets no further by itself.
const hardlyMore = 5 * time.Second

// judgeWaiting judges a call that may be the site's.
func judgeWaiting(w WaitingCall) Finding {
	f := unknown("a call from %v has been there for %v, and its caller has not shown which site it is: %s", w.From, w.For.Round(time.Second), w.On)
	if w.For >= hardlyMore {
		f.Verdict = Fault
		f.Do = "if that is this site's peer, the next steps and the peer's log say what keeps it"
	}
	return f
}

func judgeCalls(s Setup, c Calls) Finding {
	at := strings.Join(c.Listen, ", ")
	switch {
	case s.Call:
		return ok("answering on %s", at)
	case len(c.Listen) == 0:
		return fault("write listen = [\"0.0.0.0:1723\"] in [daemon]", "no address is listened on")
	case c.Strangers > 0 && c.Last < heardLately:
		do := "does the peer prove itself by the name in auth.peer_name, by a method in auth.methods, with the right secret or certificate?"
		if c.GRE == 0 {
			do = "no packet of a call has come in at all: let IP protocol 47 and the UDP port (daemon.udp) pass in the firewalls on the way and here, and have a router before this machine forward them with TCP 1723"
		}
		f := fault(do, "%d calls ended before their caller had shown which site it is; the last from %v, %v ago: %s", c.Strangers, c.From, c.Last.Round(time.Second), c.Reason)
		if s.Pool {
			f.Verdict = Warning // some guess all the time, and nobody in particular is missed
		}
		return f
	case c.Waiting.From.IsValid() && !s.Pool:
		return judgeWaiting(c.Waiting)
	case s.Pool:
		return ok("answering on %s; %d callers now", at, s.Callers)
	case s.Dials:
		return ok("answering on %s, and nobody has called", at)
	case c.Requests == 0 && c.Malformed > 0:
		return fault("something knocks that does not speak PPTP: does the peer dial this address and port?", "%d connections to %s spoke no PPTP", c.Malformed, at)
	case c.Requests == 0:
		return fault("does the peer dial this machine's public address, does a router before it forward TCP 1723, the UDP port (daemon.udp) and IP protocol 47, and does the firewall here let them in? `tcpdump -ni any tcp port 1723 or udp port 4754 or ip proto 47` shows what arrives",
			"nobody has called on %s since the daemon started", at)
	case c.Calls == 0:
		return fault("the peer's log says why it goes no further", "%d control connections came to %s, and none asked for a call", c.Requests, at)
	}
	return unknown("answering on %s: %d calls so far, none of this site now", at, c.Calls)
}

func judgeCall(s Setup, a Attempt) Finding {
	var refused callError
	switch {
	case a.Call:
		return ok("%s", callWords(a))
	case errors.As(a.Err, &refused) && refused.Result == control.Busy:
		return fault("the peer has all the calls that it can take, or holds an old one of ours that it has not missed yet: wait some minutes, or end it there", "%s", a.Err)
	case errors.As(a.Err, &refused) && refused.Result == control.DoNotAccept:
		return fault("the peer's configuration does not take calls, or its daemon is just stopping: its log says more", "%s", a.Err)
	case errors.As(a.Err, &refused):
		return fault("the peer's log says more", "%s", a.Err)
	case a.Err != nil:
		return fault("the peer's log says more", "%s", a.Err)
	case s.Reason != "":
		return fault("the peer's log says more", "no call came about in %v: %s", a.For.Round(time.Second), s.Reason)
	}
	return fault("the peer's log says more", "no call came about in %v", a.For.Round(time.Second))
}

func callWords(a Attempt) string {
	who := "the peer called"
	if a.Dialed {
		who = "we called"
	}
	words := fmt.Sprintf("%v to %v, %s", a.Local, a.Peer, who)
	if !a.Live {
		words += "; it ended after " + a.For.Round(time.Second).String()
	}
	return words
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// private reports whether an address is none of the Internet's (RFC 1918, RFC 6598).
func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}
