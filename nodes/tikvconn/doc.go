// Package tikvconn opens what pump and drainer need to ask a cluster's TiKV something: PD's own
// client, which finds the regions, with TLS, and without that client's habits.
//
// PD's client, and client-go on top of it, log through a global logger to stdout and register
// metrics with the default registry. The second is off; for the first a program calls
// [RedirectLogs] once.
package tikvconn
