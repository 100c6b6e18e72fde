//go:build !race

// Package race tells tests whether the race detector is in. With it sync.Pool
// forgets on purpose, so that what comes from a pool cannot be tested for not
// allocating; `make test` runs those tests without it too.
package race

// Enabled reports whether the program was built with the race detector.
const Enabled = false
