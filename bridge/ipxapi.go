package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
)

// IPXTables is what `sitebridge ipx routes`, `services` and `nodes` show.
type IPXTables struct {
	Routes   []router.RouteInfo   `json:"routes"`
	Services []router.ServiceInfo `json:"services"`
	Nodes    []IPXNode            `json:"nodes"`
}

// An IPXNode is a station that was heard.
type IPXNode struct {
	Network ipx.Network `json:"network"`
	Node    ipx.Node    `json:"node"`
	Via     string      `json:"via"` // the LAN and frame type, or the site
	Last    time.Time   `json:"last"`
}

func (d *Daemon) ipxTables() IPXTables {
	t := IPXTables{Routes: d.ipx.router.Routes(), Services: d.ipx.router.Services(), Nodes: []IPXNode{}} // [] in JSON
	for _, n := range d.ipx.router.Nodes() {
		t.Nodes = append(t.Nodes, IPXNode{n.Network, n.Node, n.Via, n.Last})
	}
	for _, c := range d.config().Segments {
		if seg := d.ipx.segment(c.Name); seg != nil { // else it is being exchanged
			for _, s := range seg.Stations() {
				t.Nodes = append(t.Nodes, nodeOf(s))
			}
		}
	}
	return t
}

func nodeOf(s segment.StationInfo) IPXNode { return IPXNode{s.Network, s.Node, s.Port, s.Last} }

// An IPXPong is the answer to one ping, or its absence.
type IPXPong struct {
	To        string        `json:"to"` // whom we asked: "00000020:000000000001"
	RoundTrip time.Duration `json:"round_trip_ns"`
	Hops      int           `json:"hops"` // routers that the answer crossed
	Error     string        `json:"error,omitempty"`
}

// pingWait is how long an answer may take.
const pingWait = 3 * time.Second

// pingIPX sends one ping to the query's address, of the query's size.
func (d *Daemon) pingIPX(w http.ResponseWriter, r *http.Request) {
	network, node, err := parseTarget(r.FormValue("to"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	size, err := strconv.Atoi(r.FormValue("size"))
	if err != nil || size < 0 || size > 1400 {
		refuse(w, http.StatusBadRequest, fmt.Errorf("size %q: want 0 to 1400 octets", r.FormValue("size")))
		return
	}
	kind := ping.Novell
	if r.FormValue("kind") == "cisco" {
		kind = ping.Cisco
	}
	ctx, cancel := context.WithTimeout(r.Context(), pingWait)
	defer cancel()
	pong := IPXPong{To: fmt.Sprintf("%v:%v", network, node)}
	pong.RoundTrip, pong.Hops, err = d.ipx.router.Ping(ctx, kind, network, node, size)
	held := ""
	if err != nil {
		held = heldHint(d.ipx.router.Routes(), network, time.Now())
	}
	switch {
	case held != "":
		pong.Error = held
	case errors.Is(err, context.DeadlineExceeded):
		pong.Error = fmt.Sprintf("no answer in %v%s", pingWait, nodeHint(d.ipx.router.Services(), network, node))
	case errors.Is(err, router.ErrNoRoute) && d.ipx.bridges(network):
		pong.Error = fmt.Sprintf("network %v is bridged here, so we have no address on it: ping from one of its stations", network)
	case errors.Is(err, router.ErrNoRoute):
		pong.Error = router.ErrNoRoute.Error()
	case err != nil:
		pong.Error = err.Error()
	}
	answer(w, pong)
}

// nodeHint says what may be wrong with a ping to the inside of a server.
func nodeHint(services []router.ServiceInfo, network ipx.Network, node ipx.Node) string {
	if node != ipx.ServerNode {
		return ""
	}
	for _, s := range services {
		if s.Addr.Network == network && s.Addr.Node == node {
			return fmt.Sprintf(": %s is known there, but some servers answer no ping", s.Name)
		}
	}
	return ": a LAN has no such node: ask NETWORK:MAC"
}

// heldHint says that a network is known only because its link was there a moment
// ago.
func heldHint(routes []router.RouteInfo, network ipx.Network, now time.Time) string {
	for _, r := range routes {
		if r.Network == network && !r.Held.IsZero() {
			return fmt.Sprintf("network %v is held for %v more, its link is lost", network, max(0, r.Held.Sub(now)).Round(time.Second))
		}
	}
	return ""
}

// parseTarget reads "00000020:020000001002", or a network alone for the router
// or server with an internal network, which is node 000000000001 there.
func parseTarget(s string) (ipx.Network, ipx.Node, error) {
	net, host, given := strings.Cut(s, ":")
	network, err := ipx.ParseNetwork(net)
	if err != nil {
		return 0, ipx.Node{}, err
	}
	if !given {
		return network, ipx.ServerNode, nil
	}
	node, err := ipx.ParseNode(host)
	return network, node, err
}
