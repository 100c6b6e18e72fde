package router

import (
	"syscall"
	"time"
)

// cpu returns the processor time that the test has used. Virtual time does not
// show it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
