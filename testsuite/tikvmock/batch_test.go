package tikvmock

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/kvproto/pkg/pdpb"
	"github.com/pingcap/kvproto/pkg/tikvpb"
	"github.com/tikv/client-go/v2/tikvrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// BatchCommands is the stream over which client-go sends nearly everything.
func (f *storeFront) BatchCommands(stream tikvpb.Tikv_BatchCommandsServer) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out := &tikvpb.BatchCommandsResponse{RequestIds: in.RequestIds}
		for _, r := range in.Requests {
			answer, err := f.answer(stream.Context(), r)
			if err != nil {
				return err
			}
			out.Responses = append(out.Responses, answer)
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (f *storeFront) answer(ctx context.Context, r *tikvpb.BatchCommandsRequest_Request) (*tikvpb.BatchCommandsResponse_Response, error) {
	out := new(tikvpb.BatchCommandsResponse_Response)
	switch c := r.Cmd.(type) {
	case *tikvpb.BatchCommandsRequest_Request_Empty:
		out.Cmd = &tikvpb.BatchCommandsResponse_Response_Empty{Empty: &tikvpb.BatchCommandsEmptyResponse{TestId: c.Empty.TestId}}
	case *tikvpb.BatchCommandsRequest_Request_Scan:
		resp, err := f.KvScan(ctx, c.Scan)
		if err != nil {
			return nil, err
		}
		out.Cmd = &tikvpb.BatchCommandsResponse_Response_Scan{Scan: resp}
	case *tikvpb.BatchCommandsRequest_Request_Get:
		resp, err := send[*kvrpcpb.GetResponse](ctx, f, tikvrpc.CmdGet, c.Get, c.Get.Context)
		if err != nil {
			return nil, err
		}
		out.Cmd = &tikvpb.BatchCommandsResponse_Response_Get{Get: resp}
	case *tikvpb.BatchCommandsRequest_Request_CheckTxnStatus:
		resp, err := f.KvCheckTxnStatus(ctx, c.CheckTxnStatus)
		if err != nil {
			return nil, err
		}
		out.Cmd = &tikvpb.BatchCommandsResponse_Response_CheckTxnStatus{CheckTxnStatus: resp}
	case *tikvpb.BatchCommandsRequest_Request_ResolveLock:
		resp, err := send[*kvrpcpb.ResolveLockResponse](ctx, f, tikvrpc.CmdResolveLock, c.ResolveLock, c.ResolveLock.Context)
		if err != nil {
			return nil, err
		}
		out.Cmd = &tikvpb.BatchCommandsResponse_Response_ResolveLock{ResolveLock: resp}
	default:
		return nil, status.Errorf(codes.Unimplemented, "%T", c)
	}
	return out, nil
}

func (f *storeFront) KvScan(ctx context.Context, req *kvrpcpb.ScanRequest) (*kvrpcpb.ScanResponse, error) {
	f.c.mu.Lock()
	own := f.c.scan
	f.c.mu.Unlock()
	if own != nil {
		return own(req), nil
	}
	return send[*kvrpcpb.ScanResponse](ctx, f, tikvrpc.CmdScan, req, req.Context)
}

// Tso gives time stamps of the machine's clock.
func (f *pdFront) Tso(stream pdpb.PD_TsoServer) error {
	for logical := int64(0); ; {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		logical += int64(req.Count)
		at := &pdpb.Timestamp{Physical: time.Now().UnixMilli(), Logical: logical}
		if err := stream.Send(&pdpb.TsoResponse{Header: header, Count: req.Count, Timestamp: at}); err != nil {
			return err
		}
	}
}
