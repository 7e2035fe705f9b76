// Package tikvmock tests packages pump/tikv and drainer/tikv against client-go's TiKV in process, served over
// gRPC with its PD: regions that split, leaders that move, stores that come and go, which
// one unistore cannot play. It is a module of its own because that TiKV brings modules that
// the product does not need.
//
//	go test .
package tikvmock
