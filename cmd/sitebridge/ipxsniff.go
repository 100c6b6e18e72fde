package main

import (
	"fmt"

	"sitebridge/ipx/port"
	"sitebridge/ipx/words"
)

func runIPXSniff(e *env, args []string) int {
	l := e.look("ipx sniff", "-i INTERFACE [-c N] [--for TIME] [--socket SOCKET] [--network NETWORK] [--node NODE] [--frame TYPE]", 0)
	l.counted()
	if code, ok := l.parse(e, args); !ok {
		return code
	}
	n := 0
	lost, err := e.watch(*l.name, *l.limit, func() {}, func(s port.Sighting) bool {
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
