package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"pumphouse/binlogpb"
	"pumphouse/internal/disk"
	"pumphouse/internal/gogc"
	"pumphouse/pump"
	"pumphouse/pump/direct"
)

// nullServer is the limit of any pump behind gRPC: a server with a pump's codec and options
// that answers writes at once and whose pulls send one prepared message over and over. It is
// the pump's own front end, or the gRPC library's server alone.
func nullServer(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: null MESSAGE_BYTES direct|grpc")
	}
	size, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w, err := newWriter(nil, nil, 1, size)
	if err != nil {
		return err
	}
	gogc.SetForSmallHeap() // as bin/pump does
	s := grpc.NewServer(pump.ServerOptions(1 << 30)...)
	binlogpb.RegisterPumpServer(s, null{payload: w.prewrite.Payload})
	fmt.Printf("ready: %s\n", l.Addr())
	if args[1] == "direct" {
		return pump.WriteDirectly(s, 1<<30, func([]direct.Call) {}).Serve(l)
	}
	return s.Serve(l)
}

type null struct {
	binlogpb.UnimplementedPumpServer
	payload []byte
}

func (null) WriteBinlog(context.Context, *binlogpb.WriteBinlogReq) (*binlogpb.WriteBinlogResp, error) {
	return &binlogpb.WriteBinlogResp{}, nil
}

func (n null) PullBinlogs(_ *binlogpb.PullBinlogReq, stream binlogpb.Pump_PullBinlogsServer) error {
	var msg grpc.PreparedMsg
	if err := msg.Encode(stream, &binlogpb.Delivery{StartTS: 1 << 58, CommitTS: 1<<58 + 1, Payload: n.payload}); err != nil {
		return err
	}
	for {
		if err := stream.SendMsg(&msg); err != nil {
			return err
		}
	}
}

// rawRate is how many transactions a second the disk can take at best: the records of all
// writers, one each, in one append, then one fdatasync if sync; two such rounds are as
// many transactions as there are writers.
func rawRate(dir string, writers, size int, sync bool, d time.Duration) (float64, error) {
	const (
		segment = 64 << 20
		header  = 40 // of a record of the pump's log
	)
	name := filepath.Join(dir, "raw")
	defer os.Remove(name)
	create := func() (disk.File, error) {
		f, err := disk.Create(disk.OS{}, name)
		if err == nil {
			err = f.Preallocate(segment)
		}
		return f, err
	}
	f, err := create()
	if err != nil {
		return 0, err
	}
	defer func() { f.Close() }()
	prewrites, commits := make([]byte, writers*(header+size)), make([]byte, writers*header)
	at, txns, began := int64(0), 0, time.Now()
	for time.Since(began) < d {
		for _, b := range [][]byte{prewrites, commits} {
			if at+int64(len(b)) > segment {
				f.Close()
				if f, err = create(); err != nil {
					return 0, err
				}
				at = 0
			}
			if _, err := f.WriteAt(b, at); err != nil {
				return 0, err
			}
			at += int64(len(b))
			if sync {
				if err := f.Sync(); err != nil {
					return 0, err
				}
			}
		}
		txns += writers
	}
	return float64(txns) / time.Since(began).Seconds(), nil
}
