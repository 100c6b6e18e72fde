package auth

import "fmt"

// MasterKeys are what an MS-CHAPv2 exchange leaves for the keys of MPPE, which
// start from the two values (RFC 3079, section 3.4). They cannot be printed.
type MasterKeys struct {
	passwordHashHash [16]byte
	ntResponse       [24]byte
	authenticator    bool
}

// PasswordHashHash is the MD4 of the MD4 of the password.
func (k *MasterKeys) PasswordHashHash() [16]byte { return k.passwordHashHash }

// NTResponse is the response that was proved right.
func (k *MasterKeys) NTResponse() [24]byte { return k.ntResponse }

// Authenticator tells whether this end was the authenticator. The directions of
// the keys follow it, whatever the roles in PPTP are (RFC 3079, section 3.3).
func (k *MasterKeys) Authenticator() bool { return k.authenticator }

// Wipe implements [Keys].
func (k *MasterKeys) Wipe() { k.passwordHashHash, k.ntResponse = [16]byte{}, [24]byte{} }

// Format keeps the keys out of logs, for every verb. The receiver is a value so
// that a dereferenced pointer is covered too.
func (MasterKeys) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (MasterKeys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
