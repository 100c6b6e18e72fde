package words

import (
	"fmt"

	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

func sayRIP(_ *ipx.Header, payload []byte) string {
	m, err := rip.Parse(payload)
	switch {
	case err != nil:
		return broken("RIP", payload)
	case m.Operation == rip.OpRequest:
		return "RIP request: " + list(len(m.Entries), func(i int) string {
			if m.Entries[i].Network == ipx.AllNetworks {
				return "all networks"
			}
			return m.Entries[i].Network.String()
		})
	case m.Operation != rip.OpResponse:
		return fmt.Sprintf("RIP %v, %s", m.Operation, octets(len(payload)))
	}
	return "RIP response: " + list(len(m.Entries), func(i int) string {
		e := m.Entries[i]
		if e.Hops >= rip.Infinity {
			return fmt.Sprintf("%v DOWN", e.Network)
		}
		return fmt.Sprintf("%v hops %d ticks %d", e.Network, e.Hops, e.Ticks)
	})
}

func saySAP(_ *ipx.Header, payload []byte) string {
	m, err := sap.Parse(payload)
	switch {
	case err == sap.ErrOperation:
		return fmt.Sprintf("SAP operation %d, %s", u16(payload), octets(len(payload)))
	case err != nil:
		return broken("SAP", payload)
	case m.Operation == sap.OpRequest || m.Operation == sap.OpNearestRequest:
		if m.Type == sap.AnyType {
			return fmt.Sprintf("SAP %v: all services", m.Operation)
		}
		return fmt.Sprintf("SAP %v: %s", m.Operation, Service(m.Type))
	}
	return fmt.Sprintf("SAP %v: ", m.Operation) + list(len(m.Services), func(i int) string {
		s := m.Services[i]
		text := fmt.Sprintf("%s %s at %v", Service(s.Type), Quote(s.Name), s.Addr)
		if s.Hops >= sap.Infinity {
			return text + " DOWN"
		}
		return fmt.Sprintf("%s hops %d", text, s.Hops)
	})
}

// serviceNames are the well-known types of Novell's list.
var serviceNames = map[sap.ServiceType]string{
	0x0001: "user",
	0x0002: "user group",
	0x0003: "print queue",
	0x0004: "file server",
	0x0005: "job server",
	0x0006: "gateway",
	0x0007: "print server",
	0x0009: "archive server",
	0x0024: "remote bridge or router",
	0x0027: "TCP/IP gateway",
	0x0047: "advertising print server",
	0x0107: "remote console",
	0x023F: "SMS testing and development",
	0x026B: "time synchronisation",
	0x0278: "directory tree",
	0x027B: "management agent",
	0x030C: "HP print server",
	0x044C: "backup (ARCserve)",
	0x0640: "Microsoft NT server or gateway",
}

// ServiceName returns what services of a type are, or "".
func ServiceName(t sap.ServiceType) string { return serviceNames[t] }

// Service returns the type, and what it means where that is known.
func Service(t sap.ServiceType) string {
	if name := serviceNames[t]; name != "" {
		return fmt.Sprintf("%v (%s)", t, name)
	}
	return t.String()
}

func sayPing(_ *ipx.Header, payload []byte) string {
	id, ok := ping.ID(payload)
	switch {
	case !ok || string(payload[:4]) != "Ping":
		return "ping socket, but no ping: " + octets(len(payload))
	case ping.IsReply(payload):
		return fmt.Sprintf("ping reply %d, %s of data", id, octets(len(payload)-ping.HeaderLen))
	}
	return fmt.Sprintf("ping request %d, %s of data", id, octets(len(payload)-ping.HeaderLen))
}

func sayEcho(_ *ipx.Header, payload []byte) string {
	return "ping as Cisco's routers do it, " + octets(len(payload))
}

// components are those of a diagnostic response (ipx.md, section 10).
var components = map[byte]string{
	0: "IPX/SPX", 1: "router driver", 2: "LAN driver", 3: "shell", 4: "VAP shell",
	5: "router", 6: "file server and router", 9: "DOS application",
}

func sayDiagnostics(h *ipx.Header, payload []byte) string {
	if h.Dst.Socket == ipx.SocketDiagnostics {
		if len(payload) < 1 {
			return broken("diagnostics request", payload)
		}
		return fmt.Sprintf("diagnostics request, %d nodes need not answer", payload[0])
	}
	if len(payload) < 5 {
		return broken("diagnostics response", payload)
	}
	text := fmt.Sprintf("diagnostics response, version %d.%d, SPX socket %04X, %d components", payload[0], payload[1], u16(payload[2:]), payload[4])
	return text + componentList(payload[5:], int(payload[4]))
}

// componentList names components up to the first that is unknown: how long it is
// nobody can say then.
func componentList(b []byte, n int) string {
	text, sep := "", ": "
	for i := 0; i < n && i < 16 && len(b) > 0; i++ {
		name := components[b[0]]
		if name == "" {
			break
		}
		text, sep = text+sep+name, ", "
		skip := 1
		if b[0] == 5 || b[0] == 6 {
			if len(b) < 2 {
				break
			}
			skip = 2 + int(b[1])*11
		}
		b = b[min(skip, len(b)):]
	}
	return text
}
