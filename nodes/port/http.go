package port

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sirupsen/logrus"

	"pumphouse/nodes"
)

// HTTPError is an error with the status to answer it with.
type HTTPError struct {
	Code int
	Err  error
}

func (e *HTTPError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *HTTPError) Unwrap() error { return e.Err }

// Answer turns (value, error) into JSON, or text for a string, and a status code: 500 for an
// error that is no [*HTTPError]. The body of an error is the one that upstream clients
// know.
func Answer(log logrus.FieldLogger, handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := handle(r)
		if text, ok := value.(string); ok && err == nil {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintln(w, text)
			return
		}
		code := http.StatusOK
		if err != nil {
			code = http.StatusInternalServerError
			var he *HTTPError
			if errors.As(err, &he) {
				code = he.Code
			}
			value = nodes.Reply{Message: err.Error(), Code: code}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(value); err != nil {
			log.WithError(err).Debug("an HTTP client left before its answer")
		}
	}
}

// PutState carries out PUT /state/{node}/{action} for a node: pause and close. ask accepts
// an order or refuses it.
func PutState(kind nodes.Kind, nodeID string, ask func(context.Context, nodes.Order) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		node, action := r.PathValue("node"), r.PathValue("action")
		order := map[string]nodes.Order{string(nodes.ActPause): nodes.Pause, string(nodes.ActClose): nodes.Leave}[action]
		switch {
		case node != nodeID:
			return nil, &HTTPError{http.StatusNotFound, fmt.Errorf("this is %s %s, not %s: look its address up with binlogctl -cmd %ss", kind, nodeID, node, kind)}
		case order == nodes.NoOrder:
			return nil, &HTTPError{http.StatusBadRequest, fmt.Errorf("action %s does not exist: use pause or close", action)}
		}
		if err := ask(r.Context(), order); err != nil {
			//lint:ignore ST1005 upstream tools know this text
			return nil, &HTTPError{http.StatusConflict, fmt.Errorf("%w, apply %s failed!", err, action)}
		}
		return nodes.Reply{Message: fmt.Sprintf("apply action %s success!", action), Code: http.StatusOK}, nil
	}
}
