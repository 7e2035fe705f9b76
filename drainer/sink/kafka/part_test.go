package kafka

import "testing"

// A part of a transaction in the topic is no transaction: Applied stays where it was until the rest is there.
func TestAppliedWithoutParts(t *testing.T) {
	s := &Sink{applied: 10, passed: 20, waiting: 6}
	s.sent([]*outgoing{{commitTS: 19, value: []byte("ddl"), part: true}})
	if at := s.Applied(); at != 10 {
		t.Errorf("after the first part applied is %s", at)
	}
	s.sent([]*outgoing{{commitTS: 20, value: []byte("dml")}})
	if at := s.Applied(); at != 20 {
		t.Errorf("after the rest applied is %s", at)
	}
}
