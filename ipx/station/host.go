package station

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// A Host is a Station in several frame types at once. It only asks: it answers
// no pings, since the machine that it runs on may have somebody who does.
type Host struct {
	port     port.Port
	stations []*Station // by frame type
}

// NewHost makes a host of an open port, in the frame types named, or in all four.
func NewHost(p port.Port, encs ...ipx.Encapsulation) *Host {
	if len(encs) == 0 {
		for e := range ipx.Encapsulation(ipx.Encapsulations) {
			encs = append(encs, e)
		}
	}
	h := &Host{port: p}
	for _, e := range encs {
		s := New(p, e)
		s.silent = true
		h.stations = append(h.stations, s)
	}
	return h
}

// Run receives until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	return runPort(ctx, h.port, func(f port.Frame) {
		for _, s := range h.stations {
			if s.enc == f.Encap {
				s.receive(f)
			}
		}
	})
}

// Networks returns the number of each frame type that is known by now: routers
// have used it in their answers, or stations to each other.
func (h *Host) Networks() map[ipx.Encapsulation]ipx.Network {
	known := map[ipx.Encapsulation]ipx.Network{}
	claims := h.port.Heard().Claims
	for _, s := range h.stations {
		if n := s.Addr().Network; n != ipx.ThisNetwork {
			known[s.enc] = n
		} else if i := slices.IndexFunc(claims, func(c port.Claim) bool { return c.Encap == s.enc }); i >= 0 {
			known[s.enc] = claims[i].Network
		}
	}
	return known
}

// Missed is how many answers were lost because they came too fast.
func (h *Host) Missed() (n uint64) {
	for _, s := range h.stations {
		s.mu.Lock()
		n += s.missed
		s.mu.Unlock()
	}
	return n
}

// Patience says how long answers are collected: for Least, and then until
// nothing new has come for Quiet, but not for longer than Most.
type Patience struct{ Least, Quiet, Most time.Duration }

// end returns when to stop.
func (p Patience) end(began, news time.Time) time.Time {
	end := began.Add(p.Least)
	if quiet := news.Add(p.Quiet); quiet.After(end) && !news.IsZero() {
		end = quiet
	}
	if most := began.Add(p.Most); most.Before(end) {
		return most
	}
	return end
}

// inboxLen is how many answers may wait: those of a router with 10 000 networks
// that does not pace them.
const inboxLen = 1024

// How often all are asked: the first packet may be lost, and a card may hold it
// back while it wakes up.
const (
	asks   = 3
	askGap = time.Second
)

// collect asks in all frame types and hands every answer to take, and what comes
// to the socket also, by which routers and servers tell everybody. take says
// whether there was news in it, and whether that is enough.
func (h *Host) collect(ctx context.Context, p Patience, questions []question, also ipx.Socket, take func(arrival) (news, enough bool)) error {
	in := make(chan arrival, inboxLen)
	sockets := make([]ipx.Socket, len(h.stations))
	for i, s := range h.stations {
		own, end := s.open(in, also)
		defer end()
		sockets[i] = own
	}
	began, news := time.Now(), time.Time{}
	if err := h.askAll(questions, sockets); err != nil {
		return err
	}
	gap := time.NewTicker(askGap)
	defer gap.Stop()
	for asked := 1; ; {
		over := time.NewTimer(time.Until(p.end(began, news)))
		select {
		case a := <-in:
			if found, enough := take(a); enough {
				return nil
			} else if found {
				news = time.Now()
			}
		case <-gap.C:
			if asked < asks && time.Since(news) > again { // nobody is answering just now
				asked++
				if err := h.askAll(questions, sockets); err != nil {
					return err
				}
			}
		case <-over.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		over.Stop()
	}
}

// askAll sends each question in each frame type.
func (h *Host) askAll(questions []question, sockets []ipx.Socket) error {
	for i, s := range h.stations {
		for _, q := range questions {
			q.head.Src = s.from(sockets[i])
			if err := s.send(q.head, q.payload, ipx.Broadcast); err != nil && !errors.Is(err, port.ErrDown) {
				return err
			}
		}
	}
	return nil
}

// A Teller is a router or server on our wire that told us something.
type Teller struct {
	Encapsulation ipx.Encapsulation
	Node          ipx.Node // its MAC address
}

func (a arrival) teller() Teller { return Teller{a.at.enc, a.mac} }

func (t Teller) compare(u Teller) int {
	return cmp.Or(cmp.Compare(t.Encapsulation, u.Encapsulation), slices.Compare(t.Node[:], u.Node[:]))
}

// A RouteReport is a route, and who told it.
type RouteReport struct {
	rip.Entry
	By Teller
}

// MaxReports bounds what is kept of a wire: what tells more makes it up.
const MaxReports = 16384

// Routes asks all routers for all routes, and returns what each of them told,
// by frame type, network and distance.
func (h *Host) Routes(ctx context.Context, p Patience) ([]RouteReport, error) {
	type key struct {
		by      Teller
		network ipx.Network
	}
	found := map[key]RouteReport{}
	err := h.collect(ctx, p, []question{askRoutes(ipx.AllNetworks)}, ipx.SocketRIP, func(a arrival) (news, _ bool) {
		if a.head.Src.Socket != ipx.SocketRIP {
			return false, false // no router
		}
		for _, e := range a.routes() {
			k := key{a.teller(), e.Network}
			_, known := found[k]
			switch {
			case !e.Usable():
			case e.Hops >= rip.Infinity:
				delete(found, k)
			case known || len(found) < MaxReports:
				found[k] = RouteReport{e, a.teller()}
				news = news || !known
			}
		}
		return news, false
	})
	all := make([]RouteReport, 0, len(found))
	for _, r := range found {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b RouteReport) int {
		return cmp.Or(cmp.Compare(a.By.Encapsulation, b.By.Encapsulation), cmp.Compare(a.Network, b.Network),
			cmp.Compare(a.Ticks, b.Ticks), cmp.Compare(a.Hops, b.Hops), a.By.compare(b.By))
	})
	return all, err
}

// A ServiceReport is a service, and the nearest that told of it.
type ServiceReport struct {
	sap.Service
	By Teller
}

// Services asks all servers and routers for the services of a type, and returns
// them by type and name. Some answer for one type but not for all, and some only
// Get Nearest Server, so that is asked too.
func (h *Host) Services(ctx context.Context, t sap.ServiceType, p Patience) ([]ServiceReport, error) {
	questions := []question{askServices(sap.OpRequest, t)}
	nearest := t
	if t == sap.AnyType {
		nearest = sap.FileServer
		questions = append(questions, askServices(sap.OpRequest, sap.FileServer), askServices(sap.OpRequest, sap.Directory))
	}
	questions = append(questions, askServices(sap.OpNearestRequest, nearest))
	found := map[serviceKey]ServiceReport{}
	err := h.collect(ctx, p, questions, ipx.SocketSAP, func(a arrival) (news, _ bool) {
		for _, s := range a.services(0) {
			news = s.Matches(t) && takeService(found, s, a.teller()) || news
		}
		return news, false
	})
	all := make([]ServiceReport, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b ServiceReport) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Addr.String(), b.Addr.String()))
	})
	return all, err
}

// A serviceKey has the address too: two servers of one name are worth a line
// each.
type serviceKey struct {
	t    sap.ServiceType
	name string
	addr ipx.Addr
}

// takeService notes a service, and reports whether it is a new one.
func takeService(found map[serviceKey]ServiceReport, s sap.Service, by Teller) (news bool) {
	k := serviceKey{s.Type, s.Name, s.Addr}
	old, known := found[k]
	switch {
	case s.Hops >= sap.Infinity:
		if known && old.By == by {
			delete(found, k)
		}
		return false
	case known && (old.Hops < s.Hops || old.Hops == s.Hops && old.By.compare(by) <= 0), !known && len(found) >= MaxReports:
		return false
	}
	found[k] = ServiceReport{s, by}
	return !known
}
