//go:build race

package gre

// raceDetector: with it, sync.Pool forgets on purpose, so that what comes from a
// pool cannot be tested for not allocating.
const raceDetector = true
