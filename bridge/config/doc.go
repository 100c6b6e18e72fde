// Package config reads sites.toml. It decodes the file, checks every value, then
// every pair of values that must agree, and hands out a Config that needs no
// further check; nothing past this package sees TOML. What is wrong is reported
// all at once, each fault with its file, its key, the reason and what to write
// instead.
//
// It opens no sockets and looks at no interfaces: a configuration can be checked
// on another machine than the one it is for.
package config
