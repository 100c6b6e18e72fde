package policy

import (
	"fmt"
	"strings"

	"sitebridge/ipx/sap"
)

// Services are services that are allowed. Nil allows every one; an empty one
// that is not nil allows none.
type Services []ServicePattern

// A ServicePattern is a type and a pattern for names.
type ServicePattern struct {
	Type sap.ServiceType // sap.AnyType: all
	// Name stands for itself, but "*" for any octets, also none, and "?" for one.
	// Letters match in either case: servers write them large, and people do not.
	// A blank in a name is written as "?".
	Name string
}

// Has reports whether a service is allowed.
func (s Services) Has(t sap.ServiceType, name string) bool {
	if s == nil {
		return true
	}
	for _, p := range s {
		if p.Has(t, name) {
			return true
		}
	}
	return false
}

// Has reports whether the pattern is that of a service.
func (p ServicePattern) Has(t sap.ServiceType, name string) bool {
	return (p.Type == sap.AnyType || p.Type == t) && matches(p.Name, name)
}

// ParseServicePattern reads "0004", "0004 FS*" or "* PRINT?": a type in
// hexadecimal, or "*" for all, and a pattern for names, "*" when it is left out.
func ParseServicePattern(s string) (ServicePattern, error) {
	wrong := fmt.Errorf(`%q is no pattern for services: want a type and a name, such as "0004 FS*", "0278" or "* FS1"`, s)
	fields := strings.Fields(s)
	p := ServicePattern{Type: sap.AnyType, Name: "*"}
	if len(fields) == 0 || len(fields) > 2 {
		return ServicePattern{}, wrong
	}
	if fields[0] != "*" {
		t, err := sap.ParseServiceType(fields[0])
		if err != nil || t == sap.AnyType {
			return ServicePattern{}, wrong
		}
		p.Type = t
	}
	if len(fields) == 2 {
		p.Name = fields[1]
	}
	if len(p.Name) > sap.MaxName {
		return ServicePattern{}, wrong
	}
	return p, nil
}

// String is what ParseServicePattern reads.
func (p ServicePattern) String() string {
	t := "*"
	if p.Type != sap.AnyType {
		t = p.Type.String()
	}
	return t + " " + p.Name
}

// matches compares a name with a pattern in time that grows with the product of
// their lengths at most: a peer chooses the names.
func matches(pattern, name string) bool {
	star, mark, i := -1, 0, 0
	p := 0
	for i < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || upper(pattern[p]) == upper(name[i])):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
