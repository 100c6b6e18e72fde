package fastpath

import "sitebridge/internal/packet"

// A Sorter gathers the packets of one batch by where they go, so that a batch
// that arrives as one leaves with one call for each destination. It belongs to
// one goroutine; the zero Sorter is ready.
type Sorter[K comparable] struct {
	parcels []parcel[K]
	run     []*packet.Buffer
}

type parcel[K comparable] struct {
	to  K
	pkt *packet.Buffer // nil: gone
}

// Add notes that pkt goes to to. A packet for two destinations needs a copy:
// whoever sends it may write its headers in place.
func (s *Sorter[K]) Add(to K, pkt *packet.Buffer) {
	s.parcels = append(s.parcels, parcel[K]{to, pkt})
}

// Flush calls send once for each destination, in the order of their first
// packets, with the packets in the order in which they were added. It keeps
// none of them.
func (s *Sorter[K]) Flush(send func(to K, pkts []*packet.Buffer)) {
	for i := range s.parcels {
		if s.parcels[i].pkt == nil {
			continue
		}
		to := s.parcels[i].to
		s.run = s.run[:0]
		for j := i; j < len(s.parcels); j++ {
			if p := &s.parcels[j]; p.pkt != nil && p.to == to {
				s.run = append(s.run, p.pkt)
				p.pkt = nil
			}
		}
		send(to, s.run)
	}
	clear(s.run[:cap(s.run)])
	clear(s.parcels)
	s.parcels = s.parcels[:0]
}
