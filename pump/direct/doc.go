// Package direct is the pump's own end of the connections that write binlogs: unary gRPC over
// HTTP/2 (RFC 9113, RFC 7541, gRPC over HTTP2), for the one method binlog.Pump/WriteBinlog.
//
// A general gRPC server passes each call through several goroutines, keeps a context, a
// transport stream and flow control for it, and gives its answer to yet another goroutine to
// write. For a binlog of some hundred bytes that is most of the work, and for a lone writer most
// of the time besides the disk. Here one goroutine reads all requests that have come on a
// connection, stores them together and writes all answers at once. Measured, both on one
// machine: BENCHMARKS.md.
//
// # Which connections
//
// [Server] stands before a *grpc.Server. It sends its SETTINGS, which are those of that server,
// and looks at the first call. If it is a plain WriteBinlog, the connection stays here;
// otherwise everything read so far is replayed to the gRPC server, which has the connection from
// then on. TiDB only writes and a drainer only pulls, so each gets the end that is made for it.
// Should another call come on a connection that stayed here, its sender is told to take a new
// connection (GOAWAY: what was begun is finished, and gRPC repeats the call by itself), and for
// a minute the new connections of its host go to the gRPC server, which can do everything.
//
// SETTINGS are acknowledged as they come (RFC 9113, 6.5.3), also before it is known who serves
// the connection; what the gRPC server acknowledges once more is left out. A peer has 10 s for
// the preface and its SETTINGS; one that has sent them may be idle for as long as it likes.
//
// # What peers may cost
//
// Frames that bring no binlog cost a connection credit, which good calls and time bring back
// (credit.go). Without credit a connection ends with ENHANCE_YOUR_CALM; nothing more is read from
// it, and it is closed a second later, so that a peer that comes back at once has to wait. A peer
// that has made no good call, and so has not shown that it knows the cluster, has credit for a
// few frames. Calls of such peers reach the gRPC server at 200 a second from each host, and their
// connections are the first to be closed when there are too many (nodes/port).
//
// Headers are bounded by MaxHeaderList, here and at the gRPC server: the first call on a
// connection and later ones end in the same way.
//
// # Messages that are not whole
//
// What has come of a message is in memory until it is whole, and to say that it is long costs its sender nothing. So
// a message of several frames claims its size from one budget of all connections (budget.go), and may have 64 KiB
// until it has got that, which mostly is at once. Claims are granted whole and in their order, members' before
// strangers'; who has one and sends next to nothing while others wait loses its connection. What the gRPC library's
// server receives claims the same budget (guardheld.go); only compressed messages below 64 KiB do not.
//
// # How a connection ends
//
// A graceful end says GOAWAY without a limit, and with the last stream when the peer has answered
// a ping or a second has passed; what has begun by then is answered. So that the GOAWAY is not
// lost, the peer is given a second to close the connection first. A call that its sender resets
// while it is stored is stored all the same, but not answered.
//
// # What is the same
//
// Limits, status codes and texts are those of the gRPC server: at most MaxStreams calls at a
// time, messages up to MaxMessage (RESOURCE_EXHAUSTED with the text TiDB looks for), the same
// windows once there is room for a message (see below). A deadline of the caller is not looked at: a binlog on its way to the disk cannot be
// called back, and the caller ends its call itself. Whether a silent peer is still there is
// asked by TCP's keep-alive.
//
// # Why frames are read here
//
// The Framer of golang.org/x/net reads the two frames of a call in 250 to 290 ns and with one
// allocation of 48 bytes, the code here in 50 to 80 ns and with none (BenchmarkReadFrames). Twice a
// transaction that is 4 % of what the pump computes for one. And the Framer waits within ReadFrame
// and gives the payload only: here it is asked whether a whole frame has come, so that a batch
// ends there, and what has been read can be replayed. HPACK is golang.org/x/net's.
//
// # Back-pressure
//
// While binlogs are stored, nothing more is read from their connection, so that a peer which
// sends faster than the disk takes is held up by TCP. Only if that lasts longer than half a
// second (a disk that hangs), another goroutine goes on reading, so that pings are answered: a
// peer that gets none would close the connection and take the pump for dead.
package direct
