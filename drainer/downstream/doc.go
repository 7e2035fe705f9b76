// Package downstream are the downstreams a drainer can have: each joins a sink with the place
// of its checkpoint. Programs choose one and give it to the drainer, which knows none of them.
package downstream

import "pumphouse/drainer/sink"

// opened makes a sink's constructor one of the interface: an error comes without a sink, not
// with one that is nil.
func opened[S sink.Sink](s S, err error) (sink.Sink, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
