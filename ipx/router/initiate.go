package router

import (
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// A LAN that comes into use is asked for all its routes and services: a server
// that announces itself every two minutes is known at once. A LAN whose number
// is to be learned is asked again until somebody answers.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// An initiation is the asking of one LAN.
type initiation struct {
	due  time.Time // zero: now
	wait time.Duration
}

// nextRequest returns when the next LAN is to be asked, or last if none is
// before that.
func (r *Router) nextRequest(last time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.requests {
		last = earlier(last, i.due)
	}
	return last
}

// initiate asks the LANs whose turn it is.
func (o *owner) initiate(now time.Time) {
	for _, a := range o.r.dueRequests(now) {
		n := a.Network()
		dst := ipx.Addr{Network: n, Node: ipx.Broadcast, Socket: ipx.SocketRIP}
		a.sendFrom(ipx.SocketRIP, dst, ipx.TypeRIP, rip.Ask(ipx.AllNetworks).Append(nil))
		if n != ipx.ThisNetwork {
			dst.Socket = ipx.SocketSAP
			query := sap.Message{Operation: sap.OpRequest, Type: sap.AnyType}
			a.sendFrom(ipx.SocketSAP, dst, ipx.TypePEP, query.Append(nil))
		}
	}
}

// dueRequests returns the LANs to ask now. One that has its number is asked
// this once; one without again later, less and less often.
func (r *Router) dueRequests(now time.Time) (due []*Attached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attached {
		i := r.requests[a]
		if i == nil || now.Before(i.due) {
			continue
		}
		due = append(due, a)
		if a.network != ipx.ThisNetwork || !a.cfg.Learn {
			delete(r.requests, a)
			continue
		}
		i.wait = min(max(firstRetry, 2*i.wait), lastRetry)
		i.due = now.Add(i.wait)
	}
	return due
}
