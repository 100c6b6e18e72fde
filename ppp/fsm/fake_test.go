package fsm_test

import (
	"errors"

	"sitebridge/ppp/fsm"
)

// The options of the fake protocol.
const (
	optNumber = 1 // one octet; both ends must name the same one, the higher wins
	optFlag   = 2 // no data
	optMany   = 9 // may be repeated
	maxMany   = 100
)

// A fake is a small protocol whose ends agree on a number.
type fake struct {
	number   byte
	flag     bool
	own      byte // number after Reset
	stubborn bool // Naks any number that is not its own, and keeps its own

	log     []string
	upError error

	judgeError error
	final      bool // Judge was called with final
}

func newFake(number byte) *fake { return &fake{own: number} }

func (*fake) Name() string                { return "FAKE" }
func (*fake) Number() uint16              { return 0x80ff }
func (*fake) Repeatable(option byte) bool { return option == optMany }

func (f *fake) Reset() {
	f.log = append(f.log, "reset")
	f.number, f.flag = f.own, true
}

func (f *fake) Request() []fsm.Option {
	opts := []fsm.Option{{Type: optNumber, Data: []byte{f.number}}}
	if f.flag {
		opts = append(opts, fsm.Option{Type: optFlag})
	}
	return opts
}

func (f *fake) Judge(peer []fsm.Option, final bool) fsm.Verdict {
	f.final = final
	if f.judgeError != nil {
		return fsm.Verdict{Err: f.judgeError}
	}
	var naks, rejects []fsm.Option
	many := 0
	for _, o := range peer {
		switch {
		case o.Type == optNumber && len(o.Data) == 1:
			n := o.Data[0]
			if n < f.number || f.stubborn && n != f.number {
				naks = append(naks, fsm.Option{Type: optNumber, Data: []byte{f.number}})
			} else {
				f.number = n
			}
		case o.Type == optFlag && len(o.Data) == 0:
		case o.Type == optMany:
			if many++; many == maxMany+1 {
				rejects = append(rejects, o)
			}
		default:
			rejects = append(rejects, o)
		}
	}
	switch {
	case len(rejects) > 0:
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: rejects}
	case len(naks) > 0:
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: naks}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

func (f *fake) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		if o.Type == optNumber && len(o.Data) == 1 && !f.stubborn {
			f.number = max(f.number, o.Data[0])
		}
	}
	return nil
}

func (f *fake) Rejected(opts []fsm.Option) error {
	for _, o := range opts {
		if o.Type == optNumber {
			return errors.New("peer has no numbers")
		}
		f.flag = false
	}
	return nil
}

func (f *fake) Up() error {
	f.log = append(f.log, "up")
	return f.upError
}

func (f *fake) Down() { f.log = append(f.log, "down") }
