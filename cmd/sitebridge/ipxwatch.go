package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sitebridge/internal/pcapng"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/survey"
	"sitebridge/ipx/words"
)

// A selection is which packets of a wire somebody wants to see.
type selection struct{ socket, network, node, frame *string }

func selectionFlags(f *flag.FlagSet) selection {
	return selection{
		socket:  f.String("socket", "", "only packets from or to this `socket`, hexadecimal: 0453"),
		network: f.String("network", "", "only packets from or to this `network`, hexadecimal"),
		node:    f.String("node", "", "only packets from or to this `node`, in IPX or Ethernet"),
		frame:   f.String("frame", "", "only this frame `type`: ethernet_ii, ethernet_802_3, ethernet_802_2 or ethernet_snap"),
	}
}

// A packet is one sighting, taken apart. err says why it cannot be.
type wirePacket struct {
	enc      ipx.Encapsulation
	dst, src ipx.Node // Ethernet
	head     ipx.Header
	payload  []byte
	err      error
}

func open(frame []byte) (p wirePacket) {
	var pkt []byte
	if p.enc, p.dst, p.src, pkt, p.err = ipx.Decapsulate(frame); p.err == nil {
		p.head, p.payload, p.err = ipx.Parse(pkt)
	}
	return p
}

// A test says whether a packet is wanted.
type test func(*wirePacket) bool

// compile makes tests of the flags that are given. A packet is wanted when it
// passes all; one that is broken passes only where nothing is asked of it.
func (s selection) compile() (tests []test, err error) {
	add := func(text string, make func() (test, error)) {
		if text == "" || err != nil {
			return
		}
		var t test
		if t, err = make(); err == nil {
			tests = append(tests, func(p *wirePacket) bool { return p.err == nil && t(p) })
		}
	}
	add(*s.socket, func() (test, error) {
		n, err := ipx.ParseSocket(*s.socket)
		return func(p *wirePacket) bool { return p.head.Dst.Socket == n || p.head.Src.Socket == n }, err
	})
	add(*s.network, func() (test, error) {
		n, err := ipx.ParseNetwork(*s.network)
		return func(p *wirePacket) bool { return p.head.Dst.Network == n || p.head.Src.Network == n }, err
	})
	add(*s.node, func() (test, error) {
		n, err := ipx.ParseNode(*s.node)
		return func(p *wirePacket) bool {
			return p.head.Dst.Node == n || p.head.Src.Node == n || p.dst == n || p.src == n
		}, err
	})
	add(*s.frame, func() (test, error) {
		n, err := parseFrame(*s.frame)
		return func(p *wirePacket) bool { return p.enc == n }, err
	})
	return tests, err
}

func wanted(tests []test, p *wirePacket) bool {
	return !slices.ContainsFunc(tests, func(t test) bool { return !t(p) })
}

// A look is what the commands that only look have in common.
type look struct {
	f     *flag.FlagSet
	name  *string
	limit *time.Duration
	count *int
	pick  selection
	tests []test
}

func (e *env) look(name, args string, limit time.Duration) *look {
	f := e.flags(name, args)
	return &look{
		f:     f,
		name:  f.String("i", "", "the `interface` to look at (needs CAP_NET_RAW)"),
		limit: f.Duration("for", limit, "end after this time; 0: when interrupted"),
		count: new(int),
	}
}

// counted adds the flags of commands that show packets one by one.
func (l *look) counted() {
	l.f.IntVar(l.count, "c", 0, "end after so many packets; 0: when interrupted")
	l.pick = selectionFlags(l.f)
}

// parse reads the command line.
func (l *look) parse(e *env, args []string) (code int, ok bool) {
	if _, code, ok := parse(l.f, args, 0); !ok {
		return code, false
	}
	if *l.name == "" {
		l.f.Usage()
		return exitUsage, false
	}
	if l.pick.socket != nil {
		var err error
		if l.tests, err = l.pick.compile(); err != nil {
			return e.misused(l.f, err), false
		}
	}
	if *l.count < 0 || *l.limit < 0 {
		return e.misused(l.f, errors.New("-c and --for want no negative number")), false
	}
	return exitOK, true
}

// silence is what to say when nothing was heard.
func (l *look) silence() error {
	if len(l.tests) > 0 {
		return fmt.Errorf("no such packet was heard on %s: without --socket, --network, --node and --frame all are shown", *l.name)
	}
	return fmt.Errorf("no IPX was heard on %s: servers and routers speak about every minute, so listen for two; is this the right interface, and is the wire plugged in where they are? "+
		"All four frame types were listened to; a switch or Wi-Fi shows only what is for all or for us, even to an interface in promiscuous mode", *l.name)
}

// end is the exit code of a look that saw n packets.
func (e *env) lookEnded(l *look, n int, lost uint64, err error) int {
	if lost > 0 {
		fmt.Fprintf(e.stderr, "sitebridge: %d frames came too fast and were not seen\n", lost)
	}
	switch {
	case err != nil:
		return e.fail(err)
	case n == 0:
		return e.fail(l.silence())
	}
	return exitOK
}

func runIPXSniff(e *env, args []string) int {
	l := e.look("ipx sniff", "-i INTERFACE [-c N] [--for TIME] [--socket SOCKET] [--network NETWORK] [--node NODE] [--frame TYPE]", 0)
	l.counted()
	if code, ok := l.parse(e, args); !ok {
		return code
	}
	n := 0
	lost, err := e.watch(*l.name, *l.limit, func(s port.Sighting) bool {
		p := open(s.Frame)
		if !wanted(l.tests, &p) {
			return false
		}
		n++
		fmt.Fprintln(e.stdout, sniffed(s, &p))
		return n == *l.count
	})
	return e.lookEnded(l, n, lost, err)
}

// sniffed is one packet in one line. Who put it on the wire is told where that is
// not who made it.
func sniffed(s port.Sighting, p *wirePacket) string {
	at := s.Time.Format("15:04:05.000000")
	if p.err != nil {
		return fmt.Sprintf("%s %s", at, words.Frame(p.err, len(s.Frame)))
	}
	by := ""
	if p.src != p.head.Src.Node {
		by = fmt.Sprintf(" by %v", p.src)
	}
	return fmt.Sprintf("%s %-14v %v%s > %v type %v hops %d: %s", at, p.enc, p.head.Src, by, p.head.Dst, p.head.Type, p.head.Hops, words.Packet(&p.head, p.payload))
}

func runIPXCapture(e *env, args []string) int {
	l := e.look("ipx capture", "-i INTERFACE --pcapng FILE|- [-c N] [--for TIME] [--socket SOCKET] [--network NETWORK] [--node NODE] [--frame TYPE]", 0)
	l.counted()
	path := l.f.String("pcapng", "", "the `file` to write, which Wireshark reads; - is standard output: `sitebridge ipx capture -i eth0 --pcapng - | wireshark -k -i -`")
	if code, ok := l.parse(e, args); !ok {
		return code
	}
	if *path == "" {
		l.f.Usage()
		return exitUsage
	}
	n, lost, err := capture(e, l, *path)
	if err == nil && *path != "-" {
		fmt.Fprintf(e.stderr, "%d packets written to %s\n", n, *path)
	}
	return e.lookEnded(l, n, lost, err)
}

// capture writes what passes to the file at path.
func capture(e *env, l *look, path string) (n int, lost uint64, err error) {
	var out io.Writer = e.stdout
	switch file, isFile := e.stdout.(*os.File); {
	case path == "-" && isFile && isTerminal(file):
		return 0, 0, errors.New("a capture is not for a terminal: write --pcapng FILE, or `| wireshark -k -i -` behind --pcapng -")
	case path != "-":
		// Passwords travel in clear in old logins, so it is nobody else's to read.
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	var w *pcapng.Writer
	var failed error
	begin := func() error {
		w, failed = pcapng.NewWriter(out, pcapng.Section{
			Comment: "IPX in its four Ethernet frame types" + l.filterText(), OS: "Linux", Application: "sitebridge " + version(),
			Interface: pcapng.Interface{LinkType: pcapng.Ethernet, Name: *l.name},
		})
		return failed
	}
	if err := begin(); err != nil { // at once: Wireshark waits for the header
		return 0, 0, err
	}
	lost, err = e.watch(*l.name, *l.limit, func(s port.Sighting) bool {
		p := open(s.Frame)
		if !wanted(l.tests, &p) {
			return false
		}
		n++
		failed = w.Packet(s.Time, direction(s), s.Frame)
		return failed != nil || n == *l.count
	})
	if err = errors.Join(err, failed); err == nil {
		err = w.Statistics(time.Now(), uint64(n)+lost, lost)
	}
	return n, lost, err
}

func direction(s port.Sighting) pcapng.Direction {
	if s.Own {
		return pcapng.Outbound
	}
	return pcapng.Inbound
}

// filterText says in the file what was left out of it.
func (l *look) filterText() string {
	var text []string
	l.f.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "socket", "network", "node", "frame":
			text = append(text, f.Name+" "+f.Value.String())
		}
	})
	if len(text) == 0 {
		return ""
	}
	return ", only " + strings.Join(text, ", ")
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 && f.Name() != os.DevNull
}

func runIPXListen(e *env, args []string) int {
	l := e.look("ipx listen", "-i INTERFACE [--for TIME] [--json]", time.Minute)
	asJSON := jsonFlag(l.f)
	if code, ok := l.parse(e, args); !ok {
		return code
	}
	how := "until interrupted"
	if *l.limit > 0 {
		how = fmt.Sprintf("for %v; Ctrl-C ends it", *l.limit)
	}
	fmt.Fprintf(e.stderr, "listening on %s %s\n", *l.name, how)
	s, began := survey.New(), time.Now()
	lost, err := e.watch(*l.name, *l.limit, func(x port.Sighting) bool {
		s.See(x.Time, x.Frame)
		return false
	})
	r := s.Report()
	switch {
	case err != nil:
	case *asJSON:
		if code := e.printJSON(r); code != exitOK {
			return code
		}
	case r.Packets > 0 || len(r.Broken) > 0:
		printSurvey(e, *l.name, &r, time.Since(began))
	}
	return e.lookEnded(l, int(r.Packets)+len(r.Broken), lost, err)
}

func printSurvey(e *env, name string, r *survey.Report, took time.Duration) {
	fmt.Fprintf(e.stdout, "%s, %v: %d IPX packets, %d octets\n\n", name, took.Round(time.Second), r.Packets, r.Octets)
	e.table(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "FRAME TYPE\tPACKETS\tOCTETS\tNETWORK")
		for _, t := range r.FrameTypes {
			fmt.Fprintf(w, "%v\t%d\t%d\t%s\n", t.Frame, t.Packets, t.Octets, numbers(t.Networks))
		}
	})
	if len(r.Routers) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printRouters(w, r.Routers) })
	}
	if len(r.Servers) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printServers(w, r.Servers) })
	}
	if len(r.Stations) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printStations(w, r) })
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Broken)) {
		fmt.Fprintf(e.stdout, "\nbroken frames, %s: %d", reason, r.Broken[reason])
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(e.stdout, "\nthere was more than a table holds: left out %d times", r.LeftOut)
	}
	if r.OnlyToAll {
		fmt.Fprint(e.stdout, "\nonly broadcasts were heard: a switch keeps what stations say to each other, so there may be more")
	}
	for _, t := range r.Trouble {
		fmt.Fprintf(e.stdout, "\nTROUBLE: %s", t)
	}
	fmt.Fprintln(e.stdout)
}

// numbers tells what stations call a network, most used first.
func numbers(networks []survey.Network) string {
	if len(networks) == 0 {
		return "no number heard"
	}
	var all []string
	for _, n := range networks {
		all = append(all, fmt.Sprintf("%v (%d stations)", n.Network, len(n.Stations)))
	}
	return strings.Join(all, ", ")
}

func printRouters(w *tabwriter.Writer, routers []survey.Router) {
	fmt.Fprintln(w, "ROUTER\tFRAME TYPE\tLEADS TO")
	for _, r := range routers {
		const most = 6
		var to []string
		for _, n := range r.Networks[:min(most, len(r.Networks))] {
			to = append(to, n.String())
		}
		if more := len(r.Networks) - most; more > 0 {
			to = append(to, fmt.Sprintf("%d more", more))
		}
		fmt.Fprintf(w, "%v\t%v\t%s\n", r.Node, r.Frame, strings.Join(to, ", "))
	}
}

func printStations(w *tabwriter.Writer, r *survey.Report) {
	servers := map[ipx.Addr]string{} // without sockets
	for _, s := range r.Servers {
		if at := (ipx.Addr{Network: s.Address.Network, Node: s.Address.Node}); servers[at] == "" || s.Type == sap.FileServer {
			servers[at] = "server " + escape(s.Name)
		}
	}
	fmt.Fprintln(w, "NETWORK\tSTATION\tFRAME TYPE\tPACKETS\tWHERE\tWHAT")
	for _, s := range r.Stations {
		where := "on this wire"
		if !s.Here() {
			where = fmt.Sprintf("by %v", s.By[0])
		}
		what := servers[ipx.Addr{Network: s.Network, Node: s.Node}]
		if slices.ContainsFunc(r.Routers, func(x survey.Router) bool { return x.Frame == s.Frame && x.Node == s.Node }) && s.Here() {
			what = strings.TrimPrefix(what+", router", ", ")
		}
		fmt.Fprintf(w, "%v\t%v\t%v\t%d\t%s\t%s\n", s.Network, s.Node, s.Frame, s.Packets, where, what)
	}
}
