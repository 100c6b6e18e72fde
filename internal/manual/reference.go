package manual

import (
	"fmt"
	"strings"
)

// Values tells what may stand at a key, in the parser's words.
type Values func(Table, Key) string

// Reference is the table of every key in Markdown, docs/reference.md.
func (e Example) Reference(values Values) string {
	var b strings.Builder
	b.WriteString("# Every key of sites.toml\n\n" +
		"What may stand at a key, and its default, are what the program takes and does: a test compares this page with it, and with\n" +
		"`sites.toml.example`, whose words these are. Exit codes are in [commands.md](commands.md).\n\n")
	fmt.Fprintf(&b, "%s\n", outsideCode(e.Intro))
	for _, t := range e.Tables {
		title := "`[" + t.Name + "]`"
		if t.Name == "" {
			title = "Before the first table"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if t.Name == "site.NAME" {
			fmt.Fprintf(&b, "%s\n\n", outsideCode(e.Defaults))
		}
		if t.About != "" {
			fmt.Fprintf(&b, "%s\n\n", outsideCode(t.About))
		}
		b.WriteString("| key | what may stand there | default | what it is |\n| --- | --- | --- | --- |\n")
		for _, k := range t.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, outsideCode(values(t, k)), outsideCode(k.Default), outsideCode(k.about()))
		}
	}
	return b.String()
}

func (k Key) about() string {
	switch {
	case k.With != "":
		return "see `" + k.With + "`"
	case k.Text == "":
		return "see above"
	}
	return k.Text
}

// outsideCode makes a text fit for Markdown, in a cell of a table too.
func outsideCode(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(s)
}

// Page5 is the manual page sites.toml(5).
func (e Example) Page5(values Values) string {
	p := NewPage("sites.toml", "5", "configuration of sitebridge")
	p.Chapter("description")
	p.Text("**sitebridge**(8) reads /etc/sitebridge/sites.toml, or what --config names, which is TOML.\n\n" + outsideCode(e.Intro))
	for _, t := range e.Tables {
		if t.Name == "" {
			p.Chapter("before the first table")
		} else {
			p.b.WriteString(".SH \"" + Escape("["+t.Name+"]") + "\"\n")
		}
		if t.Name == "site.NAME" {
			p.Text(outsideCode(e.Defaults))
		}
		if t.About != "" {
			p.Text(outsideCode(t.About))
		}
		for _, k := range t.Keys {
			p.Item(k.Name, k.entry(values(t, k)))
		}
	}
	p.Chapter("see also")
	p.Text("**sitebridge**(8), and /usr/share/doc/sitebridge/examples/sites.toml, which shows every key.")
	return p.String()
}

// entry is what the manual page says of a key.
func (k Key) entry(values string) string {
	text := outsideCode(k.Text)
	if k.With != "" {
		text = "See **" + k.With + "**."
	}
	if values != "" {
		text += "\n\nWhat may stand there: " + outsideCode(values) + "."
	}
	switch k.Default {
	case "":
	case none:
		text += "\n\nIt has no default."
	default:
		text += "\n\nDefault: " + outsideCode(k.Default) + "."
	}
	return strings.TrimPrefix(text, "\n\n")
}
