package words

import (
	"fmt"
	"maps"

	"sitebridge/ipx"
	"sitebridge/ipx/diag"
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

// ServiceNames returns what services of the known types are.
func ServiceNames() map[sap.ServiceType]string { return maps.Clone(serviceNames) }

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

func sayDiagnostics(h *ipx.Header, payload []byte) string {
	if h.Dst.Socket == ipx.SocketDiagnostics {
		r, err := diag.ParseRequest(payload)
		if err != nil {
			return broken("diagnostics request", payload)
		}
		return fmt.Sprintf("diagnostics request, %d nodes need not answer", len(r.Exclude))
	}
	r, err := diag.ParseResponse(payload)
	if err != nil {
		return broken("diagnostics response", payload)
	}
	return "diagnostics response: " + Diagnostics(r)
}

// Diagnostics says what a node tells of itself.
func Diagnostics(r diag.Response) string {
	text := fmt.Sprintf("version %d.%d", r.Major, r.Minor)
	for _, c := range r.Components {
		text += ", " + c.ID.String()
		if len(c.Networks) > 0 {
			text += " (" + list(len(c.Networks), func(i int) string { return c.Networks[i].Number.String() }) + ")"
		}
		if len(text) > mostDiagnostics {
			return text + "..."
		}
	}
	return text
}

// mostDiagnostics is the length of a line at which a list of components ends.
const mostDiagnostics = 400
