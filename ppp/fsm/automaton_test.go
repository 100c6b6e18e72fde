package fsm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rfc1661 is the table of RFC 1661, section 4.1 as it is printed there, with
// its marks: r, p and x are footnotes.
const rfc1661 = `
      |    0         1         2         3         4         5
 Up   |    2     irc,scr/6     -         -         -         -
 Down |    -         -         0       tls/1       0         1
 Open |  tls/1       1     irc,scr/6     3r        5r        5r
 Close|    0       tlf/0       2         2         4         4
  TO+ |    -         -         -         -       str/4     str/5
  TO- |    -         -         -         -       tlf/2     tlf/3
 RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
 RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
 RCA  |    -         -       sta/2     sta/3       4         5
 RCN  |    -         -       sta/2     sta/3       4         5
 RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
 RTA  |    -         -         2         3       tlf/2     tlf/3
 RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
 RXJ+ |    -         -         2         3         4         5
 RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
 RXR  |    -         -         2         3         4         5

      |    6         7         8           9
 Up   |    -         -         -           -
 Down |    1         1         1         tld/1
 Open |    6         7         8           9r
 Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
  TO+ |  scr/6     scr/6     scr/8         -
  TO- | tlf/3p    tlf/3p    tlf/3p         -
 RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
 RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
 RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
 RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
 RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
 RTA  |    6         6         8       tld,scr/6
 RUC  |  scj/6     scj/7     scj/8       scj/9
 RXJ+ |    6         6         8           9
 RXJ- |  tlf/3     tlf/3     tlf/3   tld,irc,str/5
 RXR  |    6         7         8         ser/9
`

// printed returns the RFC's cells by event name and state number.
func printed(t *testing.T) map[string]map[State]string {
	t.Helper()
	cells := make(map[string]map[State]string)
	var states []State
	for line := range strings.Lines(rfc1661) {
		event, row, found := strings.Cut(line, "|")
		if event = strings.TrimSpace(event); !found {
			continue
		}
		if event == "" {
			states = nil
			for _, f := range strings.Fields(row) {
				n, err := strconv.Atoi(f)
				if err != nil {
					t.Fatal(err)
				}
				states = append(states, State(n))
			}
			continue
		}
		fields := strings.Fields(row)
		if len(fields) != len(states) {
			t.Fatalf("%s: %d cells for %d states", event, len(fields), len(states))
		}
		if cells[event] == nil {
			cells[event] = make(map[State]string)
		}
		for i, s := range states {
			cells[event][s] = strings.TrimRight(fields[i], "rpx")
		}
	}
	return cells
}

// spelled writes what a step did in the RFC's way.
func spelled(do []Action, next State, ok bool) string {
	if !ok {
		return "-"
	}
	words := make([]string, len(do))
	for i, a := range do {
		words[i] = a.String()
	}
	if len(words) == 0 {
		return fmt.Sprint(uint8(next))
	}
	return fmt.Sprintf("%s/%d", strings.Join(words, ","), next)
}

// TestAttackP9Table: whatever comes, and in whatever state, is answered by the
// RFC's table: 16 events by 10 states.
func TestAttackP9Table(t *testing.T) {
	want := printed(t)
	checked := 0
	for ev := Up; ev <= RecvEcho; ev++ {
		for s := Initial; s <= Opened; s++ {
			a := Automaton{state: s}
			do, ok := a.Step(ev)
			got := spelled(do, a.State(), ok)
			if got != want[ev.String()][s] {
				t.Errorf("%v in %v = %q, RFC 1661 has %q", ev, s, got, want[ev.String()][s])
			}
			if !ok && a.State() != s {
				t.Errorf("%v in %v is no cell, and moved to %v", ev, s, a.State())
			}
			checked++
		}
	}
	if checked != 160 {
		t.Errorf("%d cells checked, want 160", checked)
	}
}

// TestTimerStates: the restart timer is started by scr, str and zrc only, so
// each way into a timed state from one that is not must hold one of them.
func TestTimerStates(t *testing.T) {
	starts := []Action{SendConfigureRequest, SendTerminateRequest, ZeroRestartCount}
	for ev := Up; ev <= RecvEcho; ev++ {
		for s := Initial; s <= Opened; s++ {
			a := Automaton{state: s}
			do, ok := a.Step(ev)
			if !ok || s.timed() || !a.State().timed() {
				continue
			}
			started := slices.ContainsFunc(do, func(a Action) bool { return slices.Contains(starts, a) })
			if !started {
				t.Errorf("%v in %v leads to %v without a timer", ev, s, a.State())
			}
		}
	}
}

func TestUnknownEventIsNoCell(t *testing.T) {
	var a Automaton
	if _, ok := a.Step(RecvEcho + 1); ok {
		t.Error("an event beyond the table was taken")
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Opened.String(), "Opened"},
		{State(10).String(), "state 10"},
		{RecvGoodRequest.String(), "RCR+"},
		{Event(99).String(), "event 99"},
		{SendConfigureNak.String(), "scn"},
		{Action(99).String(), "action 99"},
		{CodeReject.String(), "Code-Reject"},
		{Code(9).String(), "code 9"},
	} {
		if c.got != c.want {
			t.Errorf("String = %q, want %q", c.got, c.want)
		}
	}
}
