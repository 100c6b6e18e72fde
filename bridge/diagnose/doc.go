// Package diagnose walks the fault tree of one site, and says in words what is wrong
// and what to do about it.
//
// It is in two halves. Facts come from a World: names resolved, connections tried,
// counters read, without any opinion. Judgement is pure: for each step of the tree a
// function from facts to a Finding, in the order in which a tunnel comes up. What
// depends on a step that is at fault is not looked at, and says so; everything else is.
//
// The package leaves to others where facts come from (package bridge, in the daemon or
// without one) and how findings are shown (cmd/sitebridge).
package diagnose
