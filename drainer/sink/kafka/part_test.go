package kafka

import (
	"testing"
	"time"

	"pumphouse/nodes"
)

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

// Of a transaction's rows, which go to several partitions, the last that is sent ends it; the marks say which is the last of its partition.
func TestCanalParts(t *testing.T) {
	opts := Options{Protocol: ProtocolCanalJSON, Partition: ByIndexValue, ClusterID: 7, NodeID: "drainer1", TimeZone: time.UTC}
	s := &Sink{opts: opts, work: make(chan struct{}, 1), canal: newCanal(opts)}
	s.canal.begin(opts, make([]nodes.TSO, 3))
	if err := s.applyCanal(t.Context(), several(10, 1, 2, 3, 4, 5, 6, 7, 8)); err != nil {
		t.Fatal(err)
	}
	ended := make(map[int32]bool)
	for i, m := range s.queue {
		if m.part != (i < len(s.queue)-1) || ended[m.partition] {
			t.Errorf("message %d of %d: %+v", i, len(s.queue), m)
		}
		if ts, ok := s.canal.upTo(m.mark); ts == 10 {
			ended[m.partition] = true
		} else if !ok || ts != 9 {
			t.Errorf("mark %s", m.mark)
		}
	}
	if len(s.queue) != 8 || len(ended) != 3 {
		t.Errorf("%d messages, ends in %d partitions", len(s.queue), len(ended))
	}
}
