package bridge

// uplinkChanged wakes attend to look at the caller's path.
func (m *remote) uplinkChanged() {
	select {
	case m.uplink <- struct{}{}:
	default:
	}
}

// watch looks at the path whenever the host's network has changed, while the call lasts.
func (m *remote) watch() {
	for {
		select {
		case <-m.session.over:
			return
		case <-m.uplink:
			m.hostChanged()
		}
	}
}

// hostChanged gives the caller's call up when its path is lost: by echoes we would know
// half a minute later, and the caller would be refused until then.
func (m *remote) hostChanged() {
	if why := m.session.lost(); why != nil {
		m.end(pathLost{why})
	}
}

// A pathLost is why the host can no longer send what a caller's session sends.
type pathLost struct{ error }
