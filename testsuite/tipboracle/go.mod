module pumphouse/testsuite/tipboracle

go 1.26.0

require github.com/pingcap/tipb v0.0.0-20230119054146-c6b7a5a1623b

require (
	github.com/golang/protobuf v1.3.4 // indirect
	golang.org/x/net v0.0.0-20201110031124-69a78807bb2b // indirect
	golang.org/x/sys v0.0.0-20200930185726-fdedc70b468f // indirect
	golang.org/x/text v0.3.3 // indirect
	google.golang.org/genproto v0.0.0-20180817151627-c66870c02cf8 // indirect
	google.golang.org/grpc v1.24.0 // indirect
)

