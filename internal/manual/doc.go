// Package manual makes the manual pages and the reference of keys out of what the
// project already says once: sites.toml.example, docs/commands.md and the program's own
// tables. Tests call it; they fail when a page that is committed says something else,
// and write it anew with -update. What a page says is for its source to say.
package manual
