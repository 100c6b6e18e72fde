package auth

// Keys are what an exchange leaves for encryption: *MasterKeys, *TLSKeys or *RemoteKeys. They
// cannot be printed.
type Keys interface {
	// Authenticator tells whether this end was the authenticator. The directions
	// of the keys follow it, whatever the roles in PPTP are.
	Authenticator() bool
	// Wipe forgets them, once those who need them have their own. What is left is
	// zeros.
	Wipe()
}

var (
	_ Keys = (*MasterKeys)(nil)
	_ Keys = (*TLSKeys)(nil)
	_ Keys = (*RemoteKeys)(nil)
)
