package bench

import (
	"math/rand/v2"
	"time"
)

// A sample is the round trips of a way, turn by turn.
type sample struct {
	took []time.Duration
}

// add adds a turn, less what base is.
func (s *sample) add(turn []time.Duration, base time.Duration) {
	for _, d := range turn {
		s.took = append(s.took, d-base)
	}
}

// How far a quantile can be trusted is seen by drawing anew from what was measured
// (bootstrap): so often, in blocks of so many turns on end, since bad moments of the
// machine last, and the same ones for all ways.
const (
	draws      = 200
	blockTurns = 10
)

// draw returns draws from that many turns: each the first turns of blocks, as many as
// there are.
func draw(turns int) [][]int {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]int, draws)
	for i := range all {
		for range (turns + blockTurns - 1) / blockTurns {
			all[i] = append(all[i], rng.IntN(max(turns-blockTurns+1, 1)))
		}
	}
	return all
}

// quantile is that of the round trips in the blocks, in microseconds; nil: of all.
func (s *sample) quantile(blocks []int, q float64) float64 {
	if blocks == nil {
		return micro(quantile(s.took, q))
	}
	const per = inTurn - 1
	var drawn []time.Duration
	for _, first := range blocks {
		drawn = append(drawn, s.took[first*per:min((first+blockTurns)*per, len(s.took))]...)
	}
	return micro(quantile(drawn, q))
}
