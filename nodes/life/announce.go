package life

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pumphouse/internal/version"
	"pumphouse/nodes"
)

// firstAnswer is how long the first line of the log waits for PD.
const firstAnswer = 500 * time.Millisecond

// Announcement is the first line of a program's log, and what PD has to say to it.
type Announcement struct {
	endpoints []string
	known     atomic.Bool // PD has told its cluster
	cancel    context.CancelFunc
	done      sync.WaitGroup
}

// Announce logs the first line: what starts, its version, and the fields, with the cluster's ID if PD
// answers at once. Otherwise a second line has it as soon as it does, and another one says when PD
// speaks TLS and the address says it does not, or the reverse.
func Announce(log logrus.FieldLogger, what string, fields logrus.Fields, endpoints []string, clusterID func(context.Context) (uint64, error)) *Announcement {
	a := &Announcement{endpoints: endpoints}
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	answer := make(chan uint64, 1)
	a.done.Go(func() {
		for ctx.Err() == nil {
			if id, err := clusterID(ctx); err == nil {
				a.known.Store(true)
				answer <- id
				return
			}
			nodes.Sleep(ctx, time.Second)
		}
	})
	log = log.WithField("version", version.Number).WithField("pd", strings.Join(endpoints, ",")).WithFields(fields)
	late := time.NewTimer(firstAnswer)
	defer late.Stop()
	select {
	case id := <-answer:
		log.WithField("cluster_id", id).Info(what + " starts")
		return a
	case <-late.C:
	}
	log.Info(what + " starts; PD has not answered yet")
	a.done.Go(func() {
		if err := a.mismatch(ctx); err != nil {
			log.Warn(err.Error())
		}
		select {
		case id := <-answer:
			log.WithField("cluster_id", id).Info("PD answers")
		case <-ctx.Done():
		}
	})
	return a
}

// Stop ends what Announce has begun.
func (a *Announcement) Stop() { a.cancel(); a.done.Wait() }

// Explain adds to an error of a program that PD never answered why that may be.
func (a *Announcement) Explain(err error) error {
	if err == nil || a.known.Load() {
		return err
	}
	return ExplainPD(err, a.endpoints)
}

// ExplainPD adds to an error of reaching PD that PD speaks TLS where plain text was spoken to it, or
// the reverse, if so.
func ExplainPD(err error, endpoints []string) error {
	a := Announcement{endpoints: endpoints}
	return errors.Join(err, a.mismatch(context.Background()))
}

// mismatch asks each address of PD in the other way than it says.
func (a *Announcement) mismatch(ctx context.Context) error {
	var errs []error
	for _, e := range a.endpoints {
		scheme, addr, ok := strings.Cut(e, "://")
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		switch {
		case scheme == "https" && speaksHTTP(ctx, addr):
			errs = append(errs, fmt.Errorf("PD at %s does not speak TLS: write http://%s in pd-urls, and leave out ssl-ca, ssl-cert and ssl-key", addr, addr))
		case scheme == "http" && speaksTLS(ctx, addr):
			errs = append(errs, fmt.Errorf("PD at %s speaks TLS: write https://%s in pd-urls, and set ssl-ca, ssl-cert and ssl-key", addr, addr))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// speaksHTTP reports whether a server answers plain HTTP with anything but that it wants TLS.
func speaksHTTP(ctx context.Context, addr string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		return false
	}
	t := &http.Transport{DisableKeepAlives: true}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode != http.StatusBadRequest
}

// speaksTLS reports whether a server begins TLS, whoever it is.
func speaksTLS(ctx context.Context, addr string) bool {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // nothing is said to it
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		c.Close()
		return true
	}
	var alert tls.AlertError // it wants another certificate, or version: TLS anyway
	return errors.As(err, &alert)
}
