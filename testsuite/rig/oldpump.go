package rig

import (
	"net"

	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/nodes"
)

// OldPump is a pump that delivers what a test tells it to, whatever its record says.
type OldPump struct {
	binlogpb.UnimplementedPumpServer
	Deliver chan *binlogpb.PullBinlogResp // closed: streams end
}

func (o *OldPump) PullBinlogs(_ *binlogpb.PullBinlogReq, s binlogpb.Pump_PullBinlogsServer) error {
	for {
		select {
		case e, ok := <-o.Deliver:
			if !ok {
				return nil
			}
			if err := s.Send(e); err != nil {
				return err
			}
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// OldPump starts one, and puts its record into PD.
func (c *Pumps) OldPump(id string) *OldPump {
	c.T.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.T.Fatal(err)
	}
	o := &OldPump{Deliver: make(chan *binlogpb.PullBinlogResp)}
	g := grpc.NewServer()
	binlogpb.RegisterPumpServer(g, o)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	c.T.Cleanup(func() { g.Stop(); <-served })
	c.PumpRecord(id, l.Addr().String(), nodes.Online)
	return o
}
