package rig

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Ask runs a query and joins its rows.
func Ask(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(ScanRows(t, rows), "\n")
}

// Refused tries gRPC and HTTP as that client.
func Refused(t *testing.T, c *Pumps, addr string) {
	t.Helper()
	cli := c.Dial(addr)
	if err := cli.Raw(nil); status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC: %v", err)
	}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: c.TLS}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(scheme + "://" + addr + "/status")
	if err == nil {
		resp.Body.Close()
		t.Errorf("HTTP: %s", resp.Status)
	}
}
