package survey

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/words"
)

// A Report is a survey for people and for scripts. Its lists are in order.
type Report struct {
	Packets    uint64            `json:"packets"`
	Octets     uint64            `json:"octets"`
	FrameTypes []FrameType       `json:"frame_types"` // those heard
	Routers    []Router          `json:"routers"`
	Servers    []Server          `json:"servers"`
	Stations   []Station         `json:"stations"`
	Broken     map[string]uint64 `json:"broken,omitempty"` // frames with no packet in them, by reason
	LeftOut    uint64            `json:"left_out"`         // times that a table was full
	// OnlyUs says that this machine alone was heard.
	OnlyUs bool `json:"only_us,omitempty"`
	// OnlyToAll says that nothing was for one station: the wire hides what stations
	// say to each other, as switches do.
	OnlyToAll bool     `json:"only_to_all"`
	Trouble   []string `json:"trouble"` // what contradicts what, in words
}

// A FrameType is one of the four that somebody else than this machine speaks, and the numbers that stations give its network.
type FrameType struct {
	Frame    ipx.Encapsulation `json:"frame"`
	Packets  uint64            `json:"packets"`
	Octets   uint64            `json:"octets"`
	Networks []Network         `json:"networks"`
}

// A Network is a number of the wire and who uses it.
type Network struct {
	Network  ipx.Network `json:"network"`
	Packets  uint64      `json:"packets"`
	Stations []ipx.Node  `json:"stations"`
}

// A Router is who answers or announces routes.
type Router struct {
	Frame    ipx.Encapsulation `json:"frame"`
	Node     ipx.Node          `json:"node"`
	Networks []ipx.Network     `json:"networks"` // that it leads to
}

// A Server is a service that was announced.
type Server struct {
	Type     sap.ServiceType   `json:"type"`
	TypeName string            `json:"type_name,omitempty"`
	Name     string            `json:"name"`
	Address  ipx.Addr          `json:"address"`
	Hops     uint16            `json:"hops"`
	Frame    ipx.Encapsulation `json:"frame"`
	By       ipx.Node          `json:"by"`
}

// A Station is an address that packets came from.
type Station struct {
	Frame   ipx.Encapsulation `json:"frame"`
	Network ipx.Network       `json:"network"`
	Node    ipx.Node          `json:"node"`
	By      []ipx.Node        `json:"by"` // Ethernet addresses that sent them: its own, or routers
	Packets uint64            `json:"packets"`
	Octets  uint64            `json:"octets"`
	Last    time.Time         `json:"last"`
	Own     bool              `json:"own,omitempty"` // this machine sent them all
}

// Here reports whether the station itself is on the wire, and no router spoke for
// it.
func (s Station) Here() bool { return slices.Contains(s.By, s.Node) }

// Report says what is known by now.
func (s *Survey) Report() Report {
	r := Report{
		Packets: s.packets, Octets: s.octets, Broken: maps.Clone(s.broken), LeftOut: s.leftOut,
		FrameTypes: s.frameTypes(), Routers: s.routerList(), Servers: s.servers(), Stations: s.stationList(),
		OnlyUs: s.packets > 0 && s.others == 0, OnlyToAll: s.others > 0 && !s.single,
	}
	r.Trouble = append([]string{}, s.trouble(&r)...) // [] in JSON
	return r
}

func (s *Survey) frameTypes() []FrameType {
	all := []FrameType{}
	for e, f := range s.frames {
		if f.packets == 0 {
			continue
		}
		t := FrameType{Frame: ipx.Encapsulation(e), Packets: f.packets, Octets: f.octets, Networks: []Network{}}
		for number, n := range f.networks {
			t.Networks = append(t.Networks, Network{number, n.packets, nodes(n.nodes)})
		}
		slices.SortFunc(t.Networks, func(a, b Network) int {
			return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Network, b.Network))
		})
		all = append(all, t)
	}
	return all
}

func compareNodes(a, b ipx.Node) int { return slices.Compare(a[:], b[:]) }

func nodes[V any](set map[ipx.Node]V) []ipx.Node {
	return slices.SortedFunc(maps.Keys(set), compareNodes)
}

func (s *Survey) routerList() []Router {
	all := []Router{}
	for k, r := range s.routers {
		all = append(all, Router{k.enc, k.mac, append([]ipx.Network{}, slices.Sorted(maps.Keys(r.networks))...)})
	}
	slices.SortFunc(all, func(a, b Router) int {
		return cmp.Or(cmp.Compare(a.Frame, b.Frame), compareNodes(a.Node, b.Node))
	})
	return all
}

func (s *Survey) servers() []Server {
	all := []Server{}
	for k, v := range s.services {
		all = append(all, Server{k.t, words.ServiceName(k.t), k.name, k.addr, v.hops, v.by.enc, v.by.mac})
	}
	slices.SortFunc(all, func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address.String(), b.Address.String()))
	})
	return all
}

func (s *Survey) stationList() []Station {
	all := []Station{}
	for k, st := range s.stations {
		all = append(all, Station{k.enc, k.network, k.node, nodes(st.macs), st.packets, st.octets, st.last, st.others == 0})
	}
	slices.SortFunc(all, func(a, b Station) int {
		return cmp.Or(cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Network, b.Network), compareNodes(a.Node, b.Node))
	})
	return all
}
