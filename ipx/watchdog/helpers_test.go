package watchdog

import (
	"bytes"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// Where the tests' server and client are, and the socket from which that server
// asks.
var (
	server = addr("5EA1:000000000001:0451")
	client = addr("B0B0:020000000C01:4003")
	asker  = addr("5EA1:000000000001:4010")
	start  = time.Date(1996, 3, 1, 8, 0, 0, 0, time.UTC)
)

const hold = time.Hour

func addr(s string) ipx.Addr {
	a, err := ipx.ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}

// A link is a table at one end of a link, with a clock.
type link struct {
	*testing.T
	*Table
	now time.Time
}

func newLink(t *testing.T, cfg Config) *link {
	return &link{t, New(cfg), start}
}

// wait lets time pass.
func (l *link) wait(d time.Duration) *link {
	l.now = l.now.Add(d)
	return l
}

const (
	out = true
	in  = false
)

// cross has a packet cross the link.
func (l *link) cross(out bool, typ ipx.PacketType, from, to ipx.Addr, data ...byte) {
	l.Observe(pkt(typ, from, to, data...), out, l.now)
}

func pkt(typ ipx.PacketType, from, to ipx.Addr, data ...byte) []byte {
	return ipx.AppendPacket(nil, ipx.Header{Hops: 1, Type: typ, Src: from, Dst: to}, data)
}

// request is one of a client beyond the link, and reply the server's.
func (l *link) request(c ipx.Addr, kind ncpKind, seq byte, conn uint16) {
	p := ncpHead{kind: kind, sequence: seq, conn: conn, task: 1}
	l.cross(in, ipx.TypeNCP, c, server, append(p.append(nil), 0x61, 4, 8)...)
}

func (l *link) reply(c ipx.Addr, seq byte, conn uint16, status byte) {
	p := ncpHead{kind: ncpReply, sequence: seq, conn: conn, task: 1, status: status}
	l.cross(out, ipx.TypeNCP, server, c, p.append(nil)...)
}

// login makes a connection and uses it once.
func (l *link) login(c ipx.Addr, conn uint16) {
	l.request(c, ncpCreate, 0, 0xFFFF)
	l.reply(c, 0, conn, 0)
	l.request(c, ncpRequest, 1, conn)
	l.reply(c, 1, conn, 0)
}

// crossWatchdog has the server ask while the link is up, and here the client answer.
func (l *link) crossWatchdog(c ipx.Addr, conn byte) {
	c.Socket++
	l.cross(out, ipx.TypeNCP, asker, c, conn, '?')
}

func (l *link) here(c ipx.Addr, conn byte) {
	c.Socket++
	l.cross(in, ipx.TypeNCP, c, asker, conn, 'Y')
}

// otherTraffic is something else that comes from the peer.
func (l *link) otherTraffic() {
	from := ipx.Addr{Network: 0x99, Node: ipx.Node{2, 5: 9}, Socket: ipx.SocketRIP}
	l.cross(false, ipx.TypeRIP, from, ipx.Addr{Node: ipx.Broadcast, Socket: ipx.SocketRIP}, 0, 2)
}

func (l *link) lose() { l.Lost(l.now) }

// ask has the server ask while the link is down, and reports whether it is
// answered.
func (l *link) ask(c ipx.Addr, conn byte) bool {
	l.Helper()
	return l.asks(ipx.TypeNCP, c, conn, '?')
}

// asks sends a server's two octets to a client's watchdog socket. If there is an
// answer it is the right one.
func (l *link) asks(typ ipx.PacketType, c ipx.Addr, data ...byte) bool {
	l.Helper()
	c.Socket++
	question := pkt(typ, asker, c, data...)
	reply := packet.Get()
	defer packet.Put(reply)
	reply.Set([]byte("as it was"))
	if !l.Answer(question, reply, l.now) {
		if string(reply.Bytes()) != "as it was" {
			l.Errorf("no answer, but it was written: %x", reply.Bytes())
		}
		return false
	}
	want := ipx.AppendPacket(nil, ipx.Header{Type: typ, Src: c, Dst: asker}, []byte{data[0], 'Y'})
	if !bytes.Equal(reply.Bytes(), want) {
		l.Errorf("answer %x, want %x", reply.Bytes(), want)
	}
	return true
}

// wantAnswer and wantNone ask, and fail the test otherwise.
func (l *link) wantAnswer(what string) {
	l.Helper()
	if !l.ask(client, 1) {
		l.Errorf("%s: not answered: %+v", what, l.Stats())
	}
}

func (l *link) wantNone(what string, reason *uint64) {
	l.Helper()
	*reason = 0
	if l.ask(client, 1) {
		l.Errorf("%s: answered", what)
	}
	if l.count.refused == [refusals]uint64{} || *reason != 1 {
		l.Errorf("%s: refused for another reason: %+v", what, l.Stats().Refused)
	}
}

// why is the counter of a reason.
func (l *link) why(r refusal) *uint64 { return &l.count.refused[r] }
