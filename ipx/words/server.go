package words

import (
	"fmt"
	"strings"

	"sitebridge/ipx"
)

// watchdog says what a packet of two octets is by which a server asks whether a
// client still lives: connection number and a sign. It is to the client's NCP
// socket + 1.
func watchdog(h *ipx.Header, payload []byte) (string, bool) {
	if len(payload) != 2 || h.Type != ipx.TypeNCP && h.Type != ipx.TypePEP && h.Type != ipx.TypeUnknown {
		return "", false
	}
	what := map[byte]string{
		'?': "watchdog: is connection %d still there?",
		'Y': "watchdog: connection %d is still there",
		'!': "a message waits for connection %d",
		'@': "a message waits for connection %d (SFT III)",
	}[payload[1]]
	if what == "" {
		return "", false
	}
	return fmt.Sprintf(what, payload[0]), true
}

// ncpFunctions are those that one sees most, in words.
var ncpFunctions = map[byte]string{
	0x12: "get volume information", 0x14: "get server's time", 0x15: "messages", 0x16: "directory services", 0x17: "bindery and login",
	0x18: "end of job", 0x19: "logout", 0x1A: "lock octets", 0x1E: "unlock octets", 0x20: "semaphores", 0x21: "negotiate buffer size",
	0x22: "transactions", 0x3B: "commit file", 0x3E: "search initialise", 0x3F: "search continue", 0x40: "search", 0x41: "open file",
	0x42: "close file", 0x43: "create file", 0x44: "erase file", 0x45: "rename file", 0x47: "get file size", 0x48: "read file",
	0x49: "write file", 0x4A: "copy from file to file", 0x4C: "open file", 0x4D: "create file", 0x4F: "set attributes",
	0x57: "files, long names", 0x59: "files, extended", 0x5A: "data migration", 0x5B: "authenticate", 0x61: "negotiate packet size",
	0x65: "packet burst connection", 0x68: "directory (NDS)", 0x72: "time synchronisation", 0x7B: "server statistics",
}

func sayNCP(h *ipx.Header, payload []byte) string {
	if text, ok := watchdog(h, payload); ok {
		return text
	}
	if len(payload) < 6 {
		return broken("NCP", payload)
	}
	connection := int(payload[3]) | int(payload[5])<<8
	switch kind := u16(payload); kind {
	case 0x1111:
		return "NCP: open a connection"
	case 0x2222:
		if len(payload) < 7 {
			return broken("NCP request", payload)
		}
		return fmt.Sprintf("NCP request %d on connection %d: %s", payload[2], connection, ncpFunction(payload[6]))
	case 0x3333:
		if len(payload) < 8 {
			return broken("NCP reply", payload)
		}
		return fmt.Sprintf("NCP reply %d on connection %d: %s%s", payload[2], connection, completion(payload[6]), connectionStatus(payload[7]))
	case 0x5555:
		return fmt.Sprintf("NCP: close connection %d", connection)
	case 0x7777:
		return "NCP packet burst, " + octets(len(payload))
	case 0x9999:
		return fmt.Sprintf("NCP: request %d on connection %d is being worked on", payload[2], connection)
	case 0xBBBB:
		return fmt.Sprintf("NCP: broadcast to connection %d", connection)
	case 0x4C69:
		return "NCP: packet size test, " + octets(len(payload))
	default:
		return fmt.Sprintf("NCP type %04X, %s", kind, octets(len(payload)))
	}
}

func ncpFunction(f byte) string {
	if name := ncpFunctions[f]; name != "" {
		return fmt.Sprintf("%s (%02X)", name, f)
	}
	return fmt.Sprintf("function %02X", f)
}

func completion(code byte) string {
	if code == 0 {
		return "done"
	}
	return fmt.Sprintf("refused, code %02X", code)
}

// connectionStatus is a set of bits; that of a server going down is worth words.
func connectionStatus(s byte) string {
	switch {
	case s&0x10 != 0:
		return ", the server is going down"
	case s&0x01 != 0:
		return ", the connection is closed"
	case s&0x04 != 0:
		return ", the server has no connection left"
	}
	return ""
}

const spxHeader = 12

func saySPX(_ *ipx.Header, payload []byte) string {
	if len(payload) < spxHeader {
		return broken("SPX", payload)
	}
	control, stream := payload[0], payload[1]
	src, dst := u16(payload[2:]), u16(payload[4:])
	data := len(payload) - spxHeader
	what := fmt.Sprintf("data, %s", octets(data))
	switch {
	case stream == 0xFE:
		what = "close the connection"
	case stream == 0xFF:
		what = "the connection is closed"
	case dst == 0xFFFF:
		what = "open a connection"
	case control&0xC0 == 0xC0 && data == 0:
		what = "watchdog: still there?"
	case control&0x80 != 0:
		what = "acknowledgement"
	}
	return fmt.Sprintf("SPX %04X to %04X, sequence %d, acknowledges %d, takes up to %d: %s", src, dst, u16(payload[6:]), u16(payload[8:]), u16(payload[10:]), what)
}

// slots is the list of networks at the start of a propagated broadcast.
const slots = 8 * 4

// crossed tells the networks that a propagated broadcast has been through.
func crossed(h *ipx.Header, payload []byte) string {
	if h.Hops == 0 || len(payload) < slots {
		return ""
	}
	var nets []string
	for i := range min(int(h.Hops), 8) {
		nets = append(nets, fmt.Sprintf("%08X", payload[4*i:4*i+4]))
	}
	return ", came by " + strings.Join(nets, ", ")
}

var netBIOSTypes = []string{
	1: "find name", 2: "name recognised", 3: "check name", 4: "name in use", 5: "deregister name", 6: "session data", 7: "session end",
	8: "session end acknowledged", 9: "status query", 10: "status response", 11: "directed datagram",
}

// sayNetBIOS: as a broadcast to all networks, 32 octets of networks, flags, type,
// name; else two octets of control and type in front.
func sayNetBIOS(h *ipx.Header, payload []byte) string {
	broadcast := h.Type == ipx.TypePropagated
	if h.Dst.Socket != ipx.SocketNetBIOS && h.Src.Socket != ipx.SocketNetBIOS {
		return fmt.Sprintf("broadcast to all networks, %s%s", octets(len(payload)), crossed(h, payload))
	}
	b := payload
	if broadcast {
		b = payload[min(slots, len(payload)):]
	}
	if len(b) < 2 {
		return broken("NetBIOS", payload)
	}
	text := fmt.Sprintf("NetBIOS type %d", b[1])
	if int(b[1]) < len(netBIOSTypes) && netBIOSTypes[b[1]] != "" {
		text = "NetBIOS " + netBIOSTypes[b[1]]
	}
	if broadcast && len(b) >= 18 {
		text += " " + Quote(netBIOSName(b[2:18]))
	}
	return text + crossed(h, payload)
}

// netBIOSName shows the sixteenth octet as people quote it: FILESRV<20>.
func netBIOSName(b []byte) string { return fmt.Sprintf("%s<%02X>", nul(b[:15]), b[15]) }

var nameOperations = map[byte]string{
	0xF1: "claim name", 0xF2: "delete name", 0xF3: "query name", 0xF4: "name found", 0xF5: "messenger hangs up",
	0xFC: "write to mailslot", 0xFD: "find mailslot", 0xFE: "mailslot found",
}

// sayNames is Microsoft's name management over IPX (NMPI): networks, operation,
// type of name, identifier, name asked for, name of who asks.
func sayNames(h *ipx.Header, payload []byte) string {
	b := payload[min(slots, len(payload)):]
	if len(b) < 36 {
		return broken("Microsoft names", payload)
	}
	what := nameOperations[b[0]]
	if what == "" {
		what = fmt.Sprintf("operation %02X", b[0])
	}
	return fmt.Sprintf("Microsoft names: %s %s, from %s%s", what, Quote(netBIOSName(b[4:20])), Quote(netBIOSName(b[20:36])), crossed(h, payload))
}
