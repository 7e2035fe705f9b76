package nodes

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Action is what a live node can be asked over HTTP.
type Action string

// The actions, as the path of the request spells them.
const (
	ActPause Action = "pause" // stop, ending in Paused
	ActClose Action = "close" // drain and stop for good, ending in Offline
	// ActSwitch is for a drainer of ours that has a standby: drain, and give the place to that one.
	ActSwitch Action = "switch"
)

// Final is the state in which a node ends that has accepted the action.
func (a Action) Final() State {
	if a == ActClose {
		return Offline
	}
	return Paused
}

// maxAnswer bounds how much of a node's answer is read.
const maxAnswer = 1 << 20

// Reply is the body with which nodes answer on their HTTP API: what a [Control] reads
// and a service writes. Code 200 means accepted; old nodes refuse with HTTP status 200
// and code 3, ours send a real status with the same body.
type Reply struct {
	Message string `json:"message"`
	Code    int    `json:"code"`
	Data    any    `json:"data"`
}

// Control asks live nodes to pause or to go offline. It may be used by many goroutines.
type Control struct {
	client *http.Client
	scheme string
}

// NewControl makes a Control. A nil tlsConfig means plain HTTP; timeout bounds one
// request, 0 means 10 s.
func NewControl(tlsConfig *tls.Config, timeout time.Duration) *Control {
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	scheme := "http"
	if tlsConfig != nil {
		scheme = "https"
	}
	return &Control{
		scheme: scheme,
		client: &http.Client{
			Timeout: timeout,
			// A transport of its own: no proxy from the environment stands between nodes, and
			// nothing is left open after an answer.
			Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true, ForceAttemptHTTP2: false},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

// RefusedError says that a node was reached and did not accept.
type RefusedError struct {
	Kind    Kind
	NodeID  string
	Host    string
	Action  Action
	Status  int    // HTTP status
	Code    int    // code in the body, 0 if there was none
	Message string // the node's own words
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %s at %s refused to %s: %s (HTTP status %d, code %d)",
		e.Kind, e.NodeID, e.Host, e.Action, e.Message, e.Status, e.Code)
}

// UnreachableError says that a node gave no answer.
type UnreachableError struct {
	Kind   Kind
	NodeID string
	Host   string
	Action Action
	Sent   bool // the request may have arrived
	Err    error
}

// Error says what to do about a dead node.
func (e *UnreachableError) Error() string {
	what := "cannot be reached"
	if e.Sent {
		what = "did not answer (it may have accepted: look at its state)"
	}
	if e.Action == ActResolve {
		return fmt.Sprintf("ask %s %s at %s to %s: it %s: %v. Start the pump: only a running one can store the decision",
			e.Kind, e.NodeID, e.Host, e.Action, what, e.Err)
	}
	if e.Action == ActSwitch {
		return fmt.Sprintf("ask %s %s at %s to %s: it %s: %v. If it is dead, its standby takes its place by itself within 10 s: binlogctl -cmd status -node-id %s",
			e.Kind, e.NodeID, e.Host, e.Action, what, e.Err, e.NodeID)
	}
	return fmt.Sprintf("ask %s %s at %s to %s: it %s: %v; if it is dead, set its record: "+
		"binlogctl -cmd update-%s -node-id %s -state %s, or CHANGE %s TO NODE_STATE = '%s' FOR NODE_ID '%s'",
		e.Kind, e.NodeID, e.Host, e.Action, what, e.Err,
		e.Kind, e.NodeID, e.Action.Final(), strings.ToUpper(e.Kind.String()), e.Action.Final(), e.NodeID)
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Ask sends `PUT /state/<node ID>/<action>` to the address in the record and gives the
// node's message. Accepted means that the node has begun; see [WaitState] for the end.
// Errors: a [*RefusedError], an [*UnreachableError].
func (c *Control) Ask(ctx context.Context, kind Kind, rec Record, action Action) (message string, err error) {
	if action != ActPause && action != ActClose && action != ActSwitch {
		return "", fmt.Errorf("ask %s %s: no such action %q: use %s, %s or %s", kind, rec.NodeID, action, ActPause, ActClose, ActSwitch)
	}
	unreachable := func(sent bool, err error) error {
		return &UnreachableError{Kind: kind, NodeID: rec.NodeID, Host: rec.Host, Action: action, Sent: sent, Err: err}
	}
	target := &url.URL{Scheme: c.scheme, Host: rec.Host}
	if _, _, err := net.SplitHostPort(rec.Host); err != nil {
		return "", unreachable(false, fmt.Errorf("its record names no address: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target.JoinPath("state", url.PathEscape(rec.NodeID), string(action)).String(), nil)
	if err != nil {
		return "", unreachable(false, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", unreachable(!neverSent(err), errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", unreachable(true, err)
	}
	return judgeReply(kind, rec, action, resp.StatusCode, body)
}

// judgeReply takes an answer as acceptance only when both the status and the code in
// the body say so.
func judgeReply(kind Kind, rec Record, action Action, status int, body []byte) (string, error) {
	refused := &RefusedError{Kind: kind, NodeID: rec.NodeID, Host: rec.Host, Action: action, Status: status}
	var r Reply
	if err := json.Unmarshal(body, &r); err != nil {
		refused.Message = excerpt(body)
		return "", refused
	}
	if status == http.StatusOK && r.Code == http.StatusOK {
		return r.Message, nil
	}
	refused.Code, refused.Message = r.Code, r.Message
	if r.Message == "" {
		refused.Message = excerpt(body)
	}
	return "", refused
}

// excerpt is the beginning of an answer that is not what a node sends.
func excerpt(body []byte) string {
	const most = 200
	text := strings.TrimSpace(strings.ToValidUTF8(string(body), "?"))
	if text == "" {
		return "it gave no reason"
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

// neverSent reports whether a request failed before a connection existed.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}
