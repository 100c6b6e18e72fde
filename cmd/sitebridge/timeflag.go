package main

import (
	"flag"
	"fmt"
	"strconv"
	"time"
)

// A timeValue is a flag's time. Who forgets the unit is told what to write.
type timeValue time.Duration

// timeFlag is flag.Duration with that.
func timeFlag(f *flag.FlagSet, name string, usual time.Duration, usage string) *time.Duration {
	d := usual
	f.Var((*timeValue)(&d), name, usage)
	return &d
}

func (v *timeValue) String() string { return time.Duration(*v).String() }

func (v *timeValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err == nil {
		*v = timeValue(d)
		return nil
	}
	if _, bare := strconv.ParseUint(s, 10, 32); bare == nil {
		return fmt.Errorf("a time has a unit: write %ss for seconds", s)
	}
	return fmt.Errorf("want a time, as in 60s or 2m")
}
