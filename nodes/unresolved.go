package nodes

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ActResolve is what [Control.Resolve] asks a pump to do, in its errors.
const ActResolve Action = "resolve a transaction"

// UnresolvedList is what a pump says at GET /unresolved of the transactions whose
// outcome it does not know.
type UnresolvedList struct {
	Pump      string `json:"pump"`      // node ID
	Total     int    `json:"total"`     // unresolved transactions, whatever their age
	Waiting   int    `json:"waiting"`   // committed transactions that they hold back
	Delivered TSO    `json:"delivered"` // drainers have been shown everything up to here, and nothing newer
	// Transactions are in the order in which they hold back: nothing newer than CommitAfter
	// of the first is delivered.
	Transactions []UnresolvedTxn `json:"transactions"`
}

// UnresolvedTxn is one transaction of an [UnresolvedList].
type UnresolvedTxn struct {
	StartTS     TSO       `json:"startTS"`
	CommitAfter TSO       `json:"commitAfter"` // its commit TS, if it has one, is larger
	Since       time.Time `json:"since"`       // when the pump stored it, or started
	AgeSeconds  float64   `json:"ageSeconds"`  // since then, by the pump's clock
	Bytes       int64     `json:"bytes"`       // size of its binlog
	Key         string    `json:"key"`         // the primary key in hexadecimal digits
	Tables      []int64   `json:"tables"`      // IDs of the tables it changes
	Partial     bool      `json:"partial"`     // it is large: there may be more tables than those
	Attempts    int       `json:"attempts"`    // how often TiKV was asked
	Asked       time.Time `json:"asked,omitzero"`
	TiKV        string    `json:"tikv"`    // TiKV's last answer; "" while there is none
	Problem     string    `json:"problem"` // why the binlog could not be read
}

// Age is how long the pump has had the transaction.
func (t UnresolvedTxn) Age() time.Duration { return time.Duration(t.AgeSeconds * float64(time.Second)) }

// KeyText is the primary key for a person: "table 44, row 17" or "table 44, index 2, …"
// where it is a key of TiDB, otherwise quoted.
func (t UnresolvedTxn) KeyText() string {
	key, err := hex.DecodeString(t.Key)
	if err != nil {
		return strconv.Quote(t.Key)
	}
	return keyText(key)
}

// keyText reads t<table ID>_r<handle> and t<table ID>_i<index ID><values>. Numbers are
// eight bytes, big endian, with the sign bit flipped.
func keyText(key []byte) string {
	const prefix = len("t12345678_r")
	if len(key) <= prefix || key[0] != 't' || key[9] != '_' {
		return strconv.Quote(string(key))
	}
	table, rest := number(key[1:9]), key[prefix:]
	switch {
	case key[10] == 'r' && len(rest) == 8:
		return fmt.Sprintf("table %d, row %d", table, number(rest))
	case key[10] == 'r':
		return fmt.Sprintf("table %d, row 0x%x", table, rest)
	case key[10] == 'i' && len(rest) >= 8:
		return fmt.Sprintf("table %d, index %d, 0x%x", table, number(rest[:8]), rest[8:])
	}
	return strconv.Quote(string(key))
}

func number(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// TableText lists the tables: "42, 44", with "…" if there may be more.
func (t UnresolvedTxn) TableText() string {
	var list []string
	for _, id := range t.Tables {
		list = append(list, strconv.FormatInt(id, 10))
	}
	if t.Partial {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// DecidedBy is the header in which a client says for whom it asks a pump to resolve a
// transaction, for the pump's log. Nothing is allowed because of it.
const DecidedBy = "Pumphouse-User"

// Unresolved asks a pump for up to limit transactions whose outcome it does not know and
// that it has had for at least older. An error names the pump and its address.
func (c *Control) Unresolved(ctx context.Context, rec Record, older time.Duration, limit int) (UnresolvedList, error) {
	fail := func(err error) (UnresolvedList, error) {
		return UnresolvedList{}, fmt.Errorf("ask pump %q (%s) for its unresolved transactions: %w", rec.NodeID, rec.Host, err)
	}
	query := url.Values{"older": {older.String()}, "limit": {strconv.Itoa(limit)}}
	status, body, _, err := c.call(ctx, http.MethodGet, rec, "unresolved", query, "")
	if err != nil {
		return fail(err)
	}
	var answer struct {
		Message string
		Data    UnresolvedList
	}
	err = json.Unmarshal(body, &answer)
	switch {
	case status == http.StatusNotFound && err != nil:
		return fail(errors.New("it does not know the request. It is an older pump: look at its log"))
	case status != http.StatusOK && answer.Message != "":
		return fail(fmt.Errorf("%s (HTTP status %d)", answer.Message, status))
	case status != http.StatusOK || err != nil:
		return fail(fmt.Errorf("HTTP status %d: %s", status, excerpt(body)))
	}
	return answer.Data, nil
}

// Resolve asks a pump to resolve a transaction by an operator's word: committed at
// commitTS, or rolled back if that is 0. by says who the operator is. It gives the pump's
// message when the outcome is durable there. Errors: a [*RefusedError], an [*UnreachableError].
func (c *Control) Resolve(ctx context.Context, rec Record, startTS, commitTS TSO, by string) (message string, err error) {
	path := fmt.Sprintf("unresolved/%s/rollback", startTS)
	if commitTS != 0 {
		path = fmt.Sprintf("unresolved/%s/commit/%s", startTS, commitTS)
	}
	status, body, sent, err := c.call(ctx, http.MethodPut, rec, path, nil, by)
	if err != nil {
		return "", &UnreachableError{Kind: Pump, NodeID: rec.NodeID, Host: rec.Host, Action: ActResolve, Sent: sent, Err: err}
	}
	return judgeReply(Pump, rec, ActResolve, status, body)
}

// maxList bounds the answer to a question for a list, in bytes.
const maxList = 16 << 20

// call sends a request to a node. sent reports, with an error, whether it may have arrived.
func (c *Control) call(ctx context.Context, method string, rec Record, path string, query url.Values, by string) (status int, body []byte, sent bool, err error) {
	if _, _, err := net.SplitHostPort(rec.Host); err != nil {
		return 0, nil, false, fmt.Errorf("its record names no address: %w", err)
	}
	target := &url.URL{Scheme: c.scheme, Host: rec.Host, Path: "/" + path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return 0, nil, false, err
	}
	if by != "" {
		req.Header.Set(DecidedBy, strconv.QuoteToASCII(by))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, !neverSent(err), errors.Unwrap(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxList))
	return resp.StatusCode, body, true, err
}
