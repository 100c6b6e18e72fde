package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
	"sitebridge/bridge/diagnose"
)

// diagnoseWait is more than the daemon takes.
const diagnoseWait = 2 * time.Minute

func runDiagnose(e *env, args []string) int {
	f := e.flags("diagnose", "[--json] [--config FILE] [--socket FILE] SITE")
	asJSON := f.Bool("json", false, "print a line of JSON for each step, as docs/commands.md describes it")
	daemon := daemonFlags(f)
	site, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	tell := func(d diagnose.Finding) { printFinding(e.stdout, d) }
	enc := json.NewEncoder(e.stdout)
	if *asJSON {
		tell = func(d diagnose.Finding) { enc.Encode(diagnose.Line{Finding: &d}) }
	}
	result, err := e.diagnose(daemon, site, tell)
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		enc.Encode(diagnose.Line{Conclusion: &result})
	} else {
		printConclusion(e.stdout, result)
	}
	if result.Verdict == diagnose.Fault {
		return exitDown
	}
	return exitOK
}

// diagnose asks the daemon, and looks itself where none runs.
func (e *env) diagnose(which whichDaemon, site string, tell func(diagnose.Finding)) (diagnose.Conclusion, error) {
	ctx, cancel := context.WithTimeout(e.ctx, diagnoseWait)
	defer cancel()
	client, err := which.client()
	if err != nil {
		return diagnose.Conclusion{}, err
	}
	result, err := client.Diagnose(ctx, site, tell)
	if !errors.Is(err, bridge.ErrNoDaemon) {
		return result, err
	}
	cfg, loadErr := config.Load(cmp.Or(*which.config, defaultConfig))
	if loadErr != nil {
		return result, fmt.Errorf("%w; without one its configuration is read here: %w", err, loadErr)
	}
	return bridge.DiagnoseOffline(ctx, cfg, site, err, tell)
}

// findingIndent is where the words of a finding begin.
const findingIndent = "                         "

// printFinding prints one step: its verdict, its name, and what was found.
func printFinding(w io.Writer, f diagnose.Finding) {
	mark := map[diagnose.Verdict]string{diagnose.OK: "ok", diagnose.Warning: "WARNING", diagnose.Fault: "FAULT", diagnose.Unknown: "-"}[f.Verdict]
	fmt.Fprintf(w, "%-8s %-15s %s\n", mark, f.Step, f.Words)
	printDo(w, f.Do)
}

func printDo(w io.Writer, do string) {
	if do != "" {
		fmt.Fprintf(w, "%sto do: %s\n", findingIndent, strings.ReplaceAll(do, "\n", "\n"+findingIndent))
	}
}

func printConclusion(w io.Writer, c diagnose.Conclusion) {
	fmt.Fprintf(w, "\n%s: %s\n", c.Site, c.Words)
	if c.Do != "" {
		fmt.Fprintf(w, "to do: %s\n", c.Do)
	}
}
