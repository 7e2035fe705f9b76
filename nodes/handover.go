package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Handover is what a drainer answers to GET /handover: its configuration as that of a changefeed of TiCDC,
// which is to go on where the drainer ends.
type Handover struct {
	Downstream string `json:"downstream"` // kind and place, without secrets
	// SinkURI is for `cdc cli changefeed create`, with PASSWORD in the place of one; "": TiCDC has no such downstream.
	SinkURI    string `json:"sinkURI"`
	Changefeed string `json:"changefeed"` // the changefeed's configuration, TOML
	// Left are the settings that TiCDC does not have, and what to do about them; not nil.
	Left []string `json:"left"`
}

// Handover asks a drainer for its configuration as TiCDC has it. An error names the drainer and its address.
func (c *Control) Handover(ctx context.Context, rec Record) (h Handover, err error) {
	fail := func(err error) (Handover, error) {
		return Handover{}, fmt.Errorf("ask drainer %s at %s what TiCDC needs to know: %w", rec.NodeID, rec.Host, err)
	}
	status, body, _, err := c.call(ctx, http.MethodGet, rec, "handover", nil, "")
	if err != nil {
		return fail(fmt.Errorf("%w; it has to be running, and is paused at the end", err))
	}
	var refused struct {
		Message string `json:"message"`
	}
	err = json.Unmarshal(body, &h)
	switch {
	case status == http.StatusNotFound:
		return fail(errors.New("it does not know the request: upstream's drainers and older ones do not promise where they stop. Replace the program first (docs/upgrading.md)"))
	case status != http.StatusOK && json.Unmarshal(body, &refused) == nil && refused.Message != "":
		return fail(fmt.Errorf("%s (HTTP status %d)", refused.Message, status))
	case status != http.StatusOK || err != nil:
		return fail(fmt.Errorf("HTTP status %d: %s", status, excerpt(body)))
	}
	return h, nil
}
