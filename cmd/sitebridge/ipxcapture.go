package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sitebridge/internal/pcapng"
	"sitebridge/ipx/port"
)

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
	out, end, err := e.openCapture(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, end()) }()
	w, err := pcapng.NewWriter(out, pcapng.Section{ // at once: Wireshark waits for it
		Comment: "IPX in its four Ethernet frame types" + l.filterText(), OS: "Linux", Application: "sitebridge " + version(),
		Interface: pcapng.Interface{LinkType: pcapng.Ethernet, Name: *l.name},
	})
	if err != nil {
		return 0, 0, err
	}
	var failed error
	lost, err = e.watch(*l.name, *l.limit, func() {}, func(s port.Sighting) bool {
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

// openCapture opens the file at path, or takes standard output for "-".
func (e *env) openCapture(path string) (out io.Writer, end func() error, err error) {
	if path == "-" {
		if f, isFile := e.stdout.(*os.File); isFile && isTerminal(f) {
			return nil, nil, errors.New("a capture is not for a terminal: write --pcapng FILE, or `| wireshark -k -i -` behind --pcapng -")
		}
		return e.stdout, func() error { return nil }, nil
	}
	// Passwords travel in clear in old logins, so it is nobody else's to read.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return file, file.Close, nil
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
