// Package wire is the server's half of the MySQL client/server protocol: packets,
// the handshake, authentication exchanges, and the encoding of results and
// parameters. It holds no policy: who may log in, what a command does and how long
// anything may take is decided by its only caller, package server.
//
// # Why not go-mysql's server package
//
// That package decides inside its handshake what a server must be able to decide:
// it allocates what an unauthenticated client's header asks for, keeps 80 KB of
// buffers for each connection, offers a fixed set of capabilities, has no
// COM_CHANGE_USER, writes every packet by itself, and panics on some malformed
// input. Its mysql package, with the protocol's constants, error numbers and password
// scrambles, is used here throughout.
//
// # Promises
//
//   - No input makes a function here panic; malformed input is an error with MySQL's
//     number (1043, 1156, 1210, 1835 …).
//   - Memory follows the bytes that have arrived, never the length a header claims.
//   - Everything written is buffered until [Conn.Flush], so an answer is one write
//     system call unless it is longer than 64 KiB.
//   - An idle connection holds one 4 KiB read buffer and no write buffer.
//   - Writing a row does not allocate (decimals excepted).
//
// # Trade-offs
//
// Compression, query attributes, session tracking and LOAD DATA LOCAL are not offered:
// clients work without them, and each is a way in for input nobody here needs.
package wire
