// Package words says in one line what an IPX packet is, for people who look at a
// wire. It knows the formats that matter on one, keeps no state, and takes no
// octet of a packet's for granted: every text from the wire is escaped.
package words

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"sitebridge/ipx"
)

// Quote shows a text from the wire so that it can neither steer a terminal nor
// look like ours.
func Quote(s string) string { return strconv.QuoteToASCII(s) }

// Packet says what a packet is, by its sockets first, since types are filled in
// differently.
func Packet(h *ipx.Header, payload []byte) string {
	for _, socket := range []ipx.Socket{h.Dst.Socket, h.Src.Socket} {
		if say := bySocket[socket]; say != nil {
			return say(h, payload)
		}
	}
	if say := byType[h.Type]; say != nil {
		return say(h, payload)
	}
	if text, ok := watchdog(h, payload); ok {
		return text
	}
	if name := socketNames[h.Dst.Socket]; name != "" {
		return name + ", " + octets(len(payload))
	}
	return octets(len(payload))
}

// A say says what a packet of one protocol is.
type say func(h *ipx.Header, payload []byte) string

var bySocket = map[ipx.Socket]say{
	ipx.SocketRIP:         sayRIP,
	ipx.SocketSAP:         saySAP,
	ipx.SocketNCP:         sayNCP,
	ipx.SocketPing:        sayPing,
	ipx.SocketCiscoPing:   sayEcho,
	ipx.SocketDiagnostics: sayDiagnostics,
	ipx.SocketNetBIOS:     sayNetBIOS,
	0x0551:                sayNames,
	0x0553:                sayNames,
	ipx.SocketSerial:      sayOther("NetWare serial number check"),
	ipx.SocketIPXWAN:      sayOther("IPXWAN"),
	ipx.SocketSNMP:        sayOther("SNMP"),
	ipx.SocketSNMPTrap:    sayOther("SNMP trap"),
	0x85BE:                sayOther("EIGRP"),
	0x9001:                sayOther("NLSP"),
}

var byType = map[ipx.PacketType]say{
	ipx.TypeSPX:        saySPX,
	ipx.TypeNCP:        sayNCP,
	ipx.TypeEcho:       sayOther("echo"),
	ipx.TypeError:      sayOther("error"),
	ipx.TypePropagated: sayNetBIOS,
}

var socketNames = map[ipx.Socket]string{
	0x0550: "Microsoft networking: server",
	0x0552: "Microsoft networking: redirector",
	0x0554: "Microsoft networking: messages",
	0x0555: "Microsoft networking: browser",
	0x869C: "id Software game (DOOM)",
	0xE885: "Microsoft RPC",
}

func sayOther(name string) say {
	return func(_ *ipx.Header, payload []byte) string { return name + ", " + octets(len(payload)) }
}

// Frame says why a frame holds no packet that can be shown.
func Frame(err error, n int) string {
	why := map[error]string{
		ipx.BadSource: "its Ethernet source is a group, or none",
		ipx.Truncated: "it ends before the IPX header does",
		ipx.Short:     "the IPX header gives a length shorter than itself",
		ipx.Overlong:  "the IPX header gives a length longer than the frame",
	}[err]
	if why == "" {
		why = err.Error()
	}
	return fmt.Sprintf("BROKEN frame of %s: %s", octets(n), why)
}

func octets(n int) string { return fmt.Sprintf("%d octets", n) }

// broken is what is said of a packet that ends before its protocol allows.
func broken(name string, payload []byte) string {
	return fmt.Sprintf("%s, cut short: %s", name, octets(len(payload)))
}

// listed is how many entries of a message are told one by one.
const listed = 4

// list joins the first of n texts.
func list(n int, text func(int) string) string {
	var all []string
	for i := range min(n, listed) {
		all = append(all, text(i))
	}
	if n > listed {
		all = append(all, fmt.Sprintf("%d more", n-listed))
	}
	return strings.Join(all, ", ")
}

// nul returns what stands before the first NUL or trailing space of a fixed
// field.
func nul(b []byte) string {
	name, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimRight(name, " ")
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
