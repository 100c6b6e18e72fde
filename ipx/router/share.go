package router

// A Share is how much an attachment has taught of what it may.
type Share struct {
	Networks    int `json:"networks"`
	MaxNetworks int `json:"max_networks"`
	Services    int `json:"services"`
	MaxServices int `json:"max_services"`
}

// share is that of the attachment; r.mu is held.
func (a *Attached) share() Share {
	r := a.router
	return Share{
		Networks: a.told[ofRoutes], MaxNetworks: r.routes.limit(a),
		Services: a.told[ofServices], MaxServices: r.services.limit(a),
	}
}

// Stations is how many stations were heard on LANs in the last five minutes, at most:
// silent ones are forgotten now and then.
func (r *Router) Stations() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attached {
		n += len(a.nodes.All())
	}
	return n
}
