package gre

// SetDevice has packets leave by the interface of that number from now on, 0: as the
// kernel routes them. Whoever answers a call learns only from the authentication which
// site it is from. Not to be called from receive.
func (c *Channel) SetDevice(device int) {
	c.rx.mu.Lock() // acknowledgements leave under this one alone
	defer c.rx.mu.Unlock()
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	c.tx.path.Device = device
}
