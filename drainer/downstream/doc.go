// Package downstream are the downstreams a drainer can have: each joins a sink with the place
// of its checkpoint. Programs choose one and give it to the drainer, which knows none of them.
package downstream
