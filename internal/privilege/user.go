package privilege

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// A User is whom Drop makes of us.
type User struct {
	Name     string // as it was asked for
	UID, GID int
	Groups   []uint32 // all, with GID
}

// Lookup finds a user by its name or as "uid:gid", which needs no entry in the
// user database. An empty name is nobody in particular: nil.
func Lookup(name string) (*User, error) {
	if name == "" {
		return nil, nil
	}
	if uid, gid, numbers := strings.Cut(name, ":"); numbers {
		return fromNumbers(name, uid, gid)
	}
	entry, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return nil, fmt.Errorf("there is no user %q: make it (useradd --system --no-create-home %s), or write uid:gid", name, name)
	} else if err != nil {
		return nil, fmt.Errorf("look up the user %q: %w", name, err)
	}
	who, err := fromNumbers(name, entry.Uid, entry.Gid)
	if err != nil {
		return nil, err
	}
	return who, who.addGroups(entry)
}

func fromNumbers(name, uid, gid string) (*User, error) {
	u, uerr := strconv.ParseUint(uid, 10, 31)
	g, gerr := strconv.ParseUint(gid, 10, 31)
	if uerr != nil || gerr != nil {
		return nil, fmt.Errorf("%q is not a user: want a name, or two numbers as in 998:998", name)
	}
	return &User{Name: name, UID: int(u), GID: int(g), Groups: []uint32{uint32(g)}}, nil
}

// addGroups adds the groups that the user is also in.
func (who *User) addGroups(entry *user.User) error {
	list, err := entry.GroupIds()
	if err != nil {
		return fmt.Errorf("look up the groups of %q: %w", who.Name, err)
	}
	for _, id := range list {
		if g, err := strconv.ParseUint(id, 10, 32); err == nil && int(g) != who.GID {
			who.Groups = append(who.Groups, uint32(g))
		}
	}
	return nil
}
