// Package web is the console's HTTP port: one page for people, Prometheus metrics of the
// cluster, and /healthz. It only looks; nothing can be changed through it.
//
//	GET /         the page: nodes, lag over up to an hour, who waits for whom, events
//	GET /metrics  Prometheus text
//	GET /healthz  200 while the records can be read, else 503 with the reason
//
// # The page
//
// It is rendered here, whole, and works without scripts (a refresh every few seconds).
// With scripts, live.js fetches it again every two seconds and replaces the sections that
// have changed, and says changes of states to screen readers. Everything it needs is in
// the program; nothing is loaded from elsewhere, which its Content-Security-Policy holds.
//
// # Readers
//
// The page and the metrics are made once a second for all who ask, and few versions of the page are
// kept for slow readers, who are cut. Connections are capped. Who asks by a name that
// is not the console's is refused, since a browser may have been led here by a stranger's.
//
// # Freshness
//
// Rows come from the same view as SHOW PUMP STATUS: when PD cannot be asked, the page says
// so instead of showing old rows, /healthz is 503, and of the cluster's metrics only
// pumphouse_pd_up, at 0, is left.
package web
