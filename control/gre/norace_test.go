//go:build !race

package gre

const raceDetector = false
