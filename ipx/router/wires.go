package router

import (
	"slices"
	"time"

	"sitebridge/ipx"
)

// A WireInfo is what status shows of one attachment.
type WireInfo struct {
	Name     string      `json:"name"`
	Kind     Kind        `json:"kind"`
	Network  ipx.Network `json:"network"`
	Learned  bool        `json:"learned,omitempty"` // the number was found out
	Node     ipx.Node    `json:"node"`
	Ticks    uint16      `json:"ticks"`
	Exchange string      `json:"exchange"`
	// Neighbours announce routes or services there, by node.
	Neighbours []NeighbourInfo `json:"neighbours,omitempty"`
	Claims     []Claim         `json:"claims,omitempty"` // other numbers heard there
	Share      Share           `json:"share"`
	Stats      Stats           `json:"stats"`
}

// A NeighbourInfo is a router or server that announces something.
type NeighbourInfo struct {
	Node     ipx.Node  `json:"node"`
	Routes   int       `json:"routes"` // learned from it
	Services int       `json:"services"`
	Last     time.Time `json:"last"`
	// Period is how often it announces its routes, as far as we know.
	Period time.Duration `json:"period_ns,omitzero"`
}

// Wires lists the attachments in the order in which they were made.
func (r *Router) Wires() []WireInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]WireInfo, len(r.attached))
	for i, a := range r.attached {
		infos[i] = a.info()
	}
	return infos
}

// Info is what Wires has of one attachment.
func (a *Attached) Info() WireInfo {
	a.router.mu.Lock()
	defer a.router.mu.Unlock()
	return a.info()
}

// info is Info; r.mu is held.
func (a *Attached) info() WireInfo {
	return WireInfo{
		Name: a.cfg.Name, Kind: a.cfg.Kind, Node: a.node, Ticks: a.ticks, Exchange: a.exchangeName(),
		Network: a.network, Learned: a.cfg.Learn && a.network != a.cfg.Network,
		Neighbours: a.neighbourInfos(), Claims: a.claims.list(time.Now()), Share: a.share(), Stats: a.Stats(),
	}
}

func (a *Attached) neighbourInfos() (infos []NeighbourInfo) {
	for _, n := range a.neighbours {
		infos = append(infos, NeighbourInfo{
			Node: n.node, Routes: n.told[ofRoutes], Services: n.told[ofServices], Last: n.heard, Period: n.beat[ofRoutes].periods[0],
		})
	}
	slices.SortFunc(infos, func(x, y NeighbourInfo) int { return slices.Compare(x.Node[:], y.Node[:]) })
	return infos
}
