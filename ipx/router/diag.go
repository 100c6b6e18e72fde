package router

import (
	"math/rand/v2"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/diag"
)

// diagnosisWithin is the time over which the nodes of a network spread their
// answers to one broadcast.
const diagnosisWithin = 500 * time.Millisecond

// A diagnosis is an answer to diagnostics (socket 0456) that waits for its time.
type diagnosis struct {
	at      *Attached // where the question came from
	src     ipx.Addr  // whom it was put to
	dst     ipx.Addr
	payload []byte
	due     time.Time
}

// maxDiagnoses is how many answers may wait.
const maxDiagnoses = 256

// diagnostics answers a question what we are. Questions share the limit of pings.
func (o *owner) diagnostics(at *Attached, h *ipx.Header, payload []byte) drop {
	m, err := diag.ParseRequest(payload)
	src, ours := o.r.table.Load().asked(at, h.Dst)
	if err != nil || !ours || slices.Contains(m.Exclude, src.Node) {
		return dropIgnored
	}
	now := time.Now()
	if len(o.diagnoses) == maxDiagnoses {
		return dropQueueFull
	}
	o.diagnoses = append(o.diagnoses, &diagnosis{
		at: at, src: src, dst: h.Src, payload: o.r.table.Load().diagnosis().Append(nil),
		due: now.Add(rand.N(diagnosisWithin)),
	})
	return kept
}

// diagnose sends the answers that are due.
func (o *owner) diagnose(now time.Time) {
	o.diagnoses = slices.DeleteFunc(o.diagnoses, func(d *diagnosis) bool {
		if now.Before(d.due) {
			return false
		}
		if d.dst.Network == ipx.ThisNetwork { // by an unnumbered link
			d.at.sendFrom(d.src.Socket, d.dst, ipx.TypePEP, d.payload)
			return true
		}
		if err := o.r.send(ipx.Header{Type: ipx.TypePEP, Src: d.src, Dst: d.dst}, d.payload); err != nil {
			d.at.count.drop(dropNoRoute)
		}
		return true
	})
}

// nextDiagnosis is when an answer is due, next at the latest.
func (o *owner) nextDiagnosis(next time.Time) time.Time {
	for _, d := range o.diagnoses {
		next = earlier(next, d.due)
	}
	return next
}

// asked returns as whom we answer what was sent to dst: to one of our nodes, or
// to everybody on one of our networks.
func (t *table) asked(at *Attached, dst ipx.Addr) (ipx.Addr, bool) {
	if dst.Node != ipx.Broadcast {
		return dst, true
	}
	f := at.face.Load()
	if f == nil {
		return ipx.Addr{}, false
	}
	if way, known := t.find(dst.Network); known && way.direct {
		if f = way.face; f == nil { // inside the router
			return ipx.Addr{Network: t.internal, Node: ipx.ServerNode, Socket: dst.Socket}, true
		}
	}
	return ipx.Addr{Network: f.network, Node: f.node, Socket: dst.Socket}, true
}

// diagnosis says what we are: IPX, and a router on our numbered networks.
func (t *table) diagnosis() diag.Response {
	var nets []diag.Network
	for _, f := range t.faces {
		if f.network == ipx.ThisNetwork {
			continue
		}
		n := diag.Network{Type: diag.LAN, Number: f.network, Node: f.node}
		if f.kind != LAN {
			n.Type = diag.Redirected
		}
		nets = append(nets, n)
	}
	if t.internal != ipx.ThisNetwork {
		nets = append(nets, diag.Network{Type: diag.NonDedicated, Number: t.internal, Node: ipx.ServerNode})
	}
	return diag.Response{Major: 1, Components: []diag.Component{
		{ID: diag.IPXSPX}, {ID: diag.Router, Networks: nets[:min(len(nets), diag.MaxNetworks)]},
	}}
}
