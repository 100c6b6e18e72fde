package gre

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
)

// A crowdedCarrier says how full its queue is.
type crowdedCarrier struct {
	Carrier
	is Crowd
}

func (c *crowdedCarrier) Crowd() Crowd { return c.is }

// When the reader is far behind, data is dropped, every other batch of it or all, and what
// keeps the link up is not. No number is missed, and nothing is held back for the gap.
func TestAttackG11DataMakesRoom(t *testing.T) {
	for name, c := range map[string]struct {
		is   Crowd
		data int // of eight batches
	}{"roomy": {Roomy, 8}, "crowded": {Crowded, 4}, "jammed": {Jammed, 0}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a, b := dial(t, ChannelConfig{}, ChannelConfig{})
				mustSend(t, a, numbered(0, 1))
				wantFrames(t, b, numbers(0, 1))
				l := &loop{mux: b.mux, carrier: &crowdedCarrier{is: c.is}}
				const control, data = 0xc0210901, 0x00210000
				for i := range uint32(8) {
					var in []Datagram
					for j, word := range []uint32{data | i, control, data | i} {
						h := Header{PayloadLen: 4, CallID: b.ID(), HasSeq: true, Seq: 1 + 3*i + uint32(j)}
						in = append(in, Datagram{Path{Remote: a.carrier.Addr()}, buffer(encode(h, binary.BigEndian.AppendUint32(nil, word)))})
					}
					l.dispatch(in, b.mux.epoch)
				}
				synctest.Wait()
				controls, datas := 0, 0
				for _, word := range b.inbox.take() {
					if word == control {
						controls++
					} else {
						datas++
					}
				}
				s := b.Stats()
				if controls != 8 || datas != 2*c.data || s.Drops.Overload != uint64(16-datas) || s.Lost+s.Held+s.Drops.ShortFrame != 0 {
					t.Errorf("%d control packets and %d others passed, %+v", controls, datas, s)
				}
			})
		})
	}
}

func TestWhatIsData(t *testing.T) {
	for _, c := range []struct {
		frame string
		data  bool
	}{
		{"ff03 0021 45", true}, {"0021 45", true}, {"21 45", true}, {"ff03 21 45", true},
		{"ff03 0053 00", true}, {"fd 9000", true}, {"002b ff", true},
		{"ff03 c021 09", false}, {"c021 09", false}, {"8021 01", false}, {"ff03 8053 01", false}, {"c223 01", false}, {"", false}, {"ff03", false},
	} {
		if got := isData(unhex(c.frame)); got != c.data {
			t.Errorf("%s: %v", c.frame, got)
		}
	}
}

// Numbers that a long loss skips are lost; a peer that counts anew has lost none.
func TestWindowCountsALongLoss(t *testing.T) {
	for ahead, want := range map[int]uint64{9000: 9001, newBeginning + 1000: 0} {
		w := newWindowTest(8, 0)
		w.accept(0, 1)
		w.accept(ahead, ahead+1, ahead+2, ahead+3)
		if w.tally.lost != want || w.tally.resyncs != 1 {
			t.Errorf("%d ahead: %+v, want %d lost", ahead, w.tally, want)
		}
	}
}
