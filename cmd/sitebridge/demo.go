package main

func runDemo(e *env, args []string) int { return exitFailed }
